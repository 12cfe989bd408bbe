"""Pools of copper-gold alloys, and parts with which a run over them costs nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from gencsp.composition import Composition
from gencsp.convex_hull.entries import HullEntry, write_entries
from gencsp.io.structures import write_extxyz
from gencsp.minimise.result import Outcome, PathCallback, Relaxed, StepCallback
from gencsp.minimise.settings import RelaxSettings
from gencsp.potentials.base import Evaluation
from gencsp.proposers.base import Request

#: Å³/atom.
VOLUME = 14.0
#: Relaxations of cells with more than this do not converge.
LOOSE = 20.0


def energy(atoms: Atoms) -> float:
    """eV of a cell, least at VOLUME and with every atom on its place of an fcc lattice."""
    share = atoms.get_chemical_symbols().count("Au") / len(atoms)
    strained = (atoms.cell.volume / len(atoms) - VOLUME) ** 2 / 100
    places = atoms.get_scaled_positions() * 2
    off = np.abs(places - places.round()).mean()
    return float(len(atoms) * (strained + off - 0.3 * share * (1 - share)))


class CheapEngine:
    """A potential that takes every structure for relaxed."""

    name = "cheap"
    model = "cheap"
    digest = "0123456789ab"

    def evaluate(
        self,
        structures: Sequence[Atoms],
        *,
        magmoms: bool = False,  # noqa: ARG002
        workers: int = 1,  # noqa: ARG002
    ) -> list[Evaluation]:
        return [
            Evaluation(energy=energy(one), forces=np.zeros((len(one), 3)), stress=np.zeros(6))
            for one in structures
        ]

    def relax(
        self,
        structures: Iterable[Atoms],
        settings: RelaxSettings,
        *,
        workers: int = 1,  # noqa: ARG002
        on_step: StepCallback | None = None,  # noqa: ARG002
        on_path: PathCallback | None = None,  # noqa: ARG002
    ) -> Iterator[Relaxed]:
        for index, given in enumerate(structures):
            atoms = given.copy()
            total = energy(atoms)
            atoms.calc = SinglePointCalculator(
                atoms, energy=total, forces=np.zeros((len(atoms), 3))
            )
            loose = atoms.cell.volume / len(atoms) > LOOSE
            yield Relaxed(
                index=index,
                atoms=atoms,
                energy=total,
                enthalpy=total,
                fmax=settings.fmax / 2,
                stress=np.zeros(6),
                steps=1,
                outcome=Outcome.STEP_LIMIT if loose else Outcome.CONVERGED,
                energy_model=self.model,
            )


class HereEngine(CheapEngine):
    """The same, which cannot be pickled, so that all tasks run in the process of the test."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def alloys(n: int = 20) -> list[Atoms]:
    """Shaken fcc cells of four atoms, gold in none to three of them; every fifth is too dense."""
    rng = np.random.default_rng(3)
    made = []
    for k in range(n):
        atoms = bulk("Cu", a=2.4 if k % 5 == 4 else rng.uniform(3.75, 3.95), cubic=True)
        atoms.symbols[: k % 4] = "Au"
        atoms.positions += rng.normal(scale=0.1, size=(4, 3))
        made.append(atoms)
    return made


def any_alloy(request: Request, *, rng: np.random.Generator) -> Atoms:
    """The background of a search of any composition: shaken cells of any volume nearby."""
    symbols = request.composition.symbols(request.units[0])
    atoms = bulk("Cu", a=rng.uniform(3.7, 4.1), cubic=True)[: len(symbols)]
    atoms.set_chemical_symbols(list(rng.permutation(symbols)))
    atoms.positions += rng.normal(scale=0.1, size=(len(atoms), 3))
    return atoms


def entries(folder: Path) -> Path:
    """Hull entries of the two metals, at 0 eV/atom."""
    made = [
        HullEntry(composition=Composition.parse(s), energy_per_atom=0.0, model="cheap")
        for s in ("Cu", "Au")
    ]
    return write_entries(folder / "cheap.csv", made)


def settings(folder: Path, *, here: bool = True) -> dict[str, Any]:
    """Settings of a cheap run, but for its pool; in this process, or in workers."""
    return {
        "filters": ("distances:minimum=2.0", "uniqueness"),
        "potential": HereEngine() if here else CheapEngine(),
        "hull": entries(folder),
        "background": any_alloy,
        "seeds": (),
        "budget": 6,
        "ahead": 2,
        "workers": 1 if here else 2,
    }


def pool(folder: Path, n: int = 20) -> Path:
    """The alloys as a file."""
    return write_extxyz(folder / "alloys.extxyz", alloys(n))
