"""Units of a structure: put together where the cell cuts them, and whether they broke."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write
from unit_salts import NH2, NH4, ammonium_chloride, sodium_amide

from gencsp.descriptors.least_distances import LeastDistances
from gencsp.errors import UnitError
from gencsp.store.base import Finished, portable
from gencsp.store.memory import MemoryStore
from gencsp.units.broken import bond_change, broken_units
from gencsp.units.contacts import units_keep_apart
from gencsp.units.members import Members, drop_names, has_units, keep_names


def test_wrapped_units_are_put_together_again() -> None:
    atoms = sodium_amide()
    wrapped = atoms.copy()
    wrapped.wrap()
    assert np.abs(wrapped.positions - atoms.positions).max() > 1  # some units are cut
    members = Members.of(wrapped)
    assert members.names == ("Na",) * 4 + ("NH2",) * 4
    assert members.molecules.tolist() == [4, 5, 6, 7]
    for rows in members.atoms[4:]:
        arms = members.arms[rows]
        found = np.linalg.norm(arms[:, None] - arms, axis=-1)
        own = NH2.positions
        np.testing.assert_allclose(found, np.linalg.norm(own[:, None] - own, axis=-1), atol=1e-9)
    back = members.positions() - members.shifts @ wrapped.cell.array
    np.testing.assert_allclose(back, wrapped.positions, atol=1e-9)


def test_bonds_are_those_of_the_unit() -> None:
    for atoms, unit, of_first in ((sodium_amide(), NH2, 4), (ammonium_chloride(), NH4, 1)):
        members = Members.of(atoms)
        first = min(members.atoms[of_first])
        bonds = members.bonds(atoms) - first
        of_unit = [tuple(b) for b in bonds.tolist() if max(b) < unit.size]
        assert tuple(of_unit) == unit.bonds
        assert len(bonds) == len(unit.bonds) * len(members.molecules)


def test_a_unit_hangs_together_however_long_its_bonds() -> None:
    atoms = Atoms("I3", positions=[[0, 0, 0], [3.9, 0, 0], [7.8, 0, 0]], cell=[20] * 3, pbc=True)
    atoms.set_array("unit", np.zeros(3, dtype=int))
    atoms.set_array("unit_atom", np.arange(3))
    atoms.info["unit_names"] = "I3"
    assert Members.of(atoms).bonds(atoms).tolist() == [[0, 1], [1, 2]]


def test_structures_without_units_and_with_damaged_ones_are_refused() -> None:
    with pytest.raises(UnitError, match="--units NH2"):
        Members.of(Atoms("Na", cell=[4] * 3, pbc=True))
    with pytest.raises(UnitError, match="name the units anew"):
        Members.of(ammonium_chloride() * (2, 1, 1))
    with pytest.raises(UnitError, match="counts 1 units and 'unit_names' names 2"):
        Members.of(ammonium_chloride()[1:])
    with pytest.raises(UnitError, match="each of its atoms once"):
        Members.of(ammonium_chloride()[[0, 1, 2, 3, 5]])


def test_names_survive_stores_and_files(tmp_path) -> None:  # type: ignore[no-untyped-def]
    atoms = sodium_amide()
    store = MemoryStore()
    store.finish("t", Finished(structures=(atoms,)))
    kept = store.load()["t"].structures[0]
    write(tmp_path / "a.extxyz", portable(atoms))
    for one in (kept, read(tmp_path / "a.extxyz"), portable(atoms)):
        assert Members.of(one).names == Members.of(atoms).names
        np.testing.assert_array_equal(Members.of(one).unit, Members.of(atoms).unit)


def test_names_are_kept_and_dropped_together() -> None:
    atoms, other = sodium_amide(), sodium_amide()
    drop_names(other)
    assert not has_units(other)
    assert "unit" not in other.arrays
    keep_names(atoms, other)
    assert Members.of(other).names == Members.of(atoms).names
    keep_names(Atoms(), other)
    assert not has_units(other)


def test_whole_units_are_not_broken_wherever_the_cell_cuts_them() -> None:
    atoms = sodium_amide()
    wrapped = atoms.copy()
    wrapped.wrap()
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array * 1.05, scale_atoms=True)
    assert broken_units(atoms, atoms) == []
    assert broken_units(wrapped, wrapped) == []
    assert broken_units(atoms, strained) == []


def test_a_stretched_bond_is_broken() -> None:
    before = ammonium_chloride()
    after = before.copy()
    after.set_distance(1, 2, 1.29 * 0.99, fix=0)
    assert broken_units(before, after) == []
    after.set_distance(1, 2, 1.30, fix=0)
    (text,) = broken_units(before, after)
    assert text == "NH4 2: N-H 1.03 -> 1.30 Å"


def test_the_bond_that_changed_most_says_by_how_much() -> None:
    before = sodium_amide()
    assert bond_change(before, before) == pytest.approx(0, abs=1e-9)
    nitrogen, first, second = np.flatnonzero(before.get_array("unit") == 5)
    after = before.copy()
    after.wrap()
    assert bond_change(after, after) == pytest.approx(0, abs=1e-9)
    for lengths, expected in ((1.01, 1.10), 0.10), ((0.95, 1.04), -0.05):
        after = before.copy()
        for hydrogen, factor in zip((first, second), lengths, strict=True):
            arm = before.positions[hydrogen] - before.positions[nitrogen]
            after.positions[hydrogen] = before.positions[nitrogen] + factor * arm
        assert bond_change(before, after) == pytest.approx(expected)
    single = before[before.get_array("unit") == 0]
    single.info["unit_names"] = "Na"
    assert bond_change(single, single) is None


def test_a_hydrogen_that_goes_over_to_chlorine_is_reported_twice() -> None:
    before = ammonium_chloride()
    after = before.copy()
    out = after.positions[2] - after.positions[1]
    corner = np.round(after.positions[2] / 3.87) * 3.87
    after.positions[2] = corner - 1.30 * out / np.linalg.norm(out)
    texts = broken_units(before, after)
    assert [text.split(":")[0] for text in texts] == ["NH4 2", "Cl 1 and NH4 2"]
    assert "H-Cl" in texts[1] or "Cl-H 1.30" in texts[1]


def test_a_hydrogen_that_goes_over_to_the_image_of_its_unit_is_reported() -> None:
    """By minimum images it would still be next to its nitrogen."""
    before = Atoms(
        "NHH", positions=[[0, 0, 0], [1.03, 0, 0], [0, 1.03, 0]], cell=[3.0, 9, 9], pbc=True
    )
    before.set_array("unit", np.zeros(3, dtype=int))
    before.set_array("unit_atom", np.arange(3))
    before.info["unit_names"] = "NH2"
    assert broken_units(before, before) == []
    after = before.copy()
    after.positions[1, 0] = 3.0 - 1.03
    assert after.get_distance(0, 1, mic=True) == pytest.approx(1.03)
    assert broken_units(before, after) == [
        "NH2 1: N-H 1.03 -> 1.97 Å",
        "NH2 1 and NH2 1: N-H 1.03 Å",
    ]


def test_contacts_of_cations_and_hydrogen_bonds_are_no_bonds() -> None:
    atoms = sodium_amide()
    near = atoms.copy()
    nitrogen = 4
    near.positions[0] = near.positions[nitrogen] + [0, 0, -1.9]
    assert not any("Na" in text for text in broken_units(atoms, near))


def test_least_distances_are_those_between_units() -> None:
    atoms = ammonium_chloride()
    shortest = min(
        atoms.get_distance(0, k, mic=True) for k in range(1, 6) if atoms.symbols[k] == "H"
    )
    for distance, kept in ((1.4, True), (shortest - 0.01, True), (shortest + 0.01, False)):
        given = LeastDistances.parse({"H-Cl": distance, "N-H": 2.0, "H-H": 1.8})
        assert units_keep_apart(atoms, given) is kept
    # The nearest hydrogens of two units are 1.49 Å apart along an edge... of their own unit 1.68 Å.
    assert not units_keep_apart(atoms, LeastDistances.parse({"N-N": 3.9}))
    assert units_keep_apart(atoms, LeastDistances.parse({"N-N": 3.8}))
