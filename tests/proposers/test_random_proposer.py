"""Random crystals, ours and PyXtal's: what was asked for, from the generator handed in alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import spglib
from ase.build import bulk

from gencsp.composition import Composition
from gencsp.descriptors.distances import pair_distances
from gencsp.descriptors.least_distances import LeastDistances
from gencsp.errors import RequestError
from gencsp.proposers import ProposerContext, get_proposer
from gencsp.proposers.base import Request
from gencsp.proposers.checks import has_composition, keeps_apart
from gencsp.proposers.crystals.volume import predict_volume
from gencsp.proposers.pyxtal_random import PyxtalProposer
from gencsp.proposers.random import RandomProposer

PEROVSKITE = Composition.parse("CaTiO3")


def request(**changes: Any) -> Request:
    values: dict[str, Any] = {"composition": PEROVSKITE, "n": 4, "units": (1, 2)}
    return Request(**(values | changes))


BOTH = pytest.mark.parametrize("kind", [RandomProposer, PyxtalProposer])


@BOTH
def test_composition_volume_and_distances(kind: type[RandomProposer]) -> None:
    proposer = kind()
    made = list(proposer.propose(request(), rng=np.random.default_rng(0)))
    assert len(made) == 4
    for atoms in made:
        assert has_composition(atoms, PEROVSKITE, (1, 2))
        assert keeps_apart(atoms, separation=0.6)
        expected = predict_volume(PEROVSKITE).value
        assert atoms.cell.volume / len(atoms) == pytest.approx(expected, rel=1e-6)
        assert atoms.info["proposer"] == kind.name
        assert 1 <= atoms.info["proposed_space_group"] <= 230
        assert atoms.pbc.all()


@BOTH
def test_only_the_generator_handed_in_is_used(kind: type[RandomProposer]) -> None:
    np.random.seed(1)  # noqa: NPY002 - the global state that must not matter
    before = np.random.get_state(legacy=False)  # noqa: NPY002
    first = list(kind().propose(request(), rng=np.random.default_rng(7)))
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    np.testing.assert_equal(after, before)
    np.random.seed(2)  # noqa: NPY002
    again = list(kind().propose(request(), rng=np.random.default_rng(7)))
    other = list(kind().propose(request(), rng=np.random.default_rng(8)))
    assert [len(a) for a in first] == [len(a) for a in again]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)
        np.testing.assert_array_equal(a.cell.array, b.cell.array)
    assert not np.allclose(first[0].cell.array, other[0].cell.array)


def test_generator_advances_alike_however_many_are_taken() -> None:
    one, all_of_them = np.random.default_rng(3), np.random.default_rng(3)
    next(RandomProposer().propose(request(), rng=one))
    list(RandomProposer().propose(request(), rng=all_of_them))
    assert one.bit_generator.state == all_of_them.bit_generator.state


def test_a_longer_list_begins_alike() -> None:
    short = RandomProposer().propose(request(n=3), rng=np.random.default_rng(4))
    long = RandomProposer().propose(request(n=70), rng=np.random.default_rng(4))
    for a, b in zip(short, long, strict=False):
        np.testing.assert_allclose(a.positions, b.positions, atol=1e-9)


@pytest.mark.parametrize("number", [62, 139, 221])
def test_space_group_is_there(number: int) -> None:
    proposer = RandomProposer()
    asked = request(n=1, units=(4,) if number == 62 else (1, 2), space_groups=(number,))
    (atoms,) = proposer.propose(asked, rng=np.random.default_rng(5))
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    dataset = spglib.get_symmetry_dataset(cell, symprec=1e-3)
    order = {62: 8, 139: 16, 221: 48}[number]
    assert len(dataset.rotations) % order == 0


def test_volume_as_asked() -> None:
    (atoms,) = RandomProposer().propose(
        request(n=1, volume_per_atom=30.0), rng=np.random.default_rng(0)
    )
    assert atoms.cell.volume / len(atoms) == pytest.approx(30.0)


def test_volumes_spread() -> None:
    asked = request(n=40, volume_per_atom=20.0)
    made = get_proposer("random:volume_spread=0.1").propose(asked, rng=np.random.default_rng(2))
    volumes = np.array([atoms.cell.volume / len(atoms) for atoms in made])
    assert 18.0 <= volumes.min() < 19.0
    assert 21.0 < volumes.max() <= 22.0


@BOTH
def test_separations_of_pairs(kind: type[RandomProposer]) -> None:
    context = ProposerContext(min_separations=LeastDistances.parse("O-O=1.5"))
    proposer = get_proposer(kind.name, {"min_separations": {"O-Ti": 1.3}}, context=context)
    assert type(proposer) is kind
    asked = request(n=3, units=(1,), space_groups=(1, 5))
    made = list(proposer.propose(asked, rng=np.random.default_rng(2)))
    assert len(made) == 3
    for atoms in made:
        distances = pair_distances(atoms)
        oxygen, titanium = atoms.symbols == "O", atoms.symbols == "Ti"
        assert distances[np.ix_(oxygen, oxygen)].min() >= 1.5
        assert distances[np.ix_(oxygen, titanium)].min() >= 1.3


def test_crowded_crystals_are_counted_and_end() -> None:
    proposer = RandomProposer(attempts=2, separation=0.99)
    asked = request(n=2, units=(1,), volume_per_atom=6.0, space_groups=(221,))
    assert list(proposer.propose(asked, rng=np.random.default_rng(0))) == []
    assert proposer.failures == 4


def test_requests_that_cannot_be_honoured() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(RequestError, match="the pyxtal proposer"):
        PyxtalProposer().propose(request(host=bulk("Cu")), rng=rng)
    with pytest.raises(RequestError, match="host"):
        RandomProposer().propose(request(host=bulk("Cu")), rng=rng)
    with pytest.raises(RequestError, match="space groups"):
        RandomProposer().propose(request(units=(1,), space_groups=(62,)), rng=rng)
