"""Crystals that other packages carry are read as independent readers read them."""

from __future__ import annotations

import importlib.util
import warnings
from collections import Counter
from pathlib import Path

import ase.io
import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.io.vasp import read_vasp
from ase.neighborlist import neighbor_list
from pymatgen.io.cif import CifParser
from shared_data import shared

from gencsp.io.structures import read_structures

#: Packages that carry test data or a collection of crystals.
PACKAGES = ("ase", "pyxtal", "pymatgen", "pyocse", "chgnet", "matgl", "sevenn")
#: Most atoms of crystals that are compared here: larger ones take pymatgen long.
MOST = 250


def carried(pattern: str) -> list[Path]:
    """Files in the installed packages."""
    found: list[Path] = []
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            found += sorted(Path(next(iter(spec.submodule_search_locations))).rglob(pattern))
    return found


def by_pymatgen(path: Path) -> Atoms | None:
    """An ordered crystal as pymatgen reads the file; ``None`` for others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            structure = CifParser(path).parse_structures(primitive=False)[0]
        except ValueError:
            return None
        if not structure.is_ordered or len(structure) > MOST:
            return None
        symbols = [str(site.specie.symbol) for site in structure]
    return Atoms(
        ["H" if symbol == "D" else symbol for symbol in symbols],
        scaled_positions=structure.frac_coords,
        cell=structure.lattice.matrix,
        pbc=True,
    )


def seen(atoms: Atoms) -> tuple[Counter[str], int, float]:
    """Elements, space group and shortest distance."""
    crystal = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = spglib.get_symmetry_dataset(crystal, symprec=0.01)
    distances = neighbor_list("d", atoms, 3.5)
    return (
        Counter(atoms.get_chemical_symbols()),
        0 if found is None else int(found.number),
        round(float(distances.min()), 2) if distances.size else 0.0,
    )


def compare(paths: list[Path]) -> int:
    """Compare every file that both read as an ordered crystal; returns how many."""
    compared, differing = 0, []
    for path in paths:
        other = by_pymatgen(path)
        if other is None:
            continue
        ours = read_structures([path])[0]
        elements, number, distance = seen(ours)
        if (elements, number) != seen(other)[:2] or abs(distance - seen(other)[2]) > 0.02:
            differing.append(f"{path.name}: {seen(ours)} and {seen(other)}")
        compared += 1
    assert differing == []
    return compared


def test_cifs_of_installed_packages() -> None:
    assert compare(carried("*.cif")) > 40


def test_cifs_of_generators_and_substitution() -> None:
    assert compare(sorted(shared("pools").rglob("*.cif"))) > 150


def test_poscars_of_installed_packages() -> None:
    compared = 0
    for path in [*carried("*.vasp"), *carried("POSCAR*"), *carried("CONTCAR*")]:
        try:
            with path.open() as file:
                expected = read_vasp(file)
        except (ValueError, KeyError, IndexError, ase.io.ParseError):
            continue
        (ours,) = read_structures([path])
        np.testing.assert_allclose(ours.positions, expected.positions, atol=1e-9)
        assert str(ours.symbols) == str(expected.symbols)
        compared += 1
    if not compared:
        pytest.skip("no installed package carries a POSCAR")
