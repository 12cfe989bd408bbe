"""Ladders of tolerances: where they go on, what they drop, and the groups of relaxed structures."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms
from ase.spacegroup import crystal

from gencsp import records
from gencsp.composition import Composition
from gencsp.errors import RequestError
from gencsp.minimise.result import Outcome, Relaxed
from gencsp.provenance import Provenance, Stage
from gencsp.searches.settings import CycleSettings, SearchSettings
from gencsp.searches.space import Space
from gencsp.searches.tasks import frameworks
from gencsp.symmetry.ladder import ABOVE_P1, HOST, LADDERS, Ladder, LadderName
from gencsp.symmetry.refinement import space_group

NUMBERS = "space_group_number"


def with_guest(host: Atoms) -> Atoms:
    """A relaxed structure that leaves this framework once its Li is out."""
    atoms = host + Atoms("Li", positions=[[0.3, 0.4, 0.5]])
    Provenance(structure_id="r0001", proposer="test", stage=Stage.RELAXED).write(atoms)
    return atoms


def inverted(split: float) -> Atoms:
    """P-1 exactly, and Pmmm but for a strain and moves that ``split``, in Å, says."""
    atoms = Atoms(
        "P2S2",
        scaled_positions=[(0.25, 0, 0), (0.75, 0, 0), (0, 0.3, 0.5), (0, 0.7, 0.5)],
        cell=[5.1, 6.2, 7.3],
        pbc=True,
    )
    moves = split * np.array([[0.0, 0.7, 0.4], [0.0, -0.7, -0.4], [0.5, 0.0, 0.3]])
    atoms.positions += np.vstack([moves, -moves[2]])
    return atoms


def general(group: int) -> Atoms:
    """Four atoms of each species at general positions of a monoclinic or triclinic group."""
    cell = [6.1, 7.0, 8.2, 90, 104, 90] if group > 2 else [6.1, 7.0, 8.2, 80, 75, 95]
    sites = [(0.1, 0.2, 0.3), (0.62, 0.31, 0.84), (0.3, 0.42, 0.71), (0.83, 0.12, 0.58)]
    return Atoms(crystal("PPSS", sites, spacegroup=group, cellpar=cell))


def test_each_ladder_stays_within_the_limits_of_the_paper() -> None:
    for ladder in LADDERS.values():
        assert ladder.rungs[0] == (0.1, 10.0)
        assert ladder.rungs[-1] == (2.0, 30.0)
        assert all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(ladder.rungs))


def test_the_groups_of_the_paper_and_its_program() -> None:
    kept = {name: [n for n in range(1, 9) if ladder.keeps(n)] for name, ladder in LADDERS.items()}
    assert kept == {
        "above-P1": [2, 3, 4, 5, 6, 7, 8],
        "above-Pm": [3, 4, 5, 7, 8],
        "chggen": [3, 4, 5, 7, 8],
    }
    assert {name: set(ladder.low) for name, ladder in LADDERS.items()} == {
        "above-P1": {1},
        "above-Pm": {1, 2},
        "chggen": {1, 2},
    }


@pytest.mark.parametrize("name", LADDERS)
def test_a_ladder_goes_on_from_inversion_alone(name: LadderName) -> None:
    """By 0.1 Å the framework has inversion; the mirrors come at a larger tolerance."""
    start = inverted(0.3)
    assert space_group(start).number == 2
    (found,) = frameworks([with_guest(start)], guests=["Li"], ladder=LADDERS[name]).structures
    if name == "above-P1":
        assert found.info[NUMBERS] == 2
        assert found.info["symprec"] == 0.1
    else:
        assert found.info[NUMBERS] > 2
        assert found.info["symprec"] > 0.1
    assert space_group(found, symprec=1e-3).number == found.info[NUMBERS]


@pytest.mark.parametrize(
    ("group", "said"), [(2, "framework stays P1 or P-1"), (6, "framework is Pm")]
)
def test_frameworks_of_low_symmetry_are_counted_and_dropped(group: int, said: str) -> None:
    """None is near to another operation, so that P-1 and Pm are all that a ladder finds."""
    rungs = LADDERS["chggen"].rungs[:2]
    ladder = Ladder(name="short", rungs=rungs, low=frozenset({1, 2}), dropped=frozenset({6}))
    start = with_guest(general(group))
    dropped = frameworks([start], guests=["Li"], ladder=ladder)
    assert dropped.structures == ()
    assert dropped.failures == {said: 1}
    kept = frameworks([start], guests=["Li"])
    assert [atoms.info[NUMBERS] for atoms in kept.structures] == [group]
    assert kept.failures == {}


def test_the_ladder_of_the_program_asks_spglib_alone() -> None:
    """A rattled framework in which spglib finds nothing at any tolerance."""
    rng = np.random.default_rng(2)
    half = rng.random((8, 3))
    images = half * [-1, 1, -1] + [0, 0.5, 0]  # P2_1
    cell = [6.1, 7.0, 8.2, 90, 104, 90]
    sites = np.concatenate([half, images])
    atoms = Atoms("P2S6P2S6", scaled_positions=sites, cell=cell, pbc=True)
    atoms.positions += rng.normal(scale=0.25, size=(16, 3))
    assert all(
        space_group(atoms, symprec=symprec, angle_tolerance=angle).number == 1
        for ladder in LADDERS.values()
        for symprec, angle in ladder.rungs
    )
    assert frameworks([with_guest(atoms)], guests=["Li"], ladder=ABOVE_P1).structures
    alone = frameworks([with_guest(atoms)], guests=["Li"], ladder=LADDERS["chggen"])
    assert alone.failures == {"framework stays P1 or P-1": 1}


def test_a_known_host_is_given_its_own_space_group_and_no_other() -> None:
    """What holds to 0.1 Å is made exact; a host that has no symmetry stays as it is."""
    near, far = inverted(0.05), inverted(0.3)
    far.positions += np.random.default_rng(1).normal(scale=0.2, size=(4, 3))
    skewed = far.copy()
    skewed.set_cell([5.1, 6.2, 7.3, 84, 93, 90], scale_atoms=True)
    assert [space_group(one).number for one in (far, skewed)] == [1, 1]
    done = frameworks([with_guest(a) for a in (near, far, skewed)], guests=["Li"], ladder=HOST)
    assert done.failures == {}
    symmetric, *same = done.structures
    assert space_group(near, symprec=1e-4).number == 2
    assert space_group(symmetric, symprec=1e-4).number == symmetric.info[NUMBERS] > 2
    for made, before in zip(same, (far, skewed), strict=True):
        assert (made.positions == before.positions).all()
        assert (made.cell.array == before.cell.array).all()
        assert made.info[NUMBERS] == 1
    # Ten degrees, as the paper has it for what was generated, would bring a host to right angles.
    slanted = general(6)
    slanted.set_cell([6.1, 7.0, 8.2, 90, 94, 90], scale_atoms=True)
    (kept,) = frameworks([with_guest(slanted)], guests=["Li"], ladder=HOST).structures
    assert kept.cell.angles() == pytest.approx([90, 94, 90])


def test_p1_is_no_symmetry() -> None:
    with pytest.raises(RequestError, match="hold 1"):
        Ladder(name="none", low=frozenset({2}))


def split_perovskite(split: float) -> Atoms:
    """Cubic but for its Ti, which mirror and inversion map ``split`` Å away from itself."""
    sites = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]
    atoms = Atoms("CaTiO3", scaled_positions=sites, cell=[3.9] * 3, pbc=True)
    atoms.positions[1, 2] += split / 2
    return atoms


def sheared(degrees: float) -> Atoms:
    """A right angle but for some degrees, so that mirrors change it by twice as many."""
    return Atoms("Si", cell=[3, 4, 5, 90, 90 + degrees, 90], pbc=True)


@pytest.mark.parametrize(
    ("atoms", "number"),
    [
        (split_perovskite(0.095), 221),
        (split_perovskite(0.105), 99),
        (sheared(4.8), 47),
        (sheared(5.2), 10),
    ],
)
def test_relaxed_structures_have_their_group_at_a_tenth_and_ten_degrees(
    atoms: Atoms, number: int
) -> None:
    """CHGGen, Methods: "a site tolerance of 0.1 and an angle tolerance of 10 degree"."""
    ended = Relaxed(
        index=0,
        atoms=atoms,
        energy=-1.0,
        enthalpy=-1.0,
        fmax=0.05,
        stress=np.zeros(6),
        steps=3,
        outcome=Outcome.CONVERGED,
    )
    cycle = CycleSettings(composition=Composition.parse("Li5Si2"))
    search = SearchSettings(space=Space.fixed(cycle.composition, units=(1,)))
    for tolerance in (None, cycle.tolerance, search.tolerance):
        assert records.record(ended, tolerance).info[NUMBERS] == number
