"""Genetic search from a deck, to copy and change: python genetic.py genetic.toml"""

from __future__ import annotations

import sys

from gencsp.errors import GencspError
from gencsp.io.structures import write_extxyz
from gencsp.runs.decks import SearchDeck
from gencsp.runs.search import open_search
from gencsp.runs.settings import folder
from gencsp.searches.genetic import Genetic
from gencsp.searches.moves import get_move
from gencsp.searches.strategy import StrategyContext


def main(path: str) -> None:
    deck = SearchDeck.read(path)

    def strategy(search: StrategyContext) -> Genetic:
        moves = [get_move(name) for name in ("heredity", "crossover", "strain", "permute")]
        return Genetic(
            moves=moves, schedule=search.schedule, fitness=search.ledger.fitness, size=16
        )

    with open_search(deck, strategy=strategy) as search:
        for step in search.irun():
            if step.result is not None and step.result.record:
                print(f"trial {step.done}: {step.best:.4f} eV/atom by {step.result.move}")
        found = search.ranking()
    print(f"{search.stopped}: {write_extxyz(folder(deck) / 'ranked.extxyz', found)}")


# Workers import this file again: without the guard each would start a run of its own.
if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "genetic.toml")
    except GencspError as error:
        sys.exit(f"genetic: {error}")
