"""Crystals built from Wyckoff positions have the space group, judged by spglib."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk

from gencsp.proposers.crystals.lattice import PRIMITIVE, centring, space_group_lattice
from gencsp.proposers.crystals.wyckoff import build, primitive, sites

GROUPS = (
    *(1, 2, 5, 9, 14, 15, 22, 40, 43, 47, 62, 70, 88, 110, 122, 139, 141, 146, 155, 161, 166),
    *(186, 194, 205, 216, 220, 221, 225, 227, 230),
)


def analyse(atoms: Atoms, symprec: float = 1e-4) -> Any:
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    return spglib.get_symmetry_dataset(cell, symprec=symprec)


@pytest.mark.parametrize("number", GROUPS)
def test_generic_crystal_has_exactly_the_group(number: int) -> None:
    """Three general orbits of three elements leave no accidental symmetry."""
    rng = np.random.default_rng(number)
    general = max(sites(number).values(), key=lambda site: site.multiplicity).letter
    conventional = space_group_lattice(number, volume=3000.0, rng=rng)
    occupied = [("Na", general), ("Mg", general), ("Al", general)]
    atoms = build(number, conventional, occupied, rng=rng)
    assert atoms.cell.volume == pytest.approx(3000.0)
    dataset = analyse(atoms)
    assert dataset.number == number
    assert len(dataset.rotations) == sites(number)[general].multiplicity
    assert len(set(dataset.mapping_to_primitive)) == len(atoms)


@pytest.mark.parametrize("number", [62, 139, 166, 194, 216, 221, 227])
def test_special_positions_are_those_of_spglib(number: int) -> None:
    """Multiplicity, and letter up to the choice of origin, of each special position."""
    rng = np.random.default_rng(number)
    table = sites(number)
    general = max(table.values(), key=lambda site: site.multiplicity).letter
    for letter, site in table.items():
        conventional = space_group_lattice(number, volume=3000.0, rng=rng)
        atoms = build(
            number, conventional, [("Na", general), ("Mg", general), ("O", letter)], rng=rng
        )
        dataset = analyse(atoms)
        assert dataset.number == number
        oxygens = np.flatnonzero(atoms.numbers == 8)
        assert len(oxygens) == site.multiplicity
        assert len(set(dataset.equivalent_atoms[oxygens])) == 1
        n_stabiliser = len(dataset.rotations) / site.multiplicity
        found = sites(number)[dataset.wyckoffs[oxygens[0]]]
        assert len(dataset.rotations) / found.multiplicity == n_stabiliser
        assert found.n_free == site.n_free


@pytest.mark.parametrize(
    ("crystal", "letter"),
    [
        (bulk("NaCl", "rocksalt", a=5.6, cubic=True), "F"),
        (bulk("Fe", "bcc", a=2.9, cubic=True), "I"),
        (bulk("Si", "diamond", a=5.4, cubic=True), "F"),
        (bulk("CsCl", "cesiumchloride", a=4.1), "P"),
    ],
)
def test_primitive_cell_is_the_same_crystal(crystal: Atoms, letter: str) -> None:
    small = primitive(crystal, letter)
    nodes = round(1 / np.linalg.det(PRIMITIVE[letter]))
    assert len(small) == len(crystal) / nodes
    assert small.cell.volume == pytest.approx(crystal.cell.volume / nodes)
    assert analyse(small).number == analyse(crystal).number
    assert small.get_chemical_formula(empirical=True) == crystal.get_chemical_formula(
        empirical=True
    )


def test_every_group_has_its_general_position() -> None:
    for number in GROUPS:
        general = max(sites(number).values(), key=lambda site: site.multiplicity)
        assert general.n_free == 3
        assert centring(number) in PRIMITIVE
        for site in sites(number).values():
            assert general.multiplicity % site.multiplicity == 0
