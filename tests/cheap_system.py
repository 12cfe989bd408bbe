"""A cycle on a system whose parts cost nothing; see :mod:`cheap_parts`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from cheap_parts import CheapRelaxerMaker, note

from gencsp.composition import Composition
from gencsp.convex_hull.end_members import EndMembers
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.table import HullEntry
from gencsp.proposers.base import Request
from gencsp.runs.decks import CycleDeck
from gencsp.runs.system_cycle import system_settings
from gencsp.searches.cycle import Cycle
from gencsp.searches.settings import CycleSettings
from gencsp.searches.system_cycle import SystemCycle
from gencsp.store import Store
from gencsp.store.part import StorePart

DECK = CycleDeck.make(formula="Li-Si", guests=("Li",), atoms=5, n=14, compositions=4, seed=5)


class ChainProposer:
    """Si in a chain, a little shaken, and Li anywhere; one in ten is rejected."""

    name = "chain"

    def __init__(self) -> None:
        self.failures = 0

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        made = 0
        symbols = request.composition.symbols(request.units[0])
        n = symbols.count("Si")
        while made < request.n:
            if request.host is None:
                atoms = Atoms(["Si"] * n, positions=[(3.0 * k, 0, 0) for k in range(n)], pbc=True)
                atoms.set_cell([3.0 * n, rng.uniform(3, 4), rng.uniform(3, 4)])
                atoms.positions += rng.normal(scale=0.01, size=(n, 3))
            else:
                atoms = request.host.copy()
            guests = symbols.count("Li")
            atoms += Atoms(["Li"] * guests, positions=rng.uniform(0, 4, (guests, 3)))
            if rng.random() < 0.1:
                self.failures += 1
                continue
            made += 1
            yield atoms


@dataclass(frozen=True)
class ChainProposerMaker:
    log: Path | None = None

    def __call__(self) -> ChainProposer:
        note(self.log, "made proposer")
        return ChainProposer()


def elements_hull() -> Hull:
    """Two elements, at energies that some structures lie below."""
    entries = [
        HullEntry(composition=Composition.parse(s), energy_per_atom=e, model="cheap", entry_id=s)
        for s, e in (("Li", -1.0), ("Si", -0.5))
    ]
    return Hull(entries, model="cheap")


def one_cycle(
    settings: CycleSettings, store: Store, executor: Executor, log: Path | None = None
) -> Cycle:
    return Cycle(
        settings,
        proposer=ChainProposerMaker(log),
        inpainter=ChainProposerMaker(log),
        relaxer=CheapRelaxerMaker(log),
        hull=elements_hull(),
        store=store,
        executor=executor,
    )


def cheap_system_cycle(
    store: Store, executor: Executor, log: Path | None = None, *, deck: CycleDeck = DECK
) -> SystemCycle:
    cycles = [
        one_cycle(one, StorePart(store, first=one.first, n=one.n), executor, log)
        for one in system_settings(deck)
    ]
    members = EndMembers.parse(deck.formula)
    return SystemCycle(cycles, members=members, possible=9, hull=elements_hull(), store=store)
