"""How far a search is, read from its folder without disturbing it."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import ase.db

from gencsp.errors import StoreError
from gencsp.search_settings import saved_deck
from gencsp.store.disk import DATABASE, read_manifest, storage_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchStatus:
    """What stands in the folder of a search.

    Attributes:
        space: composition or chemical system.
        method: strategy.
        done: finished trials.
        budget: of the last session.
        best: lowest decomposition energy, eV/atom.
        best_id: of the structure that has it; empty where there is none.
        space_group: of that structure.
        failures: by reason.
    """

    space: str
    method: str
    done: int
    budget: int
    best: float
    best_id: str
    space_group: str
    failures: Mapping[str, int]


def search_status(folder: Path) -> SearchStatus:
    """Read the folder of a search, running or not.

    Raises:
        DeckError: there is no search in it.
        StoreError: its database cannot be read.
    """
    deck = saved_deck(folder)
    manifest = read_manifest(folder)
    if manifest is None:
        raise StoreError(f"{folder} holds no run.")
    path = folder / DATABASE
    with storage_errors(folder):
        with closing(sqlite3.connect(path, timeout=20)) as connection:
            tasks = connection.execute("SELECT task, failures FROM gencsp_tasks").fetchall()
        rows = ase.db.connect(path, type="db", use_lock_file=False).select(
            "decomposition_energy", outcome="converged", sort="decomposition_energy", limit=1
        )
        best = next(iter(rows), None)
    failures: Counter[str] = Counter()
    for _, counted in tasks:
        failures.update(json.loads(counted))
    return SearchStatus(
        space=str(manifest["space"]),
        method=str(manifest["method"]),
        done=sum(task.startswith("trial-") for task, _ in tasks),
        budget=deck.budget,
        best=float("nan") if best is None else float(best.decomposition_energy),
        best_id="" if best is None else str(best.structure_id),
        space_group="" if best is None else str(best.space_group),
        failures=failures,
    )
