"""The default proposer: some structures are generated with symmetry, the others without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.proposers.base import Proposer, ProposerContext, Request, reasons_of
from gencsp.proposers.generators import spawn_generators
from gencsp.proposers.guest_orbits import GuestOrbitOptions
from gencsp.proposers.options import NOVELTY, ScoreModelOptions
from gencsp.proposers.score import ScoreOptions
from gencsp.proposers.symmetric import SymmetricOptions

#: Share of the structures that the symmetric proposer makes.
SYMMETRIC_SHARE = 0.75


class MixedProposer:
    """Alternates ``symmetric`` (``guest-orbits`` with a host) and ``score`` in the ratio 3 : 1.

    Most ground states are symmetric, but few unconditional samples are; the unconditional share
    reaches crystals without a common symmetry. A host is completed in the same ratio with and
    without its symmetry. A request that only one of them can fulfil goes to it alone: a fixed cell
    to ``score``, space groups to ``symmetric``. Where one runs out, the other replaces it.
    """

    name = "mixed"

    def __init__(
        self,
        symmetric: Proposer,
        guest_orbits: Proposer,
        unconditional: Proposer,
        *,
        share: float = SYMMETRIC_SHARE,
    ) -> None:
        self.symmetric = symmetric
        self.guest_orbits = guest_orbits
        self.unconditional = unconditional
        self.share = share

    @property
    def rejected(self) -> Counter[str]:
        """Structures so far that any of the proposers failed to make, by reason."""
        parts = (self.symmetric, self.guest_orbits, self.unconditional)
        return sum((reasons_of(part) for part in parts), Counter())

    @property
    def failures(self) -> int:
        """Structures so far that any of the proposers failed to make."""
        return self.rejected.total()

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`; raises what its parts raise."""
        if request.host is None:
            if request.cell is not None:
                return self.unconditional.propose(request, rng=rng)
            if request.space_groups is not None:
                return self.symmetric.propose(request, rng=rng)
        symmetric = self.symmetric if request.host is None else self.guest_orbits
        # Mixed evenly from the start, since a search may stop at any time.
        turns = [int((k + 1) * self.share) > int(k * self.share) for k in range(request.n)]
        rngs = spawn_generators(rng)
        both = ((self.unconditional, False), (symmetric, True))
        parts = [_part(p, request, turns.count(kind), next(rngs)) for p, kind in both]
        spare = [_part(p, request, turns.count(not kind), next(rngs)) for p, kind in both]
        return self._propose(turns, parts, spare)

    def _propose(
        self, turns: list[bool], parts: list[Iterator[Atoms]], spare: list[Iterator[Atoms]]
    ) -> Iterator[Atoms]:
        for turn in turns:
            atoms = next(parts[turn], None)
            if atoms is None:
                atoms = next(spare[not turn], None)
            if atoms is not None:
                yield atoms


def _part(
    proposer: Proposer, request: Request, n: int, rng: np.random.Generator
) -> Iterator[Atoms]:
    """The structures of one of the proposers; empty where none are requested of it."""
    return proposer.propose(replace(request, n=n), rng=rng) if n else iter(())


class MixedOptions(ScoreModelOptions):
    """Options of :class:`MixedProposer` and of the proposers that it takes in turn."""

    name = "mixed"
    inpaints: ClassVar[bool] = True

    novelty: float = Field(default=NOVELTY, ge=0, le=1, description="See SymmetricOptions.")
    share: float = Field(
        default=SYMMETRIC_SHARE,
        ge=0,
        le=1,
        description="Share of the proposers with symmetry.",
    )

    def build(self, context: ProposerContext) -> MixedProposer:
        """See :class:`~gencsp.proposers.base.ConfiguredProposer`."""
        shared = self.model_dump(exclude={"share", "novelty", "weights"})
        loaded = replace(context, model=self.score_model(context))
        return MixedProposer(
            SymmetricOptions(**shared, novelty=self.novelty).build(loaded),
            GuestOrbitOptions(**shared).build(loaded),
            ScoreOptions(**shared).build(loaded),
            share=self.share,
        )
