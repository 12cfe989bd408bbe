"""Strategies by name, and what a search provides to its strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from gencsp.errors import RequestError
from gencsp.plugins import Configured, Registry
from gencsp.searches.moves.base import MOVES, Move
from gencsp.searches.trial import Strategy

if TYPE_CHECKING:
    from gencsp.searches.ledger import Ledger
    from gencsp.searches.settings import SearchSettings
    from gencsp.searches.starts import SeedSchedule


#: Moves of all strategies where structures consist of rigid units.
UNIT_MOVES = (
    "rotate-unit",
    "translate-unit",
    "exchange-units",
    "flip-unit",
    "rattle",
    "strain",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyContext:
    """What a search provides to its strategy.

    Attributes:
        settings: of the search, such as its space and the number of trials that run at once.
        ledger: judges the results; ``ledger.fitness`` gives the fitness of a structure, eV/atom.
        schedule: decides whether the next structure without parents is a seed or a random one.
        moves: the moves that the user named, with their options; ``None`` for the strategy's own.
    """

    settings: SearchSettings
    ledger: Ledger
    schedule: SeedSchedule
    moves: tuple[Move, ...] | None = None

    def usable_moves(self, own: Sequence[str], *, most_parents: int) -> list[Move]:
        """The moves that the user named, else the strategy's own, as far as they suit the search.

        Moves that would change a fixed cell or a fixed composition, or break rigid units, are left
        out. In a search with rigid units the strategy's own moves are :data:`UNIT_MOVES`.

        Args:
            own: names of the strategy's own moves.
            most_parents: largest number of parents that the strategy can give to a move.

        Raises:
            RequestError: a move needs more parents, or none is left.
        """
        space = self.settings.space
        if self.moves is None:
            names = (*own, "transmute") if space.free_elements else own
            names = UNIT_MOVES if self.settings.units else names
            moves: Sequence[Move] = [MOVES.make(name) for name in names]
        else:
            moves = self.moves
        for move in moves:
            if move.n_parents > most_parents:
                raise RequestError(f"'{move.name}' needs {move.n_parents} parents: use 'genetic'.")
        free = bool(space.free_elements)
        usable = [
            move
            for move in moves
            if (move.keeps_cell or space.cell is None)
            and (move.keeps_counts or free)
            and (move.keeps_units or not self.settings.units)
        ]
        if not usable:
            raise RequestError(
                "no move is left that this search can make: name others with --moves."
            )
        return usable


class ConfiguredStrategy(Configured):
    """Base of strategies' options, checked fields of the class; ``build`` makes the strategy."""

    kind: ClassVar[str] = "method"

    def build(self, context: StrategyContext) -> Strategy:
        """A strategy with these options, before its first trial."""
        raise NotImplementedError


#: Makes the strategy of a search from what the search provides.
StrategyMaker = Callable[[StrategyContext], Strategy]

#: All strategies, by name.
STRATEGIES: Registry[Strategy] = Registry("gencsp.strategies", kind="method", contract=Strategy)


def move_texts(moves: Sequence[Move]) -> list[str]:
    """Moves with their options, for the manifest of a run."""
    return [move.text if isinstance(move, Configured) else move.name for move in moves]
