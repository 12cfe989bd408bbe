"""Built-in units: composition, charge, point group and the geometry that their sources give."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pymatgen.core import Molecule
from pymatgen.symmetry.analyzer import PointGroupAnalyzer

from gencsp.composition import Composition
from gencsp.errors import UnitError
from gencsp.units.builtin import ALIASES, builtin_names, builtin_unit
from gencsp.units.files import bonds_of
from gencsp.units.lookup import get_unit, get_units
from gencsp.units.point_group import point_group
from gencsp.units.unit import RigidUnit

#: Charge and point group that a chemist expects.
EXPECTED = {
    "NH2": (-1, "C2v"), "NH4": (1, "Td"), "H2O": (0, "C2v"), "OH": (-1, "C*v"), "H3O": (1, "C3v"),
    "CN": (-1, "C*v"), "N3": (-1, "D*h"), "NO2": (-1, "C2v"), "NO3": (-1, "D3h"),
    "CO3": (-2, "D3h"), "SO4": (-2, "Td"), "PO4": (-3, "Td"), "ClO4": (-1, "Td"),
    "BH4": (-1, "Td"), "AlH4": (-1, "Td"), "BF4": (-1, "Td"), "PF6": (-1, "Oh"),
    "C2O4": (-2, "D2h"), "CH3NH3": (1, "C3v"), "C6H6": (0, "D6h"), "CO(NH2)2": (0, "C2v"),
    "CO2": (0, "D*h"),
}  # fmt: skip


def angle(unit: RigidUnit, i: int, j: int, k: int) -> float:
    """Angle of three atoms, degrees."""
    return float(unit.atoms().get_angle(i, j, k))


def test_all_are_there() -> None:
    assert set(builtin_names()) == set(EXPECTED)
    assert set(ALIASES.values()) == set(EXPECTED) - {"CO2"}


@pytest.mark.parametrize("name", EXPECTED)
def test_composition_charge_bonds_and_point_group(name: str) -> None:
    unit = get_unit(name)
    charge, symbol = EXPECTED[name]
    assert unit.composition == Composition.parse(name)
    assert unit.charge == charge
    assert point_group(unit).symbol == symbol
    molecule = Molecule(unit.symbols, unit.positions)
    assert PointGroupAnalyzer(molecule, tolerance=1e-6).sch_symbol == symbol
    # Nothing is so near that a search by distances would find another bond.
    assert bonds_of(unit.symbols, unit.positions) == unit.bonds


def test_the_amide_ion_has_the_geometry_of_its_source() -> None:
    unit = get_unit("NH2")
    assert_allclose(unit.bond_lengths, 1.03, atol=1e-12)
    assert angle(unit, 1, 0, 2) == pytest.approx(104.0)


def test_pyramids_and_rotors_have_the_angles_that_are_stated() -> None:
    assert angle(get_unit("H3O"), 1, 0, 3) == pytest.approx(111.3)
    methylammonium = get_unit("methylammonium")
    assert angle(methylammonium, 1, 0, 4) == pytest.approx(110.5)
    assert angle(methylammonium, 0, 4, 6) == pytest.approx(110.8)
    # Staggered: looking along the bond each H of N stands between two of C.
    dihedral = methylammonium.atoms().get_dihedral(1, 0, 4, 5) % 120
    assert dihedral == pytest.approx(60.0)


def test_urea_lies_as_in_its_crystal() -> None:
    """Distances of the atoms at 12 K, from their coordinates (a = 5.565, c = 4.684 Å)."""
    urea = get_unit("urea")
    carbon, oxygen, nitrogen, syn, anti = np.array(
        [
            [0, 0.5, 0.3260], [0, 0.5, 0.5953], [0.1459, 0.6459, 0.1766],
            [0.2575, 0.7575, 0.2827], [0.1441, 0.6441, -0.0380],
        ]
    ) * [5.565, 5.565, 4.684]  # fmt: skip
    distances = [np.linalg.norm(a - b) for a, b in ((oxygen, syn), (oxygen, anti), (carbon, anti))]
    found = [
        np.linalg.norm(urea.positions[i] - urea.positions[j]) for i, j in ((1, 3), (1, 4), (0, 4))
    ]
    assert_allclose(found, distances, atol=0.005)
    assert urea.positions[2] @ urea.positions[5] < np.linalg.norm(nitrogen - carbon) ** 2


def test_several_units_come_once_each_and_unknown_ones_are_named() -> None:
    assert [unit.name for unit in get_units("NH2, amide,benzene")] == ["NH2", "C6H6"]
    assert builtin_unit("NH2") is get_unit("amide")
    with pytest.raises(UnitError, match=r"there is no unit 'NH7'.*NH7\.xyz"):
        get_unit("NH7")
    own = RigidUnit("NH2", ("N", "H"), np.array([[0, 0, 0], [0, 0, 1.0]]), ((0, 1),))
    with pytest.raises(UnitError, match="two units are named 'NH2'"):
        get_units(["NH2", own])
