"""What relaxation changes: displacements by hand, structures before and after, success rates."""

from __future__ import annotations

import math
from concurrent.futures import Executor

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from cheap_system import cheap_system_cycle

from gencsp.executors import ThisProcess
from gencsp.measure.relaxation import (
    Change,
    change,
    displacements,
    median_displacement,
    relaxations,
    success_rates,
    without_repeats,
)
from gencsp.provenance import Stage
from gencsp.store import MemoryStore

SALT = bulk("NaCl", "rocksalt", a=5.64, cubic=True)


def staged(name: str, stage: str, parent: str = "", **info: object) -> Atoms:
    atoms = SALT.copy()
    atoms.info |= {"structure_id": name, "stage": stage, **info}
    if parent:
        atoms.info["parents"] = parent
    return atoms


@pytest.mark.parametrize("strain", [1.0, 1.03])
def test_one_atom_moves(strain: float) -> None:
    """The mean displacement is taken away, and both are scaled to one volume."""
    d, n = 0.3, len(SALT)
    after = SALT.copy()
    after.positions[0] += (d, 0, 0)
    after.set_cell(after.cell * strain, scale_atoms=True)
    rms, largest = displacements(SALT, after)
    scaled = d * np.sqrt(strain)
    assert largest == pytest.approx(scaled * (1 - 1 / n), rel=1e-3)
    assert rms == pytest.approx(scaled * np.sqrt(1 / n * (1 - 1 / n)), rel=1e-3)


def test_the_order_of_atoms_and_the_origin_do_not_matter() -> None:
    after = SALT[np.random.default_rng(0).permutation(len(SALT))]
    after.translate((0.7, 0.2, 0.1))
    after.wrap()
    assert displacements(SALT, after) == pytest.approx((0, 0), abs=1e-6)


def test_what_does_not_match_has_no_displacement() -> None:
    zincblende = bulk("NaCl", "zincblende", a=6.0, cubic=True)
    assert all(math.isnan(one) for one in displacements(SALT, zincblende))


def test_energies_of_different_models_have_no_difference() -> None:
    before = staged("g1", "generated", energy_per_atom=-3.0, energy_model="m")
    after = staged("r1", "relaxed", "g1", energy_per_atom=-3.25, energy_model="m")
    (pair,) = relaxations([before, after]).pairs
    found = change(pair)
    assert (found.name, found.before, found.atoms, found.stage) == ("r1", "g1", 8, "relaxed")
    assert found.energy == pytest.approx(0.25)
    after.info["energy_model"] = "other"
    assert math.isnan(change(pair).energy)
    del after.info["energy_model"], after.info["energy_per_atom"]
    assert math.isnan(change(pair).energy)


def test_finds_what_each_began_from() -> None:
    pool = [
        staged("g1", "generated"),
        staged("r1", "relaxed", "g1"),
        staged("r2", "relaxed", "g2"),
        staged("r3", "relaxed", "g1", outcome="not converged"),
        staged("r4", "relaxed", "g1;g2"),
        staged("i1", "inpainted", "f1"),
        staged("x1", "refined", "i1"),
        # relax keeps the id, and a file may not say its stage.
        staged("a", ""),
        staged("a", "relaxed", "a"),
    ]
    found = relaxations(pool)
    names = [(b.info["structure_id"], a.info["structure_id"]) for b, a in found.pairs]
    assert names == [("g1", "r1"), ("i1", "x1"), ("a", "a")]
    assert (found.lost, found.ambiguous) == (1, 0)
    moved = staged("g1", "generated")
    moved.rattle(0.1)
    found = relaxations([*pool, moved])
    assert (len(found.pairs), found.ambiguous) == (2, 1)


def test_the_same_id_of_another_formula_is_another_structure() -> None:
    other = bulk("Cu")
    other.info |= {"structure_id": "g1", "stage": "generated"}
    pool = [other, staged("g1", "generated"), staged("r1", "relaxed", "g1")]
    (pair,) = relaxations(pool).pairs
    assert pair.before.get_chemical_formula() == "Cl4Na4"


def test_repeats_of_one_structure_are_dropped() -> None:
    moved = staged("g1", "generated")
    moved.rattle(0.1)
    rounded = staged("g1", "generated")
    rounded.positions += 1e-8
    unnamed = SALT.copy()
    pool = [staged("g1", "generated"), rounded, moved, staged("g1", "relaxed"), unnamed, unnamed]
    kept = without_repeats(pool)
    assert [id(one) for one in kept] == [id(pool[k]) for k in (0, 2, 3, 4, 5)]


def test_medians_count_what_no_longer_matches_as_the_furthest() -> None:
    def made(*largest: float) -> list[Change]:
        return [
            Change(
                name="", before="", formula="", atoms=1, stage="", energy=0, rms=0, largest=value
            )
            for value in largest
        ]

    nan = float("nan")
    assert median_displacement(made(0.1, 0.4, 0.2)) == (0.2, 3, 0)
    assert median_displacement(made(0.1, nan, 0.2)) == (0.2, 3, 1)
    assert median_displacement(made(nan, nan, 0.2)) == (math.inf, 3, 2)
    assert median_displacement(made(0.1, 0.3)).value == pytest.approx(0.2)
    assert math.isnan(median_displacement([]).value)


@pytest.fixture(scope="module")
def cycle_pool() -> tuple[list[Atoms], dict[str, int]]:
    """Everything that a cycle on a system leaves, and its own counts."""
    executor: Executor = ThisProcess()
    run = cheap_system_cycle(MemoryStore(), executor)
    run.run()
    pool = [a for cycle in run.cycles for stage in Stage for a in cycle.structures(stage)]
    counts = run.counts().values()
    names = ("generated", "symmetric_relaxed", "inpainted", "symmetric_refined")
    return pool, {name: sum(getattr(one, name) for one in counts) for name in names}


def test_success_rates_are_those_of_the_cycle(
    cycle_pool: tuple[list[Atoms], dict[str, int]],
) -> None:
    pool, counts = cycle_pool
    rates = success_rates(pool, relaxations(pool).pairs)
    for stage, symmetric in (
        (Stage.GENERATED, "symmetric_relaxed"),
        (Stage.INPAINTED, "symmetric_refined"),
    ):
        some = [one for one in rates if one.stage is stage]
        assert [one.atoms for one in some] == sorted({one.atoms for one in some})
        assert sum(one.structures for one in some) == counts[stage]
        assert sum(one.symmetric for one in some) == counts[symmetric] > 0
        for one in some:
            assert one.interval[0] <= one.share <= one.interval[1]
    everything = success_rates(pool, relaxations(pool).pairs, low=range(1, 231))
    assert not any(one.symmetric for one in everything)


def test_no_rate_where_nothing_was_relaxed(
    cycle_pool: tuple[list[Atoms], dict[str, int]],
) -> None:
    pool = [a for a in cycle_pool[0] if a.info["stage"] in ("generated", "relaxed", "inpainted")]
    rates = success_rates(pool, relaxations(pool).pairs)
    assert {one.stage for one in rates} == {Stage.GENERATED}
