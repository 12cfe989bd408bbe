"""A strategy: always from the lowest crystal so far."""

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.searches.moves import Move
from gencsp.searches.strategy import ConfiguredStrategy, StrategyContext, move_texts
from gencsp.searches.trial import MoveStats, Trial, TrialResult


class Greedy(ConfiguredStrategy):
    """Options of the strategy; ``build`` makes it when a search begins."""

    name = "greedy"

    fresh: int = Field(default=3, ge=2, description="Every so many trials one without parents.")

    def build(self, context: StrategyContext) -> "GreedySearch":
        return GreedySearch(self, context)


class GreedySearch:
    """Moves the lowest crystal so far; every third trial is a new structure."""

    name = "greedy"

    def __init__(self, options: Greedy, context: StrategyContext) -> None:
        moves = context.usable_moves(["twist", "rattle"], most_parents=1)
        self.moves: Mapping[str, Move] = {move.name: move for move in moves}
        self.options = options
        self.schedule = context.schedule
        self.lowest: tuple[float, Atoms] | None = None

    def settings(self) -> Mapping[str, int | list[str]]:
        return {"fresh": self.options.fresh, "moves": move_texts(list(self.moves.values()))}

    def ask(self, number: int, *, rng: np.random.Generator) -> Trial:
        if self.lowest is not None and number % self.options.fresh:
            parents = (self.lowest[1],)
            able = [name for name, move in self.moves.items() if move.applies(parents)]
            if able:
                return Trial(move=str(rng.choice(able)), parents=parents)
        return Trial(move=self.schedule.next())

    def tell(self, result: TrialResult, *, rng: np.random.Generator) -> None:
        if result.atoms is not None and (self.lowest is None or result.fitness < self.lowest[0]):
            self.lowest = (result.fitness, result.atoms)

    def move_stats(self) -> list[MoveStats]:
        return []
