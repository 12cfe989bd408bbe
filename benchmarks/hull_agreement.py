"""The shipped CHGNet references against Materials Project formation energies.

python benchmarks/hull_agreement.py MP_FORMATION_ENERGIES.csv.gz
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from pymatgen.core import Composition as PymatgenComposition

from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.entries import HullEntry, shipped_references
from gencsp.convex_hull.hull import Hull
from gencsp.measure.record import record

#: eV/atom: a phase this close to its hull counts as on it.
ON_HULL = 1e-4
#: eV/atom: a looser reading of stable, of the size of CHGNet's error.
NEAR_HULL = 0.03


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="columns material_id, formula, e_form_per_atom")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/hull_agreement.json"))
    args = parser.parse_args()

    references = shipped_references()
    mine = formation_energies(references.entries)
    theirs = read_formation_energies(args.data)
    shared = sorted(
        (key for key in mine.keys() & theirs.keys() if len(key.counts) > 1),
        key=lambda key: sorted(key.counts),
    )
    results = {
        "compounds_compared": len(shared),
        "compounds_in_references": sum(len(key.counts) > 1 for key in mine),
        "compounds_in_materials_project_file": sum(len(key.counts) > 1 for key in theirs),
        "formation_energy": errors(mine, theirs, shared),
        "stability": stabilities(mine, theirs, shared),
    }
    protocol = {
        "stable": "on the convex hull of the formation energies of just these formulas, so that "
        "neither side has competitors that the other lacks",
        "references": f"{references.model}, weights {references.weights}, "
        f"{len(references.entries)} entries",
        "data": args.data.name,
        "in_sample": "CHGNet was trained on Materials Project data, which hold most of these "
        "crystals: this is the error of a fit, not of a prediction",
        "polymorphs": "OQMD-ICSD crystals relaxed with CHGNet against whatever the Materials "
        "Project's lowest polymorph is; elements are each side's own reference, zero",
    }
    record(
        args.out,
        measured="formation energy (eV/atom) of the lowest polymorph of each reduced formula that "
        "both the shipped hull and the Materials Project have, and who is stable on either side",
        sample_size={"compounds": len(shared)},
        seed=None,
        intervals=(),
        protocol=protocol,
        results=results,
    )
    print(results)


def formation_energies(entries: Iterable[HullEntry]) -> dict[Composition, float]:
    """Lowest formation energy of each reduced formula, eV/atom, on the entries' own elements."""
    lowest: dict[Composition, float] = {}
    for entry in entries:
        key = entry.composition.reduced
        lowest[key] = min(entry.energy_per_atom, lowest.get(key, np.inf))
    elements = {symbol: lowest[Composition(((symbol, 1),))] for symbol in ELEMENTS}
    return {
        key: energy - sum(n * elements[s] for s, n in key.counts) / key.size
        for key, energy in lowest.items()
    }


def read_formation_energies(path: Path) -> dict[Composition, float]:
    """Lowest formation energy of each reduced formula, eV/atom."""
    lowest: dict[Composition, float] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            counts = {str(e): int(n) for e, n in PymatgenComposition(row["formula"]).items()}
            if counts.keys() <= set(ELEMENTS):
                key = Composition.from_counts(counts).reduced
                lowest[key] = min(float(row["e_form_per_atom"]), lowest.get(key, np.inf))
    return lowest


def errors(
    mine: Mapping[Composition, float],
    theirs: Mapping[Composition, float],
    shared: list[Composition],
) -> object:
    differences = np.array([mine[key] - theirs[key] for key in shared])
    return {
        "mae": float(np.abs(differences).mean()),
        "rmse": float(np.sqrt((differences**2).mean())),
        "mean": float(differences.mean()),
        "median_absolute": float(np.median(np.abs(differences))),
        "absolute_95th_percentile": float(np.percentile(np.abs(differences), 95)),
    }


def stabilities(
    mine: Mapping[Composition, float],
    theirs: Mapping[Composition, float],
    shared: list[Composition],
) -> object:
    """Confusion of stable against stable, at two widths of the hull."""
    above_mine, above_theirs = above_hull(mine, shared), above_hull(theirs, shared)
    table: dict[str, object] = {}
    for width in (ON_HULL, NEAR_HULL):
        a, b = above_mine <= width, above_theirs <= ON_HULL
        both = int(np.sum(a & b))
        table[f"references within {width:g} eV/atom, materials project on its hull"] = {
            "both": both,
            "references_only": int(np.sum(a & ~b)),
            "materials_project_only": int(np.sum(~a & b)),
            "neither": int(np.sum(~a & ~b)),
            "precision": both / int(np.sum(a)),
            "recall": both / int(np.sum(b)),
        }
    table["energy_above_hull_mae"] = float(np.abs(above_mine - above_theirs).mean())
    return table


def above_hull(energies: Mapping[Composition, float], shared: list[Composition]) -> np.ndarray:
    """Energy above the hull of these formulas and the elements, eV/atom, shape (n,)."""
    elements = [
        HullEntry(composition=Composition.parse(s), energy_per_atom=0.0, model="formation")
        for s in ELEMENTS
    ]
    compounds = [
        HullEntry(composition=key, energy_per_atom=energies[key], model="formation")
        for key in shared
    ]
    hull = Hull([*elements, *compounds], model="formation")
    return np.array(
        [hull.decomposition_energy(c.composition, c.energy_per_atom) for c in compounds]
    )


if __name__ == "__main__":
    main()
