"""CIFs in all 530 settings of spglib's table, by their operations and by their symbols.

The crystals are made from spglib's operations, and judged by spglib: neither gemmi nor pymatgen, by
which they are read, has a part in what is expected.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import spglib
from ase import Atoms
from cif_texts import cif
from numpy.typing import NDArray

from gencsp.errors import StructureFileError
from gencsp.io.structures import read_structures

Array = NDArray[np.float64]

#: First Hall numbers of the crystal systems, and one after the last.
SYSTEMS = {
    "triclinic": (1, 3), "monoclinic": (3, 108), "orthorhombic": (108, 349),
    "tetragonal": (349, 430), "trigonal": (430, 462), "hexagonal": (462, 489), "cubic": (489, 531),
}  # fmt: skip
#: Å, between any two atoms.
APART = 0.7


@cache
def operations(hall: int) -> tuple[Array, Array]:
    found = spglib.get_symmetry_from_database(hall)
    assert found is not None
    return np.array(found["rotations"], dtype=float), np.round(found["translations"] * 24) / 24


def a_cell(hall: int, rng: np.random.Generator, volume: float) -> Array:
    """A random cell with the symmetry of the operations, of a volume in Å³."""
    rotations, _ = operations(hall)
    drawn = np.eye(3) + rng.uniform(-0.25, 0.25, (3, 3))
    metric = np.einsum("nji,jk,nkl->il", rotations, drawn @ drawn.T, rotations) / len(rotations)
    cell = np.linalg.cholesky(metric)
    return np.asarray(cell * (volume / np.linalg.det(cell)) ** (1 / 3))


def images(hall: int, place: Array) -> Array:
    rotations, translations = operations(hall)
    found = (rotations @ place + translations) % 1.0
    return np.unique(np.round(found, 9) % 1.0, axis=0)


def a_crystal(hall: int) -> tuple[Atoms, list[Array]]:
    """Silicon at the origin and nitrogen in a general place; the crystal and its sites."""
    rng = np.random.default_rng(hall)
    n = len(operations(hall)[0])
    for _ in range(200):
        sites = [np.zeros(3), np.round(rng.random(3), 4)]
        orbits = [images(hall, place) for place in sites]
        symbols = [s for s, orbit in zip(("Si", "N"), orbits, strict=True) for _ in orbit]
        cell = a_cell(hall, rng, 20.0 * len(symbols))
        atoms = Atoms(symbols, scaled_positions=np.concatenate(orbits), cell=cell, pbc=True)
        if len(orbits[1]) == n and shortest(atoms) > APART:
            return atoms, sites
    raise AssertionError(f"no crystal for Hall number {hall}")


def shortest(atoms: Atoms) -> float:
    """Å, from the first atom of each element: each stands for all of its element."""
    places = atoms.get_scaled_positions()
    firsts = np.unique(atoms.numbers, return_index=True)[1]
    apart = places[firsts, None] - places[None]
    apart -= np.round(apart)
    shifts = np.array(list(np.ndindex(3, 3, 3))) - 1
    lengths = np.linalg.norm((apart[:, :, None] + shifts) @ atoms.cell.array, axis=-1)
    return float(lengths[lengths > 1e-9].min())


def group(atoms: Atoms) -> int:
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=1e-3)
    assert found is not None
    return int(found.number)


def triplet(rotation: Array, translation: Array) -> str:
    parts = []
    for row, shift in zip(rotation, translation, strict=True):
        signed = zip(row, "xyz", strict=True)
        terms = "".join(f"{'-' if x < 0 else '+'}{axis}" for x, axis in signed if x)
        twelfths = round(shift * 12) % 12
        parts.append(terms + (f"+{twelfths}/12" if twelfths else ""))
    return ",".join(parts)


def text(hall: int, atoms: Atoms, sites: list[Array], *, symbol: str = "") -> str:
    lines = [
        f"{s}{n} {s} " + " ".join(f"{x:.4f}" for x in place)
        for n, (s, place) in enumerate(zip(("Si", "N"), sites, strict=True))
    ]
    triplets = [triplet(*one) for one in zip(*operations(hall), strict=True)]
    return cif(
        lines,
        cell=[f"{x:.6f}" for x in atoms.cell.cellpar()],
        symmetry=f"_space_group_name_H-M_alt '{symbol}'" if symbol else "",
        operations=() if symbol else triplets,
    )


def symbol(hall: int, *, full: bool) -> str:
    """With the origin or the axes where the group has two of them."""
    found = spglib.get_spacegroup_type(hall)
    assert found is not None
    names = str(found.international).split("=")
    short = str(found.international_full) if full else names[-1].strip()
    extension = f" :{found.choice[0]}" if found.choice[:1] in ("1", "2", "H", "R") else ""
    return short.replace("_", "") + extension


def check(path: Path, made: Atoms, number: int) -> None:
    (atoms,) = read_structures([path])
    assert Counter(atoms.symbols) == Counter(made.symbols)
    assert group(atoms) == number
    assert shortest(atoms) == pytest.approx(shortest(made), abs=1e-3)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_setting_by_its_operations(system: str, tmp_path: Path) -> None:
    for hall in range(*SYSTEMS[system]):
        made, sites = a_crystal(hall)
        path = tmp_path / f"{hall}.cif"
        path.write_text(text(hall, made, sites))
        check(path, made, group(made))


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_setting_that_a_symbol_tells(system: str, tmp_path: Path) -> None:
    """Symbols that stand for several settings, as those with e for two glide planes, are left out.

    Short and full symbols in turn.
    """
    meanings = Counter(symbol(h, full=full) for h in range(1, 531) for full in {False, True})
    refused = []
    for hall in range(*SYSTEMS[system]):
        name = symbol(hall, full=hall % 2 == 0)
        if meanings[name] > 1 + (symbol(hall, full=True) == symbol(hall, full=False)):
            continue
        made, sites = a_crystal(hall)
        path = tmp_path / f"{hall}.cif"
        path.write_text(text(hall, made, sites, symbol=name))
        try:
            check(path, made, group(made))
        except StructureFileError as error:
            refused.append(f"{hall}: {error}")
    assert refused == []
