"""Point groups of molecules against pymatgen's, and the symmetry of what nearly has it."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from numpy.testing import assert_allclose
from pymatgen.core import Molecule
from pymatgen.symmetry.analyzer import PointGroupAnalyzer
from scipy.spatial.transform import Rotation

from gencsp.units.builtin import builtin_names
from gencsp.units.files import bonds_of
from gencsp.units.lookup import get_unit
from gencsp.units.point_group import EXACT, keeps, point_group
from gencsp.units.symmetrise import symmetrised
from gencsp.units.unit import RigidUnit

#: Molecules of the G2 set, of many point groups.
MOLECULES = (
    "H2O2", "CH3OH", "CH3NO2", "bicyclobutane", "isobutane", "C2H4", "C3H4_D2d", "C2H6", "C3H4_C3v",
    "SiH4", "C6H6", "C5H5N", "NF3", "HOCl", "CH3CHO",
)  # fmt: skip


def unit_of(atoms: Atoms, name: str = "unit") -> RigidUnit:
    symbols = tuple(atoms.get_chemical_symbols())
    return RigidUnit(name, symbols, atoms.positions, bonds_of(symbols, atoms.positions))


def allene_twisted() -> Atoms:
    """H2C=C=CH2 with its ends at 30°: D2."""
    c, across, along = 1.31, 0.93, 0.56
    ends = [
        (s * across * np.cos(a), s * across * np.sin(a), z)
        for z, a in ((c + along, 0.0), (-c - along, np.pi / 6))
        for s in (1, -1)
    ]
    return Atoms("C3H4", positions=[(0, 0, 0), (0, 0, c), (0, 0, -c), *ends])


@pytest.mark.parametrize("name", MOLECULES)
def test_symbol_and_order_are_those_of_pymatgen(name: str) -> None:
    unit = symmetrised(unit_of(molecule(name)), tolerance=1e-3)
    theirs = PointGroupAnalyzer(Molecule(unit.symbols, unit.positions), tolerance=1e-3)
    group = point_group(unit)
    assert group.symbol == theirs.sch_symbol
    assert len(group.operations) == len(theirs.get_symmetry_operations())
    assert_allclose(group.operations[0], np.eye(3), atol=1e-9)
    # It is a group: a product of two is one of them, and each keeps all atoms.
    products = np.einsum("aij,bjk->abik", group.operations, group.operations).reshape(-1, 1, 3, 3)
    assert (np.abs(products - group.operations).max(axis=(2, 3)).min(axis=1) < 1e-6).all()
    assert keeps(unit, group.operations, tolerance=1e-6).all()


def test_a_group_without_mirrors_is_chiral() -> None:
    group = point_group(unit_of(allene_twisted()))
    assert (group.symbol, group.is_chiral) == ("D2", True)
    assert not point_group(get_unit("NH2")).is_chiral


def test_units_on_a_line_have_an_axis() -> None:
    for name, symbol, order in (("CO2", "D*h", 8), ("OH", "C*v", 4)):
        unit = get_unit(name)
        group = point_group(unit)
        assert (group.symbol, len(group.operations)) == (symbol, order)
        assert keeps(unit, group.operations).all()
        assert group.axis is not None
        about = Rotation.from_rotvec(0.3 * group.axis).as_matrix()
        assert keeps(unit, about[None])[0]


@pytest.mark.parametrize("name", builtin_names())
def test_what_is_nearly_symmetric_becomes_so(name: str) -> None:
    """Atoms are moved by up to 0.02 Å and the whole is turned: the same point group again."""
    rng = np.random.default_rng(3)
    exact = get_unit(name)
    shaken = exact.positions + rng.uniform(-0.012, 0.012, size=exact.positions.shape)
    turned = shaken @ Rotation.random(rng=rng).as_matrix().T
    rough = RigidUnit(name, exact.symbols, turned, exact.bonds)
    mended = symmetrised(rough)
    assert point_group(mended).symbol == point_group(exact).symbol
    assert keeps(mended, point_group(mended).operations, tolerance=1e-7).all()
    assert_allclose(mended.positions, rough.positions, atol=0.05)
    if exact.size > 2:
        assert len(point_group(rough).operations) < len(point_group(exact).operations)


def test_a_real_difference_is_kept() -> None:
    bent = get_unit("H2O").positions.copy()
    bent[1] *= 1.1
    unit = RigidUnit("H2O", ("O", "H", "H"), bent, ((0, 1), (0, 2)))
    assert point_group(symmetrised(unit)).symbol == "Cs"
    assert EXACT < 1e-3
