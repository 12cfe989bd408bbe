"""The default proposer: known crystals with their elements replaced, symmetric ones, and others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal, TypeAlias

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.deck import Share
from gencsp.proposers.base import Proposer, ProposerContext, Request, reasons_of
from gencsp.proposers.generators import spawn_generators
from gencsp.proposers.guest_orbits import GuestOrbitOptions
from gencsp.proposers.options import NOVELTY, ScoreModelOptions
from gencsp.proposers.score import ScoreOptions
from gencsp.proposers.substitution import Rank, SubstitutionOptions
from gencsp.proposers.symmetric import SymmetricOptions

#: Share of the structures that the proposers with symmetry make, and that of substitution among
#: these.
SYMMETRIC_SHARE = 0.75
SUBSTITUTION_SHARE = 2 / 3

#: Which of the proposers makes a structure.
Turn: TypeAlias = Literal["substitution", "symmetric", "unconditional"]
#: Who makes it where that proposer has no more.
STAND_INS: Mapping[Turn, tuple[Turn, ...]] = {
    "substitution": ("symmetric", "unconditional"),
    "symmetric": ("unconditional",),
    "unconditional": ("symmetric",),
}


class MixedProposer:
    """Takes ``substitution``, ``symmetric`` and ``score`` in turn, the likeliest structure first.

    Substitution has the best first guess, and its guesses come in their order. Most ground states
    are symmetric, but not all have the skeleton of a known crystal, nor are all symmetric; the
    others reach these. A host is completed by ``guest-orbits`` and ``score``, with and without its
    symmetry. A request that only one of them can fulfil goes to it alone: a fixed cell to
    ``score``. With space groups ``score`` is left out. Where one runs out, another replaces it.
    """

    name = "mixed"

    def __init__(
        self,
        substitution: Proposer,
        symmetric: Proposer,
        guest_orbits: Proposer,
        unconditional: Proposer,
        *,
        share: float = SYMMETRIC_SHARE,
        substitution_share: float = SUBSTITUTION_SHARE,
    ) -> None:
        self.substitution = substitution
        self.symmetric = symmetric
        self.guest_orbits = guest_orbits
        self.unconditional = unconditional
        self.share = share
        self.substitution_share = substitution_share

    @property
    def rejected(self) -> Counter[str]:
        """Structures so far that any of the proposers failed to make, by reason."""
        parts = (self.substitution, self.symmetric, self.guest_orbits, self.unconditional)
        return sum((reasons_of(part) for part in parts), Counter())

    @property
    def failures(self) -> int:
        """Structures so far that any of the proposers failed to make."""
        return self.rejected.total()

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`; raises what its parts raise."""
        hosted = request.host is not None
        if request.cell is not None and not hosted:
            return self.unconditional.propose(request, rng=rng)
        symmetric = self.guest_orbits if hosted else self.symmetric
        makers: dict[Turn, Proposer] = {
            "substitution": self.substitution,
            "symmetric": symmetric,
            "unconditional": self.unconditional,
        }
        share = 1.0 if request.space_groups is not None and not hosted else self.share
        known = 0.0 if hosted else self.substitution_share
        turns = _turns(request.offset + request.n, share, known)
        before, now = turns[: request.offset], turns[request.offset :]
        rngs = spawn_generators(rng)
        parts = {
            turn: _part(makers[turn], request, now.count(turn), before.count(turn), next(rngs))
            for turn in makers
        }
        spare = {
            turn: _part(
                makers[turn],
                request,
                sum(turn in STAND_INS[one] for one in now),
                before.count(turn),
                next(rngs),
            )
            for turn in makers
            if share < 1 or turn != "unconditional"
        }
        return _in_turn(now, parts, spare)


def _turns(n: int, share: float, known: float) -> list[Turn]:
    """Whose turn it is, evenly from the start, since a search may stop at any time."""
    turns: list[Turn] = []
    symmetric = 0
    for k in range(n):
        if not _is_next(k, share):
            turns.append("unconditional")
        else:
            turns.append("substitution" if _is_next(symmetric, known) else "symmetric")
            symmetric += 1
    return turns


def _is_next(k: int, share: float) -> bool:
    """Whether the k-th of many is one of a share of them; the first one is, of any share."""
    return bool(np.ceil((k + 1) * share - 1e-9) > np.ceil(k * share - 1e-9))


def _in_turn(
    turns: Sequence[Turn],
    parts: Mapping[Turn, Iterator[Atoms]],
    spare: Mapping[Turn, Iterator[Atoms]],
) -> Iterator[Atoms]:
    for turn in turns:
        sources = [parts[turn], *(spare[one] for one in STAND_INS[turn] if one in spare)]
        atoms = next((atoms for source in sources if (atoms := next(source, None))), None)
        if atoms is not None:
            yield atoms


def _part(
    proposer: Proposer, request: Request, n: int, offset: int, rng: np.random.Generator
) -> Iterator[Atoms]:
    """The structures of one of the proposers; empty where none are requested of it."""
    if not n:
        return iter(())
    return proposer.propose(replace(request, n=n, offset=offset), rng=rng)


class MixedOptions(ScoreModelOptions):
    """Options of :class:`MixedProposer` and of the proposers that it takes in turn."""

    name = "mixed"
    inpaints: ClassVar[bool] = True

    novelty: float = Field(default=NOVELTY, ge=0, le=1, description="See SymmetricOptions.")
    share: Share = Field(
        default=SYMMETRIC_SHARE, description="Share of the proposers with symmetry."
    )
    substitution: Share = Field(
        default=SUBSTITUTION_SHARE,
        description="Share of substitution among these, where there is no host.",
    )
    rank: Rank = Field(default="prior", description="See SubstitutionOptions.")

    def build(self, context: ProposerContext) -> MixedProposer:
        """See :class:`~gencsp.proposers.base.ConfiguredProposer`."""
        shared = self.model_dump(exclude={"share", "substitution", "rank", "novelty", "weights"})
        loaded = replace(context, model=self.score_model(context))
        return MixedProposer(
            SubstitutionOptions(**shared, rank=self.rank).build(loaded),
            SymmetricOptions(**shared, novelty=self.novelty).build(loaded),
            GuestOrbitOptions(**shared).build(loaded),
            ScoreOptions(**shared).build(loaded),
            share=self.share,
            substitution_share=self.substitution,
        )
