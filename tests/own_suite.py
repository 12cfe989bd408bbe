"""A suite of two small metals that EMT relaxes in no time, and proposers for it in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk

from gencsp.suites.outcome import Outcome
from gencsp.suites.run import bench

METALS = [bulk("Cu", "fcc", a=3.6), bulk("AuCu", "cesiumchloride", a=3.1)]
SUITE = """
title = "two metals"
task = "proposals"
source = "these tests"
about = "nothing."
[truths]
file = "two_metals.extxyz"
crystals = 2
where = "these tests"
[settings]
n = 3
k = [1, 3]
steps = 30
[quick]
n = 1
"""
#: Proposers, each under its name; the known crystal is found by its formula.
CODE = """
import time
import numpy as np
from ase import Atoms
from ase.build import bulk

KNOWN = {"Cu": bulk("Cu", "fcc", a=3.6), "AuCu": bulk("AuCu", "cesiumchloride", a=3.1)}

def right(request, *, rng):
    for number in range(request.n):
        atoms = KNOWN["AuCu" if request.composition.size == 2 else "Cu"].copy()
        atoms.positions += rng.normal(scale=0.02, size=atoms.positions.shape)
        yield atoms

def shaken(request, *, rng):
    for atoms in right(request, rng=rng):
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.uniform(-0.2, 0.2, (3, 3))), True)
        yield atoms

def raises(request, *, rng):
    yield next(right(request, rng=rng))
    raise KeyError("no such layer")

class OfOthers:
    name = "of-others"
    failures = 0
    def propose(self, request, *, rng):
        made = list(right(request, rng=rng))
        yield made[0]
        yield bulk("Ni")
        yield made[0].repeat((2, 1, 1))

class Hangs:
    name = "hangs"
    failures = 0
    def propose(self, request, *, rng):
        yield from list(right(request, rng=rng))[:1]
        time.sleep(60)
"""


def write_suite(folder: Path, text: str = SUITE) -> Path:
    """The suite, its known crystals and the proposers, in a folder; returns the suite."""
    ase.io.write(folder / "two_metals.extxyz", METALS)
    (folder / "models.py").write_text(CODE)
    (folder / "metals.toml").write_text(text)
    return folder / "metals.toml"


def run_suite(suite: Path, proposer: str = "right", *, own: str = "", **settings: Any) -> Outcome:
    """Run it in this process; ``own`` stands behind the name of the suite."""
    return bench(
        suite=f"{suite}{own}",
        truth=suite.parent / "two_metals.extxyz",
        **{
            "proposer": f"{suite.parent / 'models.py'}:{proposer}",
            "potential": "ase.calculators.emt:EMT",
            "workers": 1,
            **settings,
        },
    )


def rows_of(outcome: Outcome) -> list[tuple[str, int, dict[str, float | None]]]:
    """Its rows, without what differs from run to run."""
    return [
        (row.key, row.seed, {n: v for n, v in row.values.items() if "seconds" not in n})
        for row in outcome.rows
    ]


def wrong(symbols: str) -> Atoms:
    """A crystal of these atoms that is none of the known ones: a chain in a long cell."""
    atoms = Atoms(symbols, cell=[2.3, 2.7, 9.0], pbc=True)
    atoms.set_scaled_positions(np.linspace(0, 0.4, len(atoms))[:, None] * [0, 0, 1])
    return atoms
