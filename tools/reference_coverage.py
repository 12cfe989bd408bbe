"""How many stable compounds have a reference of the hull.

    python tools/reference_coverage.py MP_FORMATION_ENERGIES.csv.gz [--table FORMER.csv.gz]

The energies are a table of formulas and formation energies (``formula``, ``e_form_per_atom`` in
eV/atom, elements at zero). A formula is stable where its lowest energy lies on the hull of that
table, by pymatgen's phase diagram of its chemical system (:class:`gencsp.convex_hull.hull.Hull`).
Of the formulas in random order (``--seed``) the first ``--number`` stable ones are the sample.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.entries import DEFAULT_MODEL, HullEntry
from gencsp.convex_hull.hull import Hull
from gencsp.errors import CompositionError
from gencsp.measure.record import record
from gencsp.measure.statistics import WILSON, share

Key = Composition
#: Formula to the space groups of its converged references.
Phases = dict[Key, set[int]]

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "gencsp" / "data" / f"references_{DEFAULT_MODEL}.csv.gz"
RECORD = ROOT / "benchmarks" / "results" / "hull_coverage.json"
#: eV/atom: as far above the hull rounding may put a phase that is on it.
ON_HULL = 1e-6


def main() -> None:
    options = _parser().parse_args()
    names = draw_stable(options.energies, options.number, options.seed)
    sample = [Composition.parse(name) for name in names]
    phases = read_phases(options.table)
    results = {"formulas with a reference": len(phases), "stable": coverage(sample, phases)}
    record(
        options.out,
        measured="how many of the compounds that are stable in the Materials Project have a "
        "reference of the shipped hull",
        sample_size={"stable compounds": len(sample)},
        seed=options.seed,
        intervals=(WILSON,),
        protocol={
            "stable": "on the hull of the Materials Project's formation energies (MP2020-corrected "
            "PBE), lowest of each formula",
            "data": options.energies.name,
            "table": options.table.name,
        },
        results=results,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("energies", type=Path)
    parser.add_argument("--table", type=Path, default=TABLE, help="references, as they ship")
    parser.add_argument("--out", type=Path, default=RECORD)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def draw_stable(energies: Path, number: int, seed: int) -> list[str]:
    """Random formulas that are on the hull of a table of formation energies."""
    lowest = lowest_energies(energies)
    table = [HullEntry(composition=c, energy_per_atom=e, model="table") for c, e in lowest.values()]
    elements = [
        HullEntry(composition=Composition(((symbol, 1),)), energy_per_atom=0.0, model="table")
        for symbol in ELEMENTS
    ]
    hull = Hull([*table, *elements], model="table")
    compounds = sorted((c for c, _ in lowest.values() if len(c.elements) > 1), key=str)
    random.Random(seed).shuffle(compounds)
    found: list[str] = []
    for composition in compounds:
        energy = lowest[composition.reduced][1]
        if hull.decomposition_energy(composition, energy) <= ON_HULL:
            found.append(composition.formula)
        if len(found) == number:
            break
    return found


def lowest_energies(energies: Path) -> dict[Key, tuple[Composition, float]]:
    """The lowest formation energy of each reduced formula that gencsp can read."""
    lowest: dict[Key, tuple[Composition, float]] = {}
    for row in table_rows(energies):
        try:
            composition = Composition.parse(row["formula"]).reduced
        except CompositionError:  # an element that no reference has
            continue
        # The elements in one order, so that a formula has one name however the table writes it.
        composition = Composition(tuple(sorted(composition.counts)))
        energy = float(row["e_form_per_atom"])
        name = composition.reduced
        if name not in lowest or energy < lowest[name][1]:
            lowest[name] = (composition, energy)
    return lowest


def read_phases(path: Path) -> Phases:
    """Formulas and space groups of a table's converged references."""
    phases: Phases = {}
    for row in table_rows(path):
        if row["energy_per_atom"]:
            formula = Composition.parse(row["formula"]).reduced
            phases.setdefault(formula, set()).add(int(row["space_group"]))
    return phases


def coverage(sample: Iterable[Composition], phases: Phases) -> dict[str, Any]:
    """Of a sample the share that has a reference: all, and by number of elements."""
    counts: dict[str, list[int]] = {}
    for composition in sample:
        covered = composition.reduced in phases
        for group in ("all", f"{len(composition.elements)} elements"):
            have, of = counts.setdefault(group, [0, 0])
            counts[group] = [have + covered, of + 1]
    return {group: share(have, of) for group, (have, of) in sorted(counts.items())}


def table_rows(path: Path) -> Iterable[dict[str, str]]:
    """The rows of a table, packed or not; lines that begin with # are its header."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    return csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))


if __name__ == "__main__":
    main()
