"""Parts as a script has them: a calculator, a proposer object, and functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

import gencsp
from gencsp.composition import Composition
from gencsp.convex_hull.entries import HullEntry, write_entries
from gencsp.proposers.base import Request


def alloy(seed: int = 0) -> Atoms:
    atoms = bulk("Cu", a=3.8, cubic=True)
    atoms.symbols[:2] = "Au"
    atoms.rattle(0.08, seed=seed)
    return atoms


def shaken(request: Request, *, rng: np.random.Generator) -> Atoms:
    """One structure at each call; of the right composition whatever is asked for."""
    assert request.composition == Composition.parse("CuAu")
    return alloy(int(rng.integers(1000)))


def calculator() -> EMT:
    return EMT()


class Shaken:
    """A proposer: as :func:`shaken`, with a scale of its own."""

    name = "mine"

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self.failures = 0

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        for _ in range(request.n):
            atoms = alloy(int(rng.integers(1000)))
            atoms.set_cell(atoms.cell * self.scale, scale_atoms=True)
            yield atoms


def entries(folder: Path) -> Path:
    """Hull entries of the metals, made with EMT by the same call that a script makes."""
    relaxed = list(gencsp.relax([bulk("Cu"), bulk("Au")], potential=EMT(), fmax=0.01))
    found = [
        HullEntry(
            composition=Composition.of(one.atoms),
            energy_per_atom=one.energy / len(one.atoms),
            model=one.energy_model,
        )
        for one in relaxed
    ]
    return write_entries(folder / "emt.csv", found)
