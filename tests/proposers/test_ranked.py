"""The likeliest of another proposer's structures first: order, numbers, and what is passed on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from numpy.typing import NDArray

import gencsp
from gencsp import records
from gencsp.composition import Composition
from gencsp.errors import DeckError, InpainterError, RequestError
from gencsp.potentials.chgnet.select import get_engine
from gencsp.proposers import get_proposer
from gencsp.proposers.base import ConfiguredProposer, ProposerContext, Request
from gencsp.proposers.energy_order import relaxed_enthalpies
from gencsp.proposers.own import FunctionProposer
from gencsp.proposers.random import RandomOptions
from gencsp.proposers.ranked import AMONG, Judge, RankedOptions, RankedProposer
from gencsp.proposers.registry import block_of, inpaints, maker_class, wrapped
from gencsp.proposers.score import ScoreOptions
from gencsp.runs.decks import SearchDeck
from gencsp.runs.trust import executed

CU = Composition.parse("Cu")


class Counting:
    """Hands over copper with numbers from the offset on, and remembers the requests."""

    name = "counting"

    def __init__(self, most: int = 10**6) -> None:
        self.most = most
        self.requests: list[Request] = []
        self.made = 0
        self.rejected = Counter({"too close": 3})

    @property
    def failures(self) -> int:
        return self.rejected.total()

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        del rng
        self.requests.append(request)
        return self._made(request)

    def _made(self, request: Request) -> Iterator[Atoms]:
        for k in range(request.offset, min(request.offset + request.n, self.most)):
            self.made += 1
            atoms = bulk("Cu")
            atoms.info["place"] = k
            yield atoms


def even_ones_last(structures: Sequence[Atoms]) -> NDArray[np.float64]:
    """Losses by which odd places come first."""
    return np.array([1.0 - atoms.info["place"] % 2 for atoms in structures])


def request(n: int, offset: int = 0) -> Request:
    return Request(composition=CU, n=n, offset=offset)


def places(
    proposer: RankedProposer, n: int, offset: int = 0, rng: np.random.Generator | None = None
) -> list[int]:
    made = proposer.propose(request(n, offset), rng=rng or np.random.default_rng(0))
    return [atoms.info["place"] for atoms in made]


def odd_first(inner: Counting, among: int, keep: int) -> RankedProposer:
    judge = Judge(by="model", losses=even_ones_last)
    return RankedProposer(inner, judge, among=among, keep=keep)


def test_the_likeliest_come_first_and_equals_stay_in_their_order() -> None:
    inner = Counting()
    assert places(odd_first(inner, 4, 4), 6) == [1, 3, 0, 2, 5, 7]
    assert [(one.n, one.offset) for one in inner.requests] == [(8, 0)]


def test_what_is_not_kept_is_dropped() -> None:
    inner = Counting()
    assert places(odd_first(inner, 4, 1), 3) == [1, 5, 9]
    assert [one.n for one in inner.requests] == [12]


def test_no_more_is_made_than_is_compared() -> None:
    inner = Counting()
    made = odd_first(inner, 4, 2).propose(request(6), rng=np.random.default_rng(0))
    assert next(made).info["place"] == 1
    assert inner.made == 4


def test_a_later_call_goes_on_behind_whole_comparisons() -> None:
    inner = Counting()
    proposer = odd_first(inner, 4, 2)
    assert places(proposer, 4) + places(proposer, 2, offset=4) == [1, 3, 5, 7, 9, 11]
    assert [one.offset for one in inner.requests] == [0, 8]


def test_what_runs_out_is_compared_as_far_as_it_goes() -> None:
    assert places(odd_first(Counting(most=6), 4, 4), 20) == [1, 3, 0, 2, 5, 4]
    assert places(odd_first(Counting(most=0), 4, 4), 20) == []


def test_name_and_failures_are_those_of_the_other_proposer() -> None:
    proposer = odd_first(Counting(), 4, 4)
    assert proposer.name == "counting"
    assert proposer.rejected == Counter({"too close": 3})
    assert proposer.failures == 3


def said(*confidences: float | None) -> list[Atoms]:
    made = []
    for k, one in enumerate(confidences):
        atoms = bulk("Cu")
        atoms.info["place"] = k
        if one is not None:
            atoms.info[records.CONFIDENCE] = one
        made.append(atoms)
    return made


def test_by_prior_the_word_of_the_proposer_counts_and_one_that_says_nothing_is_told() -> None:
    judge = Judge(by="prior")
    assert [a.info["place"] for a in judge.ordered(said(0.2, 0.7, 0.2), 0.0)] == [1, 0, 2]
    with pytest.raises(RequestError, match="choose by=joint"):
        judge.ordered(said(0.2, None), 0.0)


def test_ranked_by_energy_the_first_is_the_lowest_and_stays_as_it_was_made() -> None:
    options = {"of": "random", "by": "energy", "among": 6}
    made = list(gencsp.propose("NaCl", n=6, max_atoms=4, proposer="ranked", options=options))
    plain = list(gencsp.propose("NaCl", n=6, max_atoms=4, proposer="random"))
    energies = relaxed_enthalpies(get_engine(device="cpu"))(made, 0.0)
    assert energies == pytest.approx(np.sort(energies), abs=2e-4)
    confidences = [atoms.info[records.CONFIDENCE] for atoms in made]
    assert confidences == sorted(confidences, reverse=True)
    assert {a.info[records.PROPOSER] for a in made} == {"random"}
    as_made = sorted(a.cell.volume + a.get_all_distances(mic=True).sum() for a in plain)
    kept = sorted(a.cell.volume + a.get_all_distances(mic=True).sum() for a in made)
    assert kept == pytest.approx(as_made)


def test_workers_change_nothing() -> None:
    settings: dict[str, Any] = {
        "proposer": "ranked:of=random,by=energy,among=4,keep=1",
        "max_atoms": 2,
    }
    alone, together = (
        list(gencsp.propose("NaCl", n=18, workers=workers, **settings)) for workers in (1, 2)
    )
    assert len(alone) == 18
    assert [a.positions.tolist() for a in alone] == [a.positions.tolist() for a in together]
    assert [a.info for a in alone] == [a.info for a in together]


def test_own_confidences_and_energies_are_joined_as_in_substitution() -> None:
    def prefers_cesium_chloride(_: Request, *, rng: np.random.Generator) -> Atoms:
        atoms = (
            bulk("NaCl", "cesiumchloride", a=3.4)
            if rng.random() < 0.5
            else bulk("NaCl", "rocksalt", a=5.6)
        )
        atoms.info["confidence"] = 0.3 if len(set(atoms.cell.angles().round())) else 0.2
        return atoms

    judge = Judge(by="joint", engine=get_engine(device="cpu"))
    proposer = RankedProposer(FunctionProposer(prefers_cesium_chloride), judge, among=8, keep=8)
    nacl = Request(composition=Composition.parse("NaCl"), n=8)
    made = list(proposer.propose(nacl, rng=np.random.default_rng(0)))
    # Rock salt is the lower one by 70 meV/atom, and the shares add up to one.
    assert made[0].cell.angles() == pytest.approx([60] * 3)
    assert sum(a.info["confidence"] for a in made) == pytest.approx(1.0, abs=1e-3)


def test_needs_are_those_of_the_proposer_behind_it() -> None:
    assert maker_class("ranked:of=random") is RandomOptions
    assert maker_class("ranked:score") is ScoreOptions
    nested = {"name": "ranked", "of": {"name": "ranked", "of": "random:attempts=3"}}
    assert maker_class(nested) is RandomOptions
    assert wrapped("random") is None
    assert str(wrapped("ranked")) == "pigen"
    assert inpaints("ranked:score")
    assert not inpaints("ranked:random")
    with pytest.raises(InpainterError):
        gencsp.propose(
            "LiCl", proposer="ranked", options={"of": "random"}, host=bulk("Cl", "fcc", 4)
        )
    assert block_of("ranked:random") == AMONG
    assert block_of("ranked:of=random,among=8,keep=2") == 2
    assert block_of("random") == RandomOptions.block


def test_options_are_checked() -> None:
    with pytest.raises(DeckError, match="5 of 4"):
        RankedOptions.from_options({"among": 4, "keep": 5})
    with pytest.raises(DeckError, match="by"):
        RankedOptions.from_options({"by": "luck"})
    with pytest.raises(RequestError, match="nobody"):
        get_proposer("ranked:nobody", context=ProposerContext(device="cpu"))
    assert issubclass(RankedOptions, ConfiguredProposer)


def test_code_behind_it_is_code_that_a_run_executes(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("def propose(request, *, rng): ...\n")
    deck = SearchDeck.make(formula="NaCl", seeds=[f"ranked:of={file}"])
    assert [str(file) in one.what for one in executed(deck)] == [True]
    assert executed(SearchDeck.make(formula="NaCl", seeds=["ranked:random"])) == ()
