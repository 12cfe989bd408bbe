"""The index against pymatgen's matcher over all pairs, and what its options do."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from disguise import disguised, polymorphs, random_crystal
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from gencsp.errors import RequestError
from gencsp.similarity import Match, StructureIndex, deduplicate
from gencsp.similarity.index import Place
from gencsp.similarity.matching import CrystalMatcher


def noisy(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    copy = disguised(atoms, rng)
    copy.rattle(0.02, rng=rng)
    return copy


def test_groups_are_those_of_pymatgen() -> None:
    rng = np.random.default_rng(1)
    pool = [noisy(atoms, rng) for atoms in polymorphs() for _ in range(4)]
    pool = [pool[k] for k in rng.permutation(len(pool))]
    structures = [AseAtomsAdaptor.get_structure(atoms) for atoms in pool]
    expected = {
        tuple(sorted(next(k for k, s in enumerate(structures) if s is one) for one in group))
        for group in StructureMatcher().group_structures(structures)
    }
    assert {tuple(group) for group in deduplicate(pool)} == expected
    assert len(expected) == 5


@given(st.integers(0, 2**32 - 1))
@example(2391)  # of whose supercell pymatgen does not find the primitive cell
@settings(deadline=None, max_examples=10)
def test_finds_any_crystal_again(seed: int) -> None:
    """Any that the matcher takes for the same: it misses one in two hundred of these."""
    rng = np.random.default_rng(seed)
    index = StructureIndex()
    atoms = random_crystal(rng)
    assert index.add(atoms) is None
    other = disguised(atoms, rng)
    match = index.add(other)
    if match is None:
        assert not StructureMatcher().fit(*map(AseAtomsAdaptor.get_structure, (atoms, other)))
        return
    assert match.index == 0
    assert match.distance == pytest.approx(0, abs=1e-5)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=10)
def test_reduces_as_pymatgen_does(seed: int) -> None:
    """Primitive cells of noisy supercells hold as many atoms, and the verdicts are the same."""
    rng = np.random.default_rng(seed)
    matching, matcher = CrystalMatcher(), StructureMatcher()
    atoms = random_crystal(rng)
    first, second = disguised(atoms, rng), random_crystal(rng)
    first.rattle(rng.choice([0.01, 0.1]), rng=rng)
    second.numbers = atoms.numbers
    for other in (first, second):
        structures = [AseAtomsAdaptor.get_structure(a) for a in (atoms, other)]
        reduced = [matching.reduced(a) for a in (atoms, other)]
        if matching.size_class(reduced[0]) != matching.size_class(reduced[1]):
            assert not matcher.fit(*structures)
        else:
            assert matching.same(*reduced) == matcher.fit(*structures)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=10)
def test_entering_what_was_decided_is_adding(seed: int) -> None:
    """An index that is told places and matches answers as the one that found them out."""
    rng = np.random.default_rng(seed)
    first, *others = polymorphs()
    pool = [noisy(one, rng) for one in (first, first, *others, first)]
    found, told = StructureIndex(same_energy=0.1), StructureIndex(same_energy=0.1)
    for k, atoms in enumerate(pool):
        energy = 0.2 * (k % 2)
        before = len(found)
        decided = found.decide(atoms, energy)
        assert len(found) == before
        match = found.add(atoms, energy)
        assert match == (decided if isinstance(decided, Match) else None)
        if isinstance(decided, Match):
            told.enter(atoms, energy, None)
        else:
            told.enter(atoms, energy, Place(decided.size_class, decided.vector.copy()))
        atoms.positions += rng.normal(size=atoms.positions.shape)
    assert len(told) == len(found)
    for atoms in (noisy(one, rng) for one in (first, *others)):
        for energy in (0.0, 0.2, 0.5):
            assert told.find(atoms, energy) == found.find(atoms, energy)


def test_numbers_follow_the_order_of_addition() -> None:
    zincblende, wurtzite, rock_salt, *_ = polymorphs()
    index = StructureIndex()
    answers = [index.add(a) for a in (zincblende, zincblende, wurtzite, rock_salt, wurtzite)]
    assert [None if a is None else a.index for a in answers] == [None, 0, None, None, 2]
    assert len(index) == 3


def test_find_leaves_the_index_alone() -> None:
    index = StructureIndex()
    salt = bulk("NaCl", "rocksalt", a=5.6)
    assert index.find(salt) is None
    assert index.find(salt) is None
    index.add(salt)
    assert len(index) == 1
    found = index.find(salt)
    assert found is not None
    assert found.index == 0


def test_later_changes_to_a_structure_do_not_matter() -> None:
    index = StructureIndex()
    salt = bulk("NaCl", "rocksalt", a=5.6)
    index.add(salt)
    original = salt.copy()
    salt.positions[1] += 0.9
    salt.numbers[:] = 6
    assert index.find(original) is not None


def test_energies_keep_crystals_apart() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    index = StructureIndex(same_energy=0.01)
    assert index.add(salt, energy=-3.0) is None
    assert index.add(salt, energy=-2.9) is None
    assert index.add(salt, energy=-2.905) == Match(1, 0.0)
    assert index.find(salt) == Match(0, 0.0)


def test_volume_counts_as_the_matcher_says() -> None:
    salt, dense = bulk("NaCl", "rocksalt", a=5.6), bulk("NaCl", "rocksalt", a=4.2)
    assert len(deduplicate([salt, dense])) == 1
    strict = StructureIndex(matcher=StructureMatcher(scale=False))
    assert len(deduplicate([salt, dense], index=strict)) == 2


def test_prototypes() -> None:
    salt, magnesia = bulk("NaCl", "rocksalt", a=5.6), bulk("MgO", "rocksalt", a=4.2)
    sphalerite = bulk("ZnS", "zincblende", a=5.4)
    groups = deduplicate([salt, sphalerite, magnesia], index=StructureIndex(species_blind=True))
    assert groups == [[0, 2], [1]]


def test_nearest_and_within() -> None:
    rng = np.random.default_rng(2)
    zincblende, wurtzite, rock_salt, salt, _ = polymorphs()
    index = StructureIndex()
    for atoms in (zincblende, wurtzite, rock_salt, salt):
        index.add(atoms)
    query = noisy(wurtzite, rng)
    # Wurtzite differs from zincblende in its stacking, from rock salt in its coordination.
    assert [match.index for match in index.nearest(query, 3)] == [1, 0, 2]
    far = index.nearest(query, 3)[-1].distance
    assert [match.index for match in index.within(query, far - 1e-4)] == [1, 0]
    assert index.nearest(bulk("Si", "diamond", a=5.4)) == []


def test_enantiomorphs_are_the_same() -> None:
    """To pymatgen as to the fingerprint."""
    rng = np.random.default_rng(3)
    atoms = random_crystal(rng)
    mirrored = atoms.copy()
    mirrored.set_cell(atoms.cell.array * [-1, 1, 1], scale_atoms=True)
    assert len(deduplicate([atoms, mirrored])) == 1


def test_refuses() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    with pytest.raises(RequestError, match="radius is 0"):
        StructureIndex(radius=0)
    with pytest.raises(RequestError, match="subsets"):
        StructureIndex(matcher=StructureMatcher(allow_subset=True))
    with pytest.raises(RequestError, match="energies"):
        deduplicate([salt], energies=[1.0, 2.0])
    with pytest.raises(RequestError, match="energies"):
        deduplicate([salt, salt], energies=[1.0])
    used = StructureIndex()
    used.add(salt)
    with pytest.raises(RequestError, match="empty"):
        deduplicate([salt], index=used)
