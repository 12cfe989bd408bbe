"""Draws the compositions on which results are reported, and nothing is tuned.

    python tools/draw_formulas.py DATA

DATA holds the evaluation sets. Settings are chosen on CSPBench's (``cspbench_dev``). Reported are
half of ShotgunCSP's (``shotguncsp_reported``; the other half, ``shotguncsp_spare``, is kept back)
and the sample of MP-20's test crystals (``mp20_reported``), in a drawn order, so that the first of
them are a fair sample as well. Left out are formulas of the sets that were looked at while settings
were chosen, single elements, and formulas that the held-out list does not have.

The draw was made once; its result, ``tools/reported_formulas.json``, is part of the project.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gencsp.composition import Composition
from gencsp.diffusion.training.data import stream_extxyz

SEED = 20261129
OUT = Path(__file__).with_name("reported_formulas.json")
#: Sets that settings were chosen on, or that were looked at while they were.
SEEN = ("cspbench/cspbench_dev.extxyz.gz", "diffcsp15/diffcsp15.extxyz.gz")
SHOTGUN = "shotguncsp/shotguncsp_dev.extxyz.gz"
MP20 = "crystals/mp20_test_sample.extxyz.gz"
HELD_OUT = "crystals/holdout_formulas.txt"


def cells(file: Path) -> list[Composition]:
    """Composition of each cell of a file, one for each formula: of several cells the smallest."""
    smallest: dict[Composition, Composition] = {}
    for atoms in stream_extxyz(file):
        cell = Composition.parse(atoms.get_chemical_formula("hill"))
        known = smallest.get(cell.reduced)
        if known is None or cell.size < known.size:
            smallest[cell.reduced] = cell
    return list(smallest.values())


def draw(
    shotgun: Iterable[Composition],
    mp20: Iterable[Composition],
    *,
    seen: frozenset[Composition],
    held_out: frozenset[Composition],
    seed: int = SEED,
) -> dict[str, list[str]]:
    """The parts, as formulas of whole cells in a drawn order.

    Args:
        shotgun: cells of ShotgunCSP's set.
        mp20: cells of the sample of MP-20.
        seen: reduced formulas that no part may hold.
        held_out: reduced formulas that no training has seen; no part holds others.
        seed: of the draw, which does not depend on the order of the cells.
    """
    rng = np.random.default_rng(seed)

    def drawn(given: Iterable[Composition], without: frozenset[Composition]) -> list[Composition]:
        fit = sorted(
            (one for one in given if _fits(one, without, held_out)), key=lambda one: one.formula
        )
        return [fit[k] for k in rng.permutation(len(fit))]

    first = drawn(shotgun, seen)
    half = len(first) // 2
    second = drawn(mp20, seen | {one.reduced.alphabetical for one in first})
    parts = {
        "shotguncsp_reported": first[:half],
        "shotguncsp_spare": first[half:],
        "mp20_reported": second,
    }
    return {name: [one.formula for one in cells] for name, cells in parts.items()}


def _fits(
    cell: Composition, without: frozenset[Composition], held_out: frozenset[Composition]
) -> bool:
    reduced = cell.reduced.alphabetical
    return len(cell.elements) > 1 and reduced not in without and reduced in held_out


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the evaluation sets")
    args = parser.parse_args()
    if OUT.exists():
        sys.exit(f"{OUT.name} is drawn already, and the draw is made once.")
    lines = (args.data / HELD_OUT).read_text("utf-8").split()
    parts = draw(
        cells(args.data / SHOTGUN),
        cells(args.data / MP20),
        seen=frozenset(c.reduced.alphabetical for file in SEEN for c in cells(args.data / file)),
        held_out=frozenset(Composition.parse(line).reduced.alphabetical for line in lines),
    )
    content = {
        "what": "formulas of whole cells on which results are reported and nothing is tuned",
        "seed": SEED,
        "from": {"shotguncsp": Path(SHOTGUN).name, "mp20": Path(MP20).name},
        "without": [Path(file).name for file in SEEN],
        "parts": parts,
    }
    text = json.dumps(content, indent=1)
    OUT.write_text(f"{text}\n", "utf-8")
    sys.stdout.writelines(f"{name}: {len(formulas)}\n" for name, formulas in parts.items())


if __name__ == "__main__":
    main()
