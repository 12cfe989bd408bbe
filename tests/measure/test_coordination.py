"""Coordination numbers of crystals that everybody knows, and against ASE's neighbour list."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from ase.spacegroup import crystal
from pymatgen.analysis.local_env import CrystalNN
from pymatgen.core import Structure

from gencsp.errors import RequestError
from gencsp.measure.coordination import (
    bond_length,
    coordination_by_crystal_nn,
    coordination_numbers,
    coordination_of,
    crystal_nn_numbers,
)

QUARTZ = crystal(
    ("Si", "O"),
    [(0.4697, 0, 2 / 3), (0.4135, 0.2669, 0.7858)],
    spacegroup=154,
    cellpar=[4.916, 4.916, 5.405, 90, 90, 120],
)


@pytest.mark.parametrize(
    ("atoms", "centre", "neighbour", "expected"),
    [
        (bulk("NaCl", "rocksalt", a=5.64), "Na", "Cl", 6),
        (bulk("CsCl", "cesiumchloride", a=4.12), "Cs", "Cl", 8),
        (bulk("ZnS", "zincblende", a=5.41), "Zn", "S", 4),
        (bulk("CaF2", "fluorite", a=5.46), "Ca", "F", 8),
        (bulk("CaF2", "fluorite", a=5.46), "F", "Ca", 4),
        (bulk("Cu"), "Cu", "Cu", 12),
        (QUARTZ, "Si", "O", 4),
        (QUARTZ, "O", "Si", 2),
        (QUARTZ, "O", "O", 0),
    ],
    ids=lambda one: one.get_chemical_formula() if isinstance(one, Atoms) else str(one),
)
def test_known_crystals(atoms: Atoms, centre: str, neighbour: str, expected: int) -> None:
    bond = (centre, neighbour)
    found = coordination_numbers(atoms, {bond: bond_length(*bond)})[bond]
    assert found.tolist() == [expected] * atoms.symbols.count(centre)


def test_is_that_of_ases_neighbour_list() -> None:
    atoms = QUARTZ.copy()
    atoms.rattle(0.4, seed=1)
    cutoffs = {("Si", "O"): 2.1, ("O", "O"): 2.9}
    found = coordination_numbers(atoms, cutoffs)
    for (centre, neighbour), cutoff in cutoffs.items():
        first = neighbor_list("i", atoms, {(centre, neighbour): cutoff})
        of_centre = [i for i, symbol in enumerate(atoms.symbols) if symbol == centre]
        # ASE's pairs have no direction: of Si and O it lists those around O as well.
        expected = np.bincount(first, minlength=len(atoms))[of_centre]
        assert found[centre, neighbour].tolist() == expected.tolist()
        assert len(set(expected)) > 1


def test_atoms_of_several_crystals_count_once_each() -> None:
    salt, zinc = bulk("NaCl", "rocksalt", a=5.64, cubic=True), bulk("NaCl", "zincblende", a=6.0)
    bonds = {("Na", "Cl"): 3.35, ("Na", "Br"): 3.5, ("K", "Cl"): 3.5}
    (one,) = coordination_of([salt, zinc, bulk("NaBr", "rocksalt", a=20)], bonds)[:1]
    assert (one.centre, one.neighbour, one.cutoff) == ("Na", "Cl", 3.35)
    assert one.counts == {4: 1, 6: 4}
    assert one.atoms == 5
    assert one.mean == pytest.approx((4 + 4 * 6) / 5)
    assert one.shares == pytest.approx({4: 0.2, 6: 0.8})
    assert [r.neighbour for r in coordination_of([salt, zinc], bonds)] == ["Cl"]


def test_bounds() -> None:
    with pytest.raises(RequestError, match="factor"):
        bond_length("Na", "Cl", 0)


@pytest.mark.parametrize(
    ("atoms", "bond", "expected"),
    [
        (bulk("NaCl", "rocksalt", a=5.64), ("Na", "Cl"), 6),
        (bulk("ZnS", "zincblende", a=5.41), ("S", "Zn"), 4),
        (bulk("Cu"), ("Cu", "Cu"), 12),
        (QUARTZ, ("Si", "O"), 4),
        (QUARTZ, ("O", "Si"), 2),
        (QUARTZ, ("O", "O"), 0),
    ],
)
def test_crystal_nn_agrees_in_known_crystals(
    atoms: Atoms, bond: tuple[str, str], expected: int, recwarn: pytest.WarningsRecorder
) -> None:
    found = crystal_nn_numbers(atoms, [bond])
    assert found is not None
    assert found[bond].tolist() == [expected] * atoms.symbols.count(bond[0])
    assert not [one for one in recwarn if "oxidation" in str(one.message)]


def test_crystal_nn_goes_by_voronoi_polyhedra() -> None:
    """In a salt that is stretched by a fifth no ions are near enough, but still next to another."""
    wide = bulk("NaCl", "rocksalt", a=1.2 * 5.64)
    bond = ("Na", "Cl")
    assert coordination_numbers(wide, {bond: bond_length(*bond)})[bond].tolist() == [0]
    (row,), left_out = coordination_by_crystal_nn([wide, bulk("Cu")], [bond])
    assert (row.cutoff, row.counts, left_out) == (None, {6: 1}, 0)


def test_crystals_that_crystal_nn_cannot_do_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: CrystalNN, structure: Structure, n: int) -> Any:
        if structure.formula == "Zn1 S1":
            raise ValueError("No Voronoi neighbors found for site")
        return whole(self, structure, n)

    whole = CrystalNN.get_nn_info
    monkeypatch.setattr(CrystalNN, "get_nn_info", fails)
    bad, good = bulk("ZnS", "zincblende", a=5.41), bulk("ZnS", "zincblende", a=5.41, cubic=True)
    (row,), left_out = coordination_by_crystal_nn([bad, good], [("Zn", "S")])
    assert (row.counts, left_out) == ({4: 4}, 1)
