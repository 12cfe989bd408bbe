"""How many stable compounds have a reference of the hull.

    python tools/reference_coverage.py --energies formation.csv.gz --stable stable.txt \\
        --tables gencsp/data/references_chgnet-0.3.0.csv.gz tools/references_growing.csv.gz \\
        --out coverage.json

The energies are a table of formulas and formation energies (``formula``, ``e_form_per_atom`` in
eV/atom, elements at zero). A formula is stable where its lowest energy lies on the hull of that
table, by pymatgen's phase diagram of its chemical system (:class:`gencsp.convex_hull.hull.Hull`).
Of the formulas in random order (``--seed``) the first ``--number`` stable ones are the sample, kept
in ``--stable`` so that a growing table is always asked about the same ones. With ``--everyday``
also how many formulas of a CSV file (``formula``, ``space_group``) have a reference, and in how
many of them one has that space group. Writes JSON.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.entries import HullEntry
from gencsp.convex_hull.hull import Hull
from gencsp.errors import CompositionError

Key = Composition
#: Formula to the space groups of its converged references.
Phases = dict[Key, set[int]]

#: eV/atom: as far above the hull rounding may put a phase that is on it.
ON_HULL = 1e-6


def main() -> None:
    options = _parser().parse_args()
    if not options.stable.exists():
        names = draw_stable(options.energies, options.number, options.seed)
        options.stable.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    sample = [Composition.parse(name) for name in options.stable.read_text("utf-8").split()]
    tables: list[Phases] = [read_phases(path) for path in options.tables]
    facts: dict[str, Any] = {}
    phases: Phases = {}
    for path, table in zip(options.tables, tables, strict=True):
        for formula, groups in table.items():
            phases.setdefault(formula, set()).update(groups)
        facts[f"up to {path.name}"] = {"formulas": len(phases), "stable": coverage(sample, phases)}
        if options.everyday is not None:
            facts[f"up to {path.name}"]["everyday"] = everyday(options.everyday, phases)
    options.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--energies", type=Path, required=True)
    parser.add_argument("--stable", type=Path, required=True, help="the sample; made where missing")
    parser.add_argument("--tables", type=Path, nargs="+", required=True, help="counted one by one")
    parser.add_argument("--everyday", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="JSON")
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
    for row in _rows(energies):
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
    for row in _rows(path):
        if row["energy_per_atom"]:
            formula = Composition.parse(row["formula"]).reduced
            phases.setdefault(formula, set()).add(int(row["space_group"]))
    return phases


def coverage(sample: Iterable[Composition], phases: Phases) -> dict[str, Any]:
    """Of a sample those that have a reference: all, and by number of elements."""
    counts: dict[str, list[int]] = {}
    for composition in sample:
        covered = composition.reduced in phases
        for group in ("all", f"{len(composition.elements)} elements"):
            have, of = counts.setdefault(group, [0, 0])
            counts[group] = [have + covered, of + 1]
    return {group: f"{have} of {of}" for group, (have, of) in sorted(counts.items())}


def everyday(path: Path, phases: Phases) -> dict[str, Any]:
    """Of known compounds those without a reference, and without one of their space group."""
    rows = list(_rows(path))
    missing = [row["formula"] for row in rows if not _groups(row, phases)]
    other = [row["formula"] for row in rows if _groups(row, phases) and not _known(row, phases)]
    return {
        "compounds": len(rows),
        "with a reference": len(rows) - len(missing),
        "with their phase": len(rows) - len(missing) - len(other),
        "without a reference": missing,
        "without their phase": other,
    }


def _groups(row: dict[str, str], phases: Phases) -> set[int]:
    return phases.get(Composition.parse(row["formula"]).reduced, set())


def _known(row: dict[str, str], phases: Phases) -> bool:
    return int(row["space_group"]) in _groups(row, phases)


def _rows(path: Path) -> Iterable[dict[str, str]]:
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    return csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))


if __name__ == "__main__":
    main()
