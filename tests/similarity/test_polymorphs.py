"""Phases that differ by a small distortion are different crystals; copies of one are not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from disguise import disguised

from gencsp import records
from gencsp.similarity.grouping import Grouping, mark_duplicates
from gencsp.similarity.rules import CRYSTAL, FAMILY

# Published structures: Kihara (1990), Levien et al. (1980), Peacor (1973), Wright and Leadbetter
# (1975), Yashima and Ali (2009).
POLYMORPHS = {
    "quartz": (
        ("alpha", ["Si", "O"], 154, [4.916, 4.916, 5.405, 90, 90, 120],
         [(0.4697, 0, 2 / 3), (0.4135, 0.2669, 0.7858)]),
        ("beta", ["Si", "O"], 180, [4.997, 4.997, 5.457, 90, 90, 120],
         [(0.5, 0, 0), (0.2076, 0.4152, 0.5)]),
    ),
    "beta-cristobalite": (
        ("cubic", ["Si", "O"], 227, [7.12] * 3 + [90] * 3, [(0, 0, 0), (1 / 8, 1 / 8, 1 / 8)]),
        ("tilted", ["Si", "O"], 122, [5.042, 5.042, 7.131, 90, 90, 90],
         [(0, 0, 0), (0.0896, 0.25, 0.125)]),
    ),
}  # fmt: skip


def pair(name: str) -> list[Atoms]:
    return [
        crystal(symbols, basis, spacegroup=group, cellpar=cell, primitive_cell=True)
        for _, symbols, group, cell, basis in POLYMORPHS[name]
    ]


def grouped(structures: Sequence[Atoms], energies: Sequence[float | None], same: str) -> Grouping:
    grouping = Grouping(same=same)  # type: ignore[arg-type]
    for number, (atoms, energy) in enumerate(zip(structures, energies, strict=True)):
        grouping.add(f"s{number}", atoms, energy)
    return grouping


@pytest.mark.parametrize("name", POLYMORPHS)
@pytest.mark.parametrize("apart", [0.0, 0.8e-3, 9.5e-3])
def test_a_phase_and_its_distortion_are_two_crystals(name: str, apart: float) -> None:
    """α and β quartz are 0.8 meV/atom apart by CHGNet, the two cristobalites 9.5."""
    structures, energies = pair(name), [-7.9, -7.9 + apart]
    assert len(grouped(structures, energies, "close")) == 2
    assert len(grouped(structures, energies, "family")) == 1


@pytest.mark.parametrize("name", POLYMORPHS)
def test_copies_of_each_phase_are_found(name: str) -> None:
    rng = np.random.default_rng(4)
    structures = pair(name)
    for number in (0, 1, 0, 1):
        copy = disguised(structures[number], rng)
        copy.rattle(0.01, rng=rng)
        structures.append(copy)
    grouping = grouped(structures, [None] * len(structures), "close")
    assert list(grouping.groups().values()) == [[0, 2, 4], [1, 3, 5]]


def test_a_strained_cell_of_one_atom_is_another_crystal() -> None:
    """No atom is displaced in a cell that has one: only the distances tell."""
    cubic = bulk("Fe", "bcc", a=2.87, cubic=True)
    strained = cubic.copy()
    strained.set_cell([2.87 * 0.98, 2.87 * 0.98, 2.87 * 1.04], scale_atoms=True)
    index = FAMILY.index()
    index.add(cubic)
    assert index.find(strained) is not None
    index = CRYSTAL.index()
    index.add(cubic)
    assert index.find(strained) is None


def test_energies_apart_are_two_crystals_and_unknown_ones_are_not_compared() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    assert len(grouped([salt, salt], [-3.0, -2.999], "close")) == 1
    assert len(grouped([salt, salt], [-3.0, -2.99], "close")) == 2
    assert len(grouped([salt, salt], [-3.0, None], "close")) == 1


def test_energies_of_two_potentials_are_not_compared() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    grouping = Grouping()
    for name, energy in (("one", -3.0), ("other", -2.5)):
        atoms = salt.copy()
        atoms.info |= {records.ENERGY_PER_ATOM: energy, records.ENERGY_MODEL: name}
        grouping.add(name, atoms)
    assert len(grouping) == 1


class Relaxation:
    """Moves structures to where it is told, and keeps count of what it was given."""

    def __init__(self, ends: Sequence[tuple[Atoms, float] | None]) -> None:
        self.ends = list(ends)
        self.given: list[Atoms] = []

    def __call__(self, structures: Sequence[Atoms]) -> list[tuple[Atoms, float] | None]:
        self.given += structures
        return self.ends[: len(structures)]


def half_way() -> list[Atoms]:
    """Tilted and untilted β-cristobalite, and a relaxation from one to the other, not finished."""
    return [
        crystal(
            ["Si", "O"],
            [(0, 0, 0), (x, 0.25, 0.125)],
            spacegroup=122,
            cellpar=[5.042, 5.042, 7.131, 90, 90, 90],
            primitive_cell=True,
        )
        for x in (0.0896, 0.0, 0.045)
    ]


def test_what_is_in_doubt_is_what_it_relaxes_to() -> None:
    structures = [*half_way(), bulk("NaCl", "rocksalt", a=5.6)]
    tilted, cubic, between, _ = structures
    energies = [-7.902, -7.9, -7.8995, -3.0]
    grouping = grouped(structures, energies, "tight")
    assert len(grouping) == 4
    relaxation = Relaxation([(tilted, -7.902), (cubic, -7.9), (tilted, -7.902)])
    grouping.settle(relaxation)
    assert [id(atoms) for atoms in relaxation.given] == [id(a) for a in (tilted, cubic, between)]
    assert list(grouping.groups().values()) == [[0, 2], [1], [3]]
    assert len(grouping) == 3
    mark_duplicates(grouping)
    marks = [(a.info.get("duplicate_of"), a.info.get("copies")) for a in structures]
    assert marks == [(None, 2), (None, 1), ("s0", None), (None, 1)]


def test_copies_follow_the_first_of_their_group() -> None:
    """Of three copies found without a doubt, all join the crystal that their first turns out."""
    tilted, _, between = half_way()
    structures = [tilted, between, between.copy()]
    grouping = grouped(structures, [-7.9, -7.8995, -7.8994], "tight")
    relaxation = Relaxation([(tilted, -7.9), (tilted, -7.9)])
    grouping.settle(relaxation)
    assert len(relaxation.given) == 2
    assert list(grouping.groups().values()) == [[0, 1, 2]]


@pytest.mark.parametrize("same", ["close", "family"])
def test_nothing_is_relaxed_unless_asked_for(same: str) -> None:
    relaxation = Relaxation([])
    grouping = grouped(half_way(), [None] * 3, same)
    grouping.settle(relaxation)
    assert relaxation.given == []


def test_what_cannot_be_relaxed_stays_a_crystal_of_its_own() -> None:
    tilted, cubic, between = half_way()
    grouping = grouped([tilted, cubic, between], [None] * 3, "tight")
    grouping.settle(Relaxation([(tilted, -7.9), None, None]))
    assert len(grouping) == 3


def test_marks_of_before_are_taken_away() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    salt.info |= {"duplicate_of": "gone", "copies": 7}
    grouping = grouped([salt], [None], "close")
    mark_duplicates(grouping)
    assert salt.info == {"copies": 1}
