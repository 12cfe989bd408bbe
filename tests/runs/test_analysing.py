"""The call ``analyse``: groups, pairs, energies before relaxation, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

import gencsp
from gencsp import records
from gencsp.errors import DeckError, RequestError, StructureFileError, WrongTypeError
from gencsp.provenance import Stage

SALT = bulk("NaCl", "rocksalt", a=5.64, cubic=True)


def shaken(n: int) -> list[Atoms]:
    """Copper in a cell of four, shaken and swollen, as a generator would leave it."""
    made = []
    for seed in range(n):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.set_cell(atoms.cell * 1.02, scale_atoms=True)
        atoms.info |= {"structure_id": f"g{seed}", "stage": "generated"}
        made.append(atoms)
    return made


def relaxed(before: list[Atoms]) -> list[Atoms]:
    done = sorted(gencsp.relax(before, potential=EMT(), workers=1), key=lambda one: one.index)
    return [records.write_change(records.record(one), Stage.RELAXED) for one in done]


def test_a_pool_beside_what_is_known() -> None:
    zincblende = bulk("NaCl", "zincblende", a=6.0)
    found = gencsp.analyse([SALT, zincblende], known=SALT, reach=6.0)
    assert found.structures == {"structures": 2, "known": 1}
    assert set(found.distributions["known"]) == {"total", "Na-Na", "Cl-Na", "Cl-Cl"}
    alone = gencsp.analyse(SALT, known=SALT, reach=6.0)
    for pair, one in alone.differences["structures"].items():
        assert one.rms == 0, pair
        assert one.overlap == pytest.approx(1), pair
        assert found.differences["structures"][pair].rms > 0.1
    counts = {(o.centre, o.neighbour): o.counts for o in found.coordination["structures"]}
    assert counts["Na", "Cl"] == {4: 1, 6: 4}
    assert not found.changes
    assert not found.success
    assert any("before and after relaxation" in note for note in found.notes)


def test_groups_are_stages_without_frameworks_and_failures() -> None:
    pool: list[Atoms] = []
    for stage, outcome in (
        ("framework", "converged"),
        ("relaxed", "not converged"),
        ("relaxed", "converged"),
        ("generated", ""),
        ("a stage of others", ""),
    ):
        atoms = SALT.copy()
        atoms.info |= {"structure_id": f"n{len(pool)}", "stage": stage}
        if outcome:
            atoms.info["outcome"] = outcome
        pool.append(atoms)
    found = gencsp.analyse(pool)
    assert found.structures == {"generated": 1, "relaxed": 1, "structures": 1}
    assert gencsp.analyse(SALT, known=pool).structures == {"structures": 1, "known": 3}
    with pytest.raises(RequestError, match="frameworks"):
        gencsp.analyse(pool[:2])


def test_what_relaxation_changed() -> None:
    """ΔE against EMT's own energies; of a potential that is asked for, or of the pool."""
    before = shaken(3)
    after = relaxed(before)
    found = gencsp.analyse([*before, *after], potential=EMT(), workers=1)
    assert [one.before for one in found.changes] == ["g0", "g1", "g2"]
    for one, start, end in zip(found.changes, before, after, strict=True):
        energies = []
        for atoms in (start, end):
            bare = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True)
            bare.calc = EMT()
            energies.append(bare.get_potential_energy() / len(bare))
        assert one.energy == pytest.approx(energies[0] - energies[1], abs=1e-5)
        assert one.energy > 0
        assert 0 < one.rms <= one.largest < 0.5
    (rate,) = found.success
    assert (rate.stage, rate.atoms, rate.structures, rate.symmetric) == ("generated", 4, 3, 3)
    without = gencsp.analyse([*before, *after])
    assert all(np.isnan(one.energy) for one in without.changes)
    assert any("not known of 3 of 3" in note for note in without.notes)
    assert "energy_per_atom" not in before[0].info


