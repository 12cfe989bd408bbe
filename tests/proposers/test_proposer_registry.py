"""Proposers by name, the mixture, and the one-call face."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from gencsp.composition import Composition
from gencsp.diffusion.batch import ScoreModel
from gencsp.diffusion.positions.sampler import SamplerSettings
from gencsp.errors import CompositionError, DeckError, InpainterError, RequestError
from gencsp.proposers import ProposerContext, get_proposer, propose, proposer_names
from gencsp.proposers.base import Request
from gencsp.proposers.mixed import MixedProposer
from gencsp.proposers.random import RandomOptions
from gencsp.proposers.score import ScoreProposer
from gencsp.proposers.symmetric import SymmetricProposer
from gencsp.provenance import Provenance, Stage


@pytest.fixture
def context(model: ScoreModel, quick: SamplerSettings) -> ProposerContext:
    return ProposerContext(model=model, sampler=quick)


def test_ours_are_there(context: ProposerContext) -> None:
    assert {"guest-orbits", "mixed", "pool", "random", "score", "symmetric"} <= set(
        proposer_names()
    )
    for name in ("guest-orbits", "mixed", "pool", "random", "score", "symmetric"):
        proposer = get_proposer(name, context=context)
        assert proposer.name == name
        assert proposer.failures == 0


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(RequestError, match="choose from dp-cdvae, external, guest-orbits, mixed"):
        get_proposer("astrology")


@pytest.mark.parametrize("proposer", ["mixed", "random", "score", "symmetric"])
def test_one_call(context: ProposerContext, proposer: str) -> None:
    made = list(propose("MgO", n=4, max_atoms=8, proposer=proposer, seed=3, context=context))
    assert len(made) == 4
    ids = set()
    for atoms in made:
        assert Composition.parse("MgO").matches(atoms)
        assert len(atoms) <= 8
        provenance = Provenance.read(atoms)
        assert provenance is not None
        assert provenance.seed == 3
        assert provenance.stage is Stage.GENERATED
        ids.add(provenance.structure_id)
    assert len(ids) == 4
    again = list(propose("MgO", n=4, max_atoms=8, proposer=proposer, seed=3, context=context))
    for a, b in zip(made, again, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)
        assert a.info == b.info


def test_bad_calls_fail_before_anything_is_made(context: ProposerContext) -> None:
    with pytest.raises(CompositionError, match="Xx"):
        propose("Xx2O3", context=context)
    with pytest.raises(CompositionError, match="raise the limit"):
        propose("Ca3Al2Si3O12", max_atoms=19, context=context)
    with pytest.raises(RequestError, match="n is 0: give a whole number from 1"):
        propose("MgO", n=0, context=context)


def test_host_through_the_default(context: ProposerContext) -> None:
    host = bulk("Si", "diamond", a=8.0)
    host.info["structure_id"] = "framework"
    (atoms,) = propose("LiSi2", n=1, max_atoms=6, host=host, context=context)
    assert atoms.get_chemical_formula() == "LiSi2"
    assert atoms.info["parents"] == "framework"
    assert atoms.info["proposer"] == "guest-orbits"


@pytest.mark.parametrize(
    "given", ["random", "pyxtal", "symmetric", "substitution", "pool", RandomOptions()]
)
def test_a_host_is_refused_before_weights_are_read(given: Any) -> None:
    absent = ProposerContext(weights=Path("absent.safetensors"))
    with pytest.raises(InpainterError, match=r"guest-orbits or .*mixed or .*score"):
        propose("LiSi2", n=1, proposer=given, host=bulk("Si"), context=absent)


def test_a_proposer_of_a_script_is_trusted_with_a_host() -> None:
    asked: list[Request] = []

    def own(request: Request, **_: object) -> list[Atoms]:
        asked.append(request)
        return []

    assert list(propose("LiSi2", n=1, proposer=own, host=bulk("Si"))) == []
    assert asked[0].host is not None


class Labelled:
    """Makes copper, marked with its name."""

    failures = 2

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[Request] = []

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:  # noqa: ARG002
        self.asked.append(request)
        for _ in range(request.n):
            atoms = bulk("Cu")
            atoms.info["by"] = self.name
            yield atoms


def mix(**changes: Any) -> list[str]:
    values: dict[str, Any] = {"composition": Composition.parse("Cu"), "n": 20}
    mixed = MixedProposer(Labelled("k"), Labelled("s"), Labelled("g"), Labelled("u"))
    made = mixed.propose(Request(**(values | changes)), rng=np.random.default_rng(0))
    assert mixed.failures == 8
    return [atoms.info["by"] for atoms in made]


def test_shares_of_the_mixture() -> None:
    made = mix()
    assert [made.count(one) for one in "ksu"] == [10, 5, 5]
    assert made[:8] == ["k", "k", "s", "u"] * 2
    hosted = mix(host=bulk("Cu"))
    assert [hosted.count(one) for one in "ksgu"] == [0, 0, 15, 5]
    assert set(mix(cell=bulk("Cu").cell)) == {"u"}
    assert [mix(space_groups=(225,)).count(one) for one in "ksu"] == [14, 6, 0]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.75, 1.0])
@pytest.mark.parametrize("known", [0.0, 0.5, 1.0])
def test_turns_are_as_many_as_their_shares_wherever_they_end(share: float, known: float) -> None:
    request = Request(composition=Composition.parse("Cu"), n=40)
    mixed = MixedProposer(
        *(Labelled(name) for name in "ksgu"), share=share, substitution_share=known
    )
    made = [a.info["by"] for a in mixed.propose(request, rng=np.random.default_rng(0))]
    assert len(made) == 40
    for n in range(1, 41):
        unconditional, substituted = made[:n].count("u"), made[:n].count("k")
        assert unconditional == n - math.ceil(n * share - 1e-9)
        assert substituted == math.ceil((n - unconditional) * known - 1e-9)


def test_a_later_call_goes_on_where_the_one_before_ended() -> None:
    """Each proposer is told how many of its own came before."""
    whole = Request(composition=Composition.parse("Cu"), n=30)
    parts = {name: Labelled(name) for name in "ksgu"}
    mixed = MixedProposer(*parts.values())
    rng = np.random.default_rng(0)
    made = [
        atoms.info["by"]
        for start in (0, 7, 17)
        for atoms in mixed.propose(
            replace(whole, n={0: 7, 7: 10, 17: 13}[start], offset=start), rng=rng
        )
    ]
    assert made == [a.info["by"] for a in mixed.propose(whole, rng=rng)]
    assert [(one.offset, one.n) for one in parts["k"].asked[:3]] == [(0, 4), (4, 5), (9, 7)]


class Dry(Labelled):
    """Gives up after one structure."""

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        yield from islice(super().propose(request, rng=rng), 1)


def test_one_makes_up_for_the_other() -> None:
    request = Request(composition=Composition.parse("Cu"), n=8)
    dry = MixedProposer(Dry("k"), Dry("s"), Labelled("g"), Labelled("u"))
    made = [a.info["by"] for a in dry.propose(request, rng=np.random.default_rng(0))]
    assert sorted(made) == ["k", *"ss", *"uuuuu"]  # a spare one of s
    half = MixedProposer(Dry("k"), Labelled("s"), Labelled("g"), Labelled("u"))
    made = [a.info["by"] for a in half.propose(request, rng=np.random.default_rng(0))]
    assert sorted(made) == ["k", *"sssss", *"uu"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("score", {"batch_size": 0}),
        ("random", {"attempts": 0}),
        ("pool", {"separation": 1.0}),
        ("symmetric", {"novelty": -0.1}),
        ("random", {"volume_spread": 1}),
        ("mixed", {"share": 2}),
        ("random", {"min_separations": {"Si": 1.0}}),
    ],
)
def test_bad_options(name: str, change: dict[str, float]) -> None:
    with pytest.raises(DeckError, match=f"option '{next(iter(change))}.*of the proposer '{name}'"):
        get_proposer(name, change)


def test_options_belong_to_their_proposer(context: ProposerContext) -> None:
    with pytest.raises(DeckError, match="'random' has no option 'novelty': known are separation"):
        get_proposer("random:novelty=0.5")
    with pytest.raises(DeckError, match="sampler of the proposer 'score' has no setting 'pace'"):
        get_proposer("score", {"sampler": {"pace": 3}}, context=context)
    with pytest.raises(DeckError, match="steps is 0: give a whole number from 1"):
        get_proposer("score", {"sampler": {"steps": 0}}, context=context)
    score = get_proposer("score", {"sampler": {"steps": 3}}, context=context)
    assert isinstance(score, ScoreProposer)
    assert context.sampler is not None
    assert score.sampler == replace(context.sampler, steps=3)
    mixed = get_proposer(
        "mixed:batch_size=3,share=0.5,novelty=1,substitution=0.25", context=context
    )
    assert isinstance(mixed, MixedProposer)
    assert isinstance(mixed.symmetric, SymmetricProposer)
    assert (mixed.share, mixed.symmetric.novelty, mixed.symmetric.batch_size) == (0.5, 1.0, 3)
    assert mixed.symmetric.model is context.model
    assert mixed.substitution_share == 0.25
