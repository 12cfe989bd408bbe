"""The plan and the result of a trial, and the four methods of a strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from ase import Atoms

from gencsp.store.base import Scalar

if TYPE_CHECKING:
    from gencsp.searches.moves.base import Move

#: The next structure of the seeds, and of the background proposer: a trial without parents.
SEED, RANDOM = "seed", "random"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A plan for one structure, small enough to be sent to a worker.

    Attributes:
        move: name of a move, or ``SEED`` or ``RANDOM``.
        parents: relaxed structures that the move starts from; none for ``SEED`` and ``RANDOM``.
    """

    move: str
    parents: tuple[Atoms, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What became of a trial.

    Attributes:
        number: of the trial, from 0.
        move: what made the structure.
        atoms: relaxed, with provenance and energies in ``info``; ``None`` where nothing converged.
        fitness: eV/atom, the lower the better: the enthalpy of a search at one composition, the
            distance to the live hull of one in a chemical system; infinite where nothing converged.
        duplicate_of: id of an earlier structure that is the same crystal; else empty.
        record: whether it is lower than all before it: the lowest of its composition, or in a
            chemical system a new vertex of the live hull.
        failure: why there is no structure; else empty.
    """

    number: int
    move: str
    atoms: Atoms | None = None
    fitness: float = float("inf")
    duplicate_of: str = ""
    record: bool = False
    failure: str = ""

    @property
    def new(self) -> bool:
        """Whether it is a crystal that the search had not seen before."""
        return self.atoms is not None and not self.duplicate_of


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveStats:
    """One line of the table of what a strategy has learned about a move.

    Attributes:
        move: its name.
        tried: trials that it made.
        new: crystals among them that had not been seen before.
        improved: trials that the strategy counts as a success.
        share: the share of trials that it would be given now.
    """

    move: str
    tried: int
    new: int
    improved: int
    share: float


@runtime_checkable
class Strategy(Protocol):
    """Decides what is tried next; it neither relaxes nor judges, and keeps no clock.

    The search calls :meth:`ask` for the plan of every trial and :meth:`tell` with every result,
    both in the order of the trials' numbers. It asks for trial k when the strategy has the results
    of all trials up to k minus the search's ``ahead``, whatever runs at the same time. So what a
    strategy does depends only on its settings and on the generators that it is given. The last
    plans, fewer than ``ahead``, lie beyond the budget: they are tried if the budget is raised.

    Attributes:
        name: under which it is found.
        moves: those that it asks for, by name.
    """

    @property
    def name(self) -> str: ...
    @property
    def moves(self) -> Mapping[str, Move]: ...

    def settings(self) -> Mapping[str, Scalar | Sequence[Scalar] | None]:
        """What makes it this strategy, flat, for the manifest of the run."""
        ...

    def ask(self, number: int, *, rng: np.random.Generator) -> Trial:
        """The plan of a trial."""
        ...

    def tell(self, result: TrialResult, *, rng: np.random.Generator) -> None:
        """What became of a trial."""
        ...

    def move_stats(self) -> list[MoveStats]:
        """What it has learned about its moves; empty where it learns nothing."""
        ...
