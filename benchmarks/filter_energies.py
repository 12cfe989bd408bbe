"""Relaxations for benchmarks of generators: each structure once, whatever interrupts the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from gencsp.composition import Composition
from gencsp.errors import HullReferenceError
from gencsp.filters.hull_energy import load_hull
from gencsp.runs.relaxing import relax

#: As the filter ``hull_energy`` has them: eV/Å, minimiser steps.
FMAX, STEPS = 0.05, 500


@dataclass(frozen=True, slots=True)
class Ended:
    """How a relaxation ended.

    Attributes:
        atoms: where.
        above: eV/atom above the hull; not a number where it did not converge or the hull lacks an
            element.
        outcome: the verdict of the relaxation.
    """

    atoms: Atoms
    above: float
    outcome: str


class Relaxations:
    """Relaxations with CHGNet, kept in a file of JSON lines.

    Args:
        path: of the file; what is in it is not computed again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, dict[str, Any]] = {}
        if path.exists():
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            self.known = {row["key"]: row for row in rows}

    def of(self, structures: Sequence[Atoms]) -> list[Ended]:
        """Relax them, one thread."""
        keys = [_key(atoms) for atoms in structures]
        missing = {key: k for k, key in enumerate(keys) if key not in self.known}
        bare = [
            Atoms(a.numbers, positions=a.positions, cell=a.cell, pbc=True)
            for a in (structures[k] for k in missing.values())
        ]
        order = list(missing)
        with self.path.open("a", encoding="utf-8") as file:
            for one in relax(bare, fmax=FMAX, steps=STEPS):
                row = {
                    "key": order[one.index],
                    "numbers": one.atoms.numbers.tolist(),
                    "cell": one.atoms.cell.array.tolist(),
                    "positions": one.atoms.positions.tolist(),
                    "energy": one.energy_per_atom,
                    "converged": one.converged,
                    "outcome": str(one.outcome),
                }
                self.known[row["key"]] = row
                file.write(json.dumps(row) + "\n")
                file.flush()
        return [_ended(self.known[key]) for key in keys]


def _ended(row: dict[str, Any]) -> Ended:
    atoms = Atoms(row["numbers"], positions=row["positions"], cell=row["cell"], pbc=True)
    if not row["converged"]:
        return Ended(atoms, float("nan"), row["outcome"])
    try:
        above = load_hull(None).decomposition_energy(Composition.of(atoms), row["energy"])
    except HullReferenceError as error:
        return Ended(atoms, float("nan"), str(error))
    return Ended(atoms, above, row["outcome"])


def _key(atoms: Atoms) -> str:
    parts = (atoms.numbers, np.round(atoms.cell.array, 6), np.round(atoms.positions, 6))
    return hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parts)).hexdigest()
