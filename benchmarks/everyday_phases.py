"""Everyday compounds on the shipped hull: is their known phase there, and where does CHGNet put it?

    python benchmarks/everyday_phases.py everyday_compounds.csv

The file has the columns ``formula``, ``space_group`` (number, of the phase that is known at ambient
conditions) and ``name``. A reference is the known phase where its space group is, before or after
its relaxation with CHGNet: some known phases are no minimum of CHGNet, which then relaxes them to a
phase of another symmetry.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gencsp.composition import Composition
from gencsp.convex_hull.entries import DEFAULT_MODEL
from gencsp.convex_hull.hull import Hull
from gencsp.measure.record import record

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "gencsp" / "data" / f"references_{DEFAULT_MODEL}.csv.gz"
#: eV/atom: phases closer than this have one energy, as far as CHGNet can tell.
SAME = 5e-4


@dataclass(frozen=True, slots=True)
class Phase:
    """A reference: eV/atom, space group after and before its relaxation (0: not known)."""

    energy: float
    space_group: int
    start: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("compounds", type=Path)
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results" / "everyday_phases.json"
    )
    options = parser.parse_args()
    with options.compounds.open(encoding="utf-8", newline="") as file:
        compounds = list(csv.DictReader(file))
    phases = read_phases(options.table)
    hull = Hull.load(options.table)
    rows = [judge(row, phases, hull) for row in compounds]
    record(
        options.out,
        measured="whether the shipped hull has the known phase of everyday compounds, and its "
        "energy by CHGNet above the lowest reference of its formula and above the hull (eV/atom)",
        sample_size={"compounds": len(rows)},
        seed=None,
        intervals=(),
        protocol={
            "compounds": options.compounds.name,
            "table": options.table.name,
            "known phase": "a reference whose space group is the known one after its relaxation "
            "(spglib, 0.1 Å), or before it where none has it after",
            "in_sample": "CHGNet was trained on Materials Project data, which hold these crystals",
        },
        results={"counts": dict(Counter(row["state"] for row in rows)), "compounds": rows},
    )


def read_phases(path: Path) -> dict[Composition, list[Phase]]:
    """The references of each reduced formula, lowest first."""
    text = gzip.decompress(path.read_bytes()).decode("utf-8")
    found: dict[Composition, list[Phase]] = defaultdict(list)
    for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
        start = int(row["space_group_start"] or 0)
        phase = Phase(float(row["energy_per_atom"]), int(row["space_group"]), start)
        found[Composition.parse(row["formula"]).reduced].append(phase)
    return {formula: sorted(rows, key=lambda p: p.energy) for formula, rows in found.items()}


def judge(
    compound: dict[str, str], phases: dict[Composition, list[Phase]], hull: Hull
) -> dict[str, Any]:
    """What the hull knows of one compound.

    Its ``state``: "no reference", "known phase missing", "lowest" of its formula, or "another phase
    is lower" in CHGNet, with ``lower_space_group`` and ``above_lowest``; ``above_hull`` is E_d of
    the known phase.
    """
    formula, group = Composition.parse(compound["formula"]).reduced, int(compound["space_group"])
    said: dict[str, Any] = {
        "formula": compound["formula"],
        "name": compound["name"],
        "space_group": group,
    }
    there = phases.get(formula, [])
    known = [p for p in there if p.space_group == group] or [p for p in there if p.start == group]
    if not known:
        return said | {"state": "known phase missing" if there else "no reference"}
    lowest, energy = there[0], known[0].energy
    said |= {
        "relaxed_to": known[0].space_group,
        "above_hull": round(hull.decomposition_energy(formula, energy), 5),
    }
    if energy - lowest.energy <= SAME:
        return said | {"state": "lowest"}
    return said | {
        "state": "another phase is lower",
        "lower_space_group": lowest.space_group,
        "above_lowest": round(energy - lowest.energy, 5),
    }


if __name__ == "__main__":
    main()
