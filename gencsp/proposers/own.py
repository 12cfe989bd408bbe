"""A user's own proposer: an object that proposes, or a function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from ase import Atoms

from gencsp.errors import WrongTypeError
from gencsp.io.structures import atoms_of
from gencsp.proposers.base import (
    ConfiguredProposer,
    CountsReasons,
    Proposer,
    ProposerContext,
    Request,
)
from gencsp.proposers.checks import WRONG_COMPOSITION, has_composition
from gencsp.proposers.drawing import tag_proposal
from gencsp.provenance import Stage


def is_own_proposer(given: object) -> bool:
    """Whether an object proposes, or is a function that may."""
    if isinstance(given, type):
        return False
    return isinstance(given, ConfiguredProposer | Proposer) or callable(given)


def own_proposer(given: Any, context: ProposerContext) -> Proposer:
    """The proposer that an object is, that its options make, or that calls a function.

    Raises:
        WrongTypeError: it is none of these.
    """
    if isinstance(given, ConfiguredProposer):
        return given.build(context)
    if isinstance(given, Proposer) and not isinstance(given, type):
        return given
    if is_own_proposer(given):
        return FunctionProposer(given)
    raise WrongTypeError(
        f"proposer is a {type(given).__name__}: give a name, a function of a request and rng=, or "
        f"an object with 'propose', 'name' and 'failures'."
    )


class FunctionProposer(CountsReasons):
    """Proposes what a function makes; see :class:`~gencsp.proposers.base.Proposer`.

    Args:
        function: ``function(request, rng=rng)`` returns or yields structures, or returns one, in
            which case it is called for each. Those of another composition count as failures.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = str(getattr(function, "__name__", type(function).__name__))
        self.rejected: Counter[str] = Counter()

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`.

        Raises:
            WrongTypeError: the function made something else than structures.
        """
        stage = Stage.GENERATED if request.host is None else Stage.INPAINTED
        made = 0
        for atoms in self._structures(request, rng):
            if not has_composition(atoms, request.composition, request.units):
                self.rejected[WRONG_COMPOSITION] += 1
                continue
            yield tag_proposal(atoms, proposer=self.name, stage=stage)
            made += 1
            if made == request.n:
                return

    def _structures(self, request: Request, rng: np.random.Generator) -> Iterator[Atoms]:
        what = f"what the proposer '{self.name}' makes"
        for _ in range(request.n):
            found = self.function(request, rng=rng)
            yield from atoms_of(found, what=what)
            if not isinstance(found, Atoms):
                return
