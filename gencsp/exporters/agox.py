"""AGOX: seeds as extxyz and a short program that runs the search; results in its own database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from gencsp.errors import StructureFileError
from gencsp.exporters.base import Batch, Rules, SeedExporter
from gencsp.exporters.origin import SeedMap
from gencsp.exporters.programs import CALCULATOR, program
from gencsp.exporters.results import Found, attempt
from gencsp.io.pools import Failure
from gencsp.io.structures import write_extxyz

#: The key under which a candidate carries the name of its seed.
SEED_KEY = "gencsp_seed"

_ROWS = "SELECT id, positions, energy, type, cell FROM structures ORDER BY id"
_TEXTS = "SELECT id, value FROM text_key_values WHERE key = ?"
#: Intermediate steps of relaxations, where AGOX keeps them.
_STEPS = "SELECT id FROM int_key_values WHERE key = 'final' AND value = 0"


def _write(batch: Batch, folder: Path) -> list[str]:
    seeds = [seed.atoms.copy() for seed in batch.seeds]
    for atoms, seed in zip(seeds, batch.seeds, strict=True):
        atoms.info[SEED_KEY] = seed.name
    write_extxyz(folder / "seeds.extxyz", seeds)
    (folder / "calculator.py").write_text(CALCULATOR)
    (folder / "run_agox.py").write_text(program("run_agox.py"))
    return ["seeds.extxyz"] * len(seeds)


def _find(folder: Path, seeds: SeedMap) -> Iterator[Found | Failure]:
    databases = sorted(folder.glob("*.db"))
    if not databases:
        raise StructureFileError(f"there is no database of AGOX in {folder}.")
    for path in databases:
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
                rows = db.execute(_ROWS).fetchall()
                sources = dict(db.execute(_TEXTS, (SEED_KEY,)).fetchall())
                steps = {number for (number,) in db.execute(_STEPS)}
                makers = dict(db.execute(_TEXTS, ("generator",)).fetchall())
        except sqlite3.Error as error:
            raise StructureFileError(f"{path} is not a database of AGOX ({error}).") from error
        for row in rows:
            if row[0] in steps:
                continue
            yield from attempt(path, partial(_found, row, path.stem, sources, makers, seeds))


def _found(
    row: tuple[Any, ...],
    database: str,
    sources: dict[int, str],
    makers: dict[int, str],
    seeds: SeedMap,
) -> Found:
    """AGOX keeps arrays as bytes of doubles, atomic numbers included."""
    number, positions, energy, numbers, cell = row
    atoms = Atoms(
        numbers=np.frombuffer(numbers).astype(int),
        positions=np.frombuffer(positions).reshape(-1, 3),
        cell=np.frombuffer(cell).reshape(3, 3),
        pbc=True,
    )
    source = sources.get(number)
    return Found(
        atoms=atoms,
        name=f"{database}-{number}",
        energy=None if energy is None else float(energy),
        seed=source if source and seeds.find(source) else None,
        origin=makers.get(number, ""),
    )


class Agox(SeedExporter):
    """Seeds for AGOX; see :class:`~gencsp.exporters.base.Exporter`."""

    name = "agox"
    rules = Rules(same_size=True)
    takes_pressure = False
    start = (
        "run 'python run_agox.py' in the folder, with AGOX installed; calculator.py holds the "
        "calculator."
    )

    def write_files(self, batch: Batch, folder: Path) -> list[str]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _write(batch, folder)

    def find_results(self, folder: Path, seeds: SeedMap) -> Iterator[Found | Failure]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _find(folder, seeds)
