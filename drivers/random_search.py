"""Random search from a deck, to copy and change: python random_search.py random_search.toml"""

from __future__ import annotations

import sys

from gencsp.errors import GencspError
from gencsp.io.structures import write_extxyz
from gencsp.runs.decks import SearchDeck
from gencsp.runs.search import open_search
from gencsp.runs.settings import folder
from gencsp.searches.random_search import RandomSearch
from gencsp.searches.strategy import StrategyContext


def main(path: str) -> None:
    deck = SearchDeck.read(path)

    def strategy(search: StrategyContext) -> RandomSearch:
        return RandomSearch(schedule=search.schedule, shakes=1)  # shake each good structure once

    with open_search(deck, strategy=strategy) as search:
        for step in search.irun():
            if step.result is not None and step.result.record:
                print(f"trial {step.done}: {step.best:.4f} eV/atom by {step.result.move}")
        found = search.ranking()
    print(f"{search.stopped}: {write_extxyz(folder(deck) / 'ranked.extxyz', found)}")


# Workers import this file again: without the guard each would start a run of its own.
if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "random_search.toml")
    except GencspError as error:
        sys.exit(f"random_search: {error}")
