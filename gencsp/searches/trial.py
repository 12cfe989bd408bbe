"""Trials, their results, and the contract of strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from ase import Atoms

from gencsp.store.base import Scalar

if TYPE_CHECKING:
    from gencsp.searches.moves.base import Move

#: Trials without parents: the next seed structure, and the next one of the background proposer.
SEED_STRUCTURE, RANDOM = "seed", "random"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A plan for one structure, small enough to be sent to a worker.

    Attributes:
        move: name of a move, or ``SEED_STRUCTURE`` or ``RANDOM``.
        parents: relaxed structures that the move starts from; empty where no move is made.
    """

    move: str
    parents: tuple[Atoms, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """The result of a trial.

    Attributes:
        number: of the trial, from 0.
        move: name of the move that made the structure; ``RANDOM`` where a seed was asked for and
            none was left.
        atoms: relaxed, with provenance and energies in ``info``; ``None`` where nothing converged.
        fitness: eV/atom, the lower the better: the enthalpy of a search at one composition, the
            distance to the live hull of one in a chemical system; infinite where nothing converged.
        seen_as: id of an earlier structure of the same family of crystals; empty where it is new.
        record: whether it is lower than all before it: the lowest of its composition, or in a
            chemical system a new vertex of the live hull.
        failure: why there is no structure; else empty.
        seeds_ended: whether a seed was asked for and none was left, so that there will be no more.
    """

    number: int
    move: str
    atoms: Atoms | None = None
    fitness: float = float("inf")
    seen_as: str = ""
    record: bool = False
    failure: str = ""
    seeds_ended: bool = False

    @property
    def new(self) -> bool:
        """Whether the search had seen neither this crystal nor one of its family before."""
        return self.atoms is not None and not self.seen_as


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveStats:
    """Statistics of one move in a search whose strategy learns which moves succeed.

    Attributes:
        move: its name.
        tried: number of its trials.
        new: trials whose crystal had not been seen before.
        improved: trials that the strategy counts as a success.
        share: share of the next trials that the move would get now, 0 to 1.
    """

    move: str
    tried: int
    new: int
    improved: int
    share: float


@runtime_checkable
class Strategy(Protocol):
    """Decides what is tried next, in the ask-and-tell form of optimisers.

    It neither relaxes nor judges structures. Trials are requested (``ask``) and their results
    reported (``tell``) in the order of their numbers. Trial k is requested once the results of all
    trials up to k minus the search's ``ahead`` have been reported, whatever else is running, so
    that the plans depend only on the settings and on the random generators that are passed in.
    The last trials requested, fewer than ``ahead``, may lie beyond the budget; they are run if the
    budget is raised later.

    Attributes:
        name: under which it is found.
        moves: the moves that it may choose, by name.
    """

    @property
    def name(self) -> str:
        """Name of the strategy."""
        ...

    @property
    def moves(self) -> Mapping[str, Move]:
        """The moves that it may choose, by name."""
        ...

    def settings(self) -> Mapping[str, Scalar | Sequence[Scalar] | None]:
        """The settings that identify the strategy, as a flat dictionary for the run's manifest."""
        ...

    def ask(self, number: int, *, rng: np.random.Generator) -> Trial:
        """The plan of trial ``number``; ``rng`` is the only source of chance."""
        ...

    def tell(self, result: TrialResult, *, rng: np.random.Generator) -> None:
        """Record the result of a trial."""
        ...

    def move_stats(self) -> list[MoveStats]:
        """Statistics of its moves; empty where it does not learn from them."""
        ...
