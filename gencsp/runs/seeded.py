"""The search of one composition, seeded with structures that were generated for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

from ase import Atoms

from gencsp.composition import Composition
from gencsp.convex_hull.under_pressure import ReferenceReport
from gencsp.deck import Same
from gencsp.files import storage_errors
from gencsp.io.structures import write_extxyz
from gencsp.runs.candidates import StageProgress
from gencsp.runs.decks import SearchDeck
from gencsp.runs.discover_decks import CandidateDeck
from gencsp.runs.objects import Carried, Named, Structures
from gencsp.runs.search import open_search
from gencsp.searches.loop import Search
from gencsp.store.base import portable

#: What the pool of seeds is called in the search: the name of its file.
SEEDS = "generated"


def sizes_of(structures: Sequence[Atoms]) -> tuple[int, ...]:
    """Numbers of formula units in the cells of structures of one composition."""
    return tuple(sorted({len(one) // Composition.of(one).reduced.size for one in structures}))


@contextmanager
def open_seeded_search(
    deck: CandidateDeck,
    composition: Composition,
    units: tuple[int, ...],
    seeds: Sequence[Atoms],
    *,
    out: Path | None,
    in_memory: bool = False,
    same: Same = "close",
    on_reference: ReferenceReport | None = None,
    executor: Executor | None = None,
) -> Iterator[Search]:
    """Open a search of a composition in cells as they were generated (PIGEN, Methods).

    The seeds are a file in the folder of the search, so that ``gencsp resume`` goes on with it.

    Args:
        deck: how to search.
        composition: reduced.
        units: formula units in a cell.
        seeds: structures that come before the other seeds; may be empty.
        out: the folder of the search.
        in_memory: write nothing.
        same: what counts as the same crystal in its ranking.
        on_reference: see :func:`gencsp.runs.search.open_search`.
        executor: see :func:`gencsp.runs.search.open_search`.

    Raises:
        GencspError: as :func:`gencsp.runs.search.open_search`.
    """
    pools: tuple[Named | Carried, ...] = ()
    if seeds and (in_memory or out is None):
        pools = (Carried.of(Structures(tuple(map(portable, seeds)), name=SEEDS)),)
    elif seeds and out is not None:
        with storage_errors(out):
            out.mkdir(parents=True, exist_ok=True)
        pools = (str(write_extxyz(out / f"{SEEDS}.extxyz", seeds)),)
    search = SearchDeck.make(
        formula=composition.reduced.formula,
        formula_units=units,
        atoms=max(units) * composition.reduced.size,
        seeds=(*pools, *deck.seeds),
        method=deck.method,
        budget=deck.budget,
        patience=deck.patience,
        background=deck.background,
        moves=deck.moves,
        ahead=deck.ahead,
        seed=deck.seed,
        workers=deck.workers,
        fmax=deck.fmax,
        steps=deck.steps,
        engine=deck.engine,
        potential=deck.potential,
        hull=deck.hull,
        same=same,
        out=out,
    )
    with open_search(
        search, in_memory=in_memory, on_reference=on_reference, executor=executor
    ) as run:
        yield run


def watched(run: Search, label: str) -> Iterator[StageProgress]:
    """Run a search to its end; yields where it stands."""
    for step in run.irun():
        note = f"{label}: best {step.best_shown}" if step.best_shown else label
        yield StageProgress(stage="search", done=step.done, total=step.total, note=note)