def test_energies_of_another_potential_are_not_compared() -> None:
    before = shaken(1)
    after = relaxed(before)
    after[0].info["energy_model"] = "another"
    found = gencsp.analyse([*before, *after], potential=EMT(), workers=1)
    assert np.isnan(found.changes[0].energy)
    assert any("of another potential" in note for note in found.notes)


def test_low_symmetry_is_a_choice() -> None:
    before = shaken(1)
    after = relaxed(before)
    number = after[0].info["space_group_number"]
    found = gencsp.analyse([*before, *after], low_symmetry=(1, number))
    assert found.success[0].symmetric == 0


def test_pairs_are_a_choice() -> None:
    found = gencsp.analyse(SALT, pairs=("Na-Cl", "Cl-Na"))
    assert set(found.distributions["structures"]) == {"total", "Cl-Na"}
    bonds = [(o.centre, o.neighbour) for o in found.coordination["structures"]]
    assert sorted(bonds) == [("Cl", "Na"), ("Na", "Cl")]
    for wrong, said in (("Na", "no pair"), ("Na-Xx", "no pair"), ("Na-O", "has O")):
        with pytest.raises(RequestError, match=said):
            gencsp.analyse(SALT, pairs=(wrong,))


def test_many_elements_have_the_total_alone() -> None:
    pool = [bulk(symbol) for symbol in ("Cu", "Ag", "Au", "Ni", "Pd")]
    found = gencsp.analyse(pool)
    assert set(found.distributions["structures"]) == {"total"}
    assert found.coordination == {}
    assert any("5 elements" in note for note in found.notes)
    assert set(gencsp.analyse(pool, pairs=("Cu-Cu",)).distributions["structures"]) == {
        "total",
        "Cu-Cu",
    }


def test_known_structures_of_other_elements() -> None:
    with pytest.raises(RequestError, match="no known structure"):
        gencsp.analyse(SALT, known=bulk("Cu"))
    found = gencsp.analyse(SALT, known=[bulk("Na"), bulk("Cu")])
    assert set(found.differences["structures"]) == {"total", "Na-Na"}
    assert any("Cl-Cl, Cl-Na" in note for note in found.notes)


def test_refuses_what_is_no_pool() -> None:
    with pytest.raises(RequestError, match="no structures"):
        gencsp.analyse([])
    with pytest.raises(StructureFileError, match="not a crystal"):
        gencsp.analyse([SALT, molecule("H2O")])
    with pytest.raises(StructureFileError, match="not a crystal"):
        gencsp.analyse(SALT, known=molecule("H2O"))
    with pytest.raises(WrongTypeError, match="known"):
        gencsp.analyse(SALT, known="salt.cif")
    with pytest.raises(DeckError, match="reach"):
        gencsp.analyse(SALT, reach=0)
    with pytest.raises(RequestError, match="narrower"):
        gencsp.analyse(SALT, reach=0.5, bin_width=1.0)


def test_an_id_in_two_runs_is_said() -> None:
    before = shaken(1)
    other = before[0].copy()
    other.rattle(0.2)
    after = relaxed(before)
    found = gencsp.analyse([*before, other, *after])
    assert found.changes == []
    assert any("one run at a time" in note for note in found.notes)


def test_neighbours_by_crystal_nn() -> None:
    wide = bulk("NaCl", "rocksalt", a=1.2 * 5.64)
    by_distance = gencsp.analyse(wide)
    found = gencsp.analyse(wide, neighbours="crystal-nn")
    (ours,) = [o for o in by_distance.coordination["structures"] if o.centre == "Na" != o.neighbour]
    (theirs,) = [o for o in found.coordination["structures"] if o.centre == "Na" != o.neighbour]
    assert (ours.counts, theirs.counts) == ({0: 1}, {6: 1})
    assert theirs.cutoff is None
    with pytest.raises(RequestError, match="no bond factor"):
        gencsp.analyse(wide, neighbours="crystal-nn", bond_factor=1.3)
