"""ase-ga: a database of unrelaxed candidates, and a short program that runs the search."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import ase.db
from ase import Atoms

from gencsp.errors import StructureFileError
from gencsp.exporters.base import Batch, Rules, SeedExporter
from gencsp.exporters.origin import SeedMap
from gencsp.exporters.programs import CALCULATOR, program
from gencsp.exporters.results import Found, attempt
from gencsp.io.pools import Failure

DATABASE = "gadb.db"


def _write(batch: Batch, folder: Path) -> list[str]:
    with ase.db.connect(folder / DATABASE, type="db") as db:
        # The rows that ase_ga.data.PrepareDB would write: first the cell without atoms.
        numbers = [int(z) for z in batch.seeds[0].atoms.numbers]
        data = {"stoichiometry": numbers, "population_size": len(batch.seeds)}
        db.write(Atoms(pbc=True), data=data, simulation_cell=True)
        for row, seed in enumerate(batch.seeds, start=2):
            db.write(
                seed.atoms,
                origin="StartingCandidateUnrelaxed",
                relaxed=0,
                generation=0,
                extinct=0,
                gaid=row,
                source=seed.name,
            )
    (folder / "calculator.py").write_text(CALCULATOR)
    (folder / "run_ga.py").write_text(program("run_ga.py", pressure=batch.pressure))
    return [DATABASE] * len(batch.seeds)


def _find(folder: Path, seeds: SeedMap) -> Iterator[Found | Failure]:
    path = folder / DATABASE
    if not path.exists():
        raise StructureFileError(f"there is no {DATABASE} in {folder}.")
    try:
        rows = list(ase.db.connect(path, type="db").select(relaxed=1, sort="id"))
    except sqlite3.Error as error:
        raise StructureFileError(f"{path} is not a database of ase-ga ({error}).") from error
    for row in rows:
        yield from attempt(path, partial(_found, row, seeds))


def _found(row: Any, seeds: SeedMap) -> Found:
    pairs = row.key_value_pairs
    # Offspring that ase-ga copies from a parent keep its source: only starting ones are seeds.
    starting = str(pairs.get("origin", "")).startswith("StartingCandidate")
    source = str(pairs.get("source", ""))
    energy = row.get("energy")
    if energy is None and "raw_score" in pairs:
        energy = -float(pairs["raw_score"])
    return Found(
        atoms=row.toatoms(),
        name=str(row.id),
        energy=energy,
        seed=source if starting and seeds.find(source) else None,
        origin=str(pairs.get("origin", "")),
    )


class AseGa(SeedExporter):
    """Seeds for ase-ga; see :class:`~gencsp.exporters.base.Exporter`."""

    name = "ase-ga"
    rules = Rules(same_size=True, min_atoms=2)
    start = (
        "run 'python run_ga.py' in the folder, with ase-ga installed; calculator.py holds the "
        "calculator."
    )

    def write_files(self, batch: Batch, folder: Path) -> list[str]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _write(batch, folder)

    def find_results(self, folder: Path, seeds: SeedMap) -> Iterator[Found | Failure]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _find(folder, seeds)
