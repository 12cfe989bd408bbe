"""The default: some structures by symmetric generation, the others without symmetry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from ase import Atoms

from gencsp.proposers.base import Proposer, Request
from gencsp.proposers.options import ProposerOptions
from gencsp.proposers.score_model import ScoreProposer
from gencsp.proposers.streams import streams
from gencsp.proposers.symmetric import SymmetricProposer

#: Share of the structures that is asked of the symmetric proposer.
SYMMETRIC_SHARE = 0.75


class MixedProposer:
    """``symmetric`` and ``score``, in turn, in the shares 3 : 1.

    Most ground states are symmetric, and few unconditional samples are; those few reach what no
    likely symmetry does. Where only one of the two can honour the request it gets all of it:
    ``score`` a host or a fixed cell, ``symmetric`` space groups. Where one of them gives up, the
    other makes up for it.
    """

    name = "mixed"

    def __init__(
        self, symmetric: Proposer, unconditional: Proposer, *, share: float = SYMMETRIC_SHARE
    ) -> None:
        self.symmetric = symmetric
        self.unconditional = unconditional
        self.share = share

    @classmethod
    def from_options(cls, options: ProposerOptions) -> MixedProposer:
        loaded = replace(options, model=options.score_model())
        return cls(SymmetricProposer.from_options(loaded), ScoreProposer.from_options(loaded))

    @property
    def failures(self) -> int:
        return self.symmetric.failures + self.unconditional.failures

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`; raises what its parts raise."""
        if request.host is not None or request.cell is not None:
            return self.unconditional.propose(request, rng=rng)
        if request.space_groups is not None:
            return self.symmetric.propose(request, rng=rng)
        # The first of a long list are mixed like the whole of it: a search may stop at any time.
        turns = [int((k + 1) * self.share) > int(k * self.share) for k in range(request.n)]
        rngs = streams(rng)
        both = ((self.unconditional, False), (self.symmetric, True))
        parts = [
            proposer.propose(replace(request, n=turns.count(kind)), rng=next(rngs))
            for proposer, kind in both
        ]
        spare = [
            proposer.propose(replace(request, n=turns.count(not kind)), rng=next(rngs))
            for proposer, kind in both
        ]
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
