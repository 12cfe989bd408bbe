"""The program ``gencsp`` with searches that cost nothing; the first waits in the middle."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from cheap_search import SETTINGS, cheap_search, manifest

from gencsp.executors import ThisProcess
from gencsp.runs.decks import SearchDeck
from gencsp.runs.settings import folder as folder_of
from gencsp.runs.settings import stop_rules
from gencsp.searches.loop import Search
from gencsp.searches.progress import SearchProgress
from gencsp.store import DiskStore

#: Made when a search has begun and waits for a signal.
HERE = Path("here")


@contextmanager
def opened(deck: SearchDeck, **_: object) -> Iterator[Search]:
    """A cheap search with the seed, folder and rules of a deck."""
    marks = manifest("random", replace(SETTINGS, seed=deck.seed))
    with DiskStore(folder_of(deck), marks) as store:
        rules = stop_rules(deck)
        yield cheap_search("random", store, ThisProcess(), stop=rules, seed=deck.seed)


@contextmanager
def opened_to_wait(deck: SearchDeck, **_: object) -> Iterator[Search]:
    """The same, which waits at its fifth trial if no search has waited before."""
    with opened(deck) as run:
        steps = run.irun

        def irun() -> Iterator[SearchProgress]:
            for number, step in enumerate(steps()):
                if number == 4 and not HERE.exists():
                    HERE.touch()
                    time.sleep(900)
                yield step

        run.irun = irun  # type: ignore[method-assign]
        yield run


def no_workers(*_: object, **__: object) -> nullcontext[None]:
    """In place of workers that begin to load before the search needs them."""
    return nullcontext()


if __name__ == "__main__":
    import gencsp.cli.search
    import gencsp.runs.search
    from gencsp.__main__ import main

    gencsp.runs.search.open_search = opened_to_wait
    setattr(gencsp.cli.search, "early_executor", no_workers)  # noqa: B010
    main()
