"""A search that trains its own model: the same on any workers, and where it was stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit_salts import Instant, instant

from gencsp.runs.decks import SearchDeck
from gencsp.runs.search import open_search

#: Training begins as soon as there are enough examples.
SETTINGS: dict[str, Any] = {
    "formula": "NaNH2",
    "units": "NH2",
    "formula_units": 2,
    "space_groups": (2, 4, 7, 19),
    "method": "units:first=24,every=8,random=0.2,epochs=4",
    "budget": 31,
    "hull": "none",
    "ahead": 4,
    "same": "close",
    "seed": 3,
}


def alone(**changes: Any) -> SearchDeck:
    """A run in this process: no other one can have a function without a name."""
    return SearchDeck.make(**SETTINGS, potential=lambda: Instant(), workers=1, **changes)


def story(search: Any) -> list[tuple[object, ...]]:
    """Every trial and its structure, with every number in full."""
    return [
        (
            one.number,
            one.move,
            repr(one.fitness),
            one.failure,
            None if one.atoms is None else one.atoms.info["parents"],
            None if one.atoms is None else one.atoms.positions.tolist(),
            None if one.atoms is None else one.atoms.cell.array.tolist(),
        )
        for one in search.results
    ]


@pytest.fixture(scope="module")
def reference() -> list[tuple[object, ...]]:
    """An uninterrupted run in this process."""
    with open_search(alone(), in_memory=True) as search:
        search.run()
        assert getattr(search.strategy, "trainings", 0) == 1
    trials = story(search)
    assert len(trials) == 31
    assert sum(move == "guided" for _, move, *_ in trials) > 2
    return trials


def test_two_workers_that_go_on_where_it_was_stopped_find_the_same(
    reference: list[tuple[object, ...]], tmp_path: Path
) -> None:
    """One session in this process ends before the training, the next trains and goes on."""
    with open_search(alone(out=tmp_path / "run")) as search:
        for step in search.irun():
            if step.done == 12:
                break
    deck = SearchDeck.make(**SETTINGS, potential=instant, workers=2, out=tmp_path / "run")
    with open_search(deck) as search:
        search.run()
        assert getattr(search.strategy, "trainings", 0) == 1
    assert story(search) == reference
