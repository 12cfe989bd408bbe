"""A search whose parts cost nothing; see :mod:`cheap_parts`."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

from ase import Atoms
from cheap_parts import CheapHull, CheapProposerMaker, CheapRelaxerMaker

from gencsp.composition import Composition
from gencsp.searches.basin_hopping import BasinHopping
from gencsp.searches.genetic import Genetic
from gencsp.searches.ledger import Ledger
from gencsp.searches.loop import Search
from gencsp.searches.moves import Tools, get_move
from gencsp.searches.random_search import RandomSearch
from gencsp.searches.runner import TaskRunner
from gencsp.searches.settings import SearchSettings, search_manifest
from gencsp.searches.space import Space
from gencsp.searches.starts import ProposerStarts, SeedSchedule, StartSource
from gencsp.searches.stop import StopRules
from gencsp.searches.trial import Strategy
from gencsp.searches.worker import TrialContext
from gencsp.store import Store
from gencsp.store.base import Manifest

SETTINGS = SearchSettings(
    space=Space.fixed(Composition.parse("LiSi2"), units=(1,)), seed=5, ahead=4, block=3
)
BUDGET = 24
MOVES = ("rattle", "strain", "swap", "void", "slabs")
OPERATORS = ("heredity", "cut-and-splice", "strain", "swap")


def strategy(method: str, settings: SearchSettings, ledger: Ledger, *, seeded: bool) -> Strategy:
    schedule = SeedSchedule(share=settings.seed_share, seeded=seeded)
    if method == "random":
        return RandomSearch(schedule=schedule, shakes=1)
    if method == "hop":
        moves = [get_move(name) for name in MOVES]
        return BasinHopping(moves=moves, schedule=schedule, walkers=settings.ahead)
    operators = [get_move(name) for name in OPERATORS]
    return Genetic(moves=operators, schedule=schedule, fitness=ledger.fitness, size=6, alike=alike)


def alike(one: Atoms, other: Atoms) -> bool:
    """Niches of a world in which crystals differ by where one guest is."""
    return bool(abs(one.info["energy_per_atom"] - other.info["energy_per_atom"]) < 0.05)


def parts(
    method: str, log: Path | None = None, settings: SearchSettings = SETTINGS
) -> tuple[Ledger, Strategy, tuple[StartSource, ...], ProposerStarts]:
    ledger = Ledger(hull=CheapHull())
    seeds = (ProposerStarts(name="cheap", make=CheapProposerMaker(log), weight=1.0),)
    background = ProposerStarts(name="other", make=CheapProposerMaker(log))
    return ledger, strategy(method, settings, ledger, seeded=True), seeds, background


def manifest(method: str, settings: SearchSettings = SETTINGS) -> Manifest:
    _, plan, seeds, background = parts(method, settings=settings)
    return search_manifest(settings, plan, seeds, background)


def cheap_search(
    method: str,
    store: Store,
    executor: Executor,
    log: Path | None = None,
    *,
    budget: int = BUDGET,
    stop: StopRules | None = None,
    seeds: tuple[StartSource, ...] | None = None,
    **changes: Any,
) -> Search:
    settings = replace(SETTINGS, **changes)
    ledger, plan, own, background = parts(method, log, settings)
    sources = own if seeds is None else seeds
    if seeds is not None:
        plan = strategy(method, settings, ledger, seeded=bool(seeds))
    return Search(
        settings,
        strategy=plan,
        seeds=sources,
        background=background,
        context=TrialContext(
            seed=settings.seed,
            space=settings.space,
            relaxer=CheapRelaxerMaker(log),
            relax=settings.relax,
            tools=Tools(),
        ),
        ledger=ledger,
        runner=TaskRunner(store, executor, prepare=ledger.price),
        stop=StopRules(budget=budget) if stop is None else stop,
    )


def story(search: Search) -> list[tuple[object, ...]]:
    """Every trial of a finished search, with every number in full."""
    return [
        (
            r.number,
            r.move,
            repr(r.fitness),
            r.seen_as,
            r.record,
            r.failure,
            None if r.atoms is None else r.atoms.info.get("parents"),
            None if r.atoms is None else r.atoms.positions.tolist(),
            None if r.atoms is None else r.atoms.cell.array.tolist(),
        )
        for r in search.results
    ]
