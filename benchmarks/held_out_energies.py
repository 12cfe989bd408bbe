"""Decomposition energies of known crystals that no model was trained on, stable and unstable ones.

    python benchmarks/held_out_energies.py MP_FORMATION_ENERGIES.csv.gz CRYSTALS.extxyz.gz ... \\
        [--before references_chgnet-0.3.0.csv.gz]

Each crystal is relaxed with CHGNet; its E_d is that to the shipped references, as they are and
without the phases of its own formula, and the same for a former table. Stable are crystals on the
hull of the Materials Project's formation energies, unstable the others.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from hull_agreement import read_formation_energies

from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.entries import HullEntry
from gencsp.convex_hull.hull import Hull
from gencsp.measure.record import record
from gencsp.measure.statistics import BOOTSTRAP, WILSON, bootstrap_interval, share
from gencsp.runs.relaxing import relax

FMAX, STEPS = 0.05, 500
#: eV/atom: a crystal this far above the Materials Project's hull is still on it.
ON_HULL = 1e-3
#: eV/atom: further below a hull a known crystal would be taken for a discovery.
DISCOVERIES = (-0.005, -0.01, -0.05)
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("energies", type=Path, help="columns formula, e_form_per_atom")
    parser.add_argument("crystals", type=Path, nargs="+", help="formation_energy_per_atom in info")
    parser.add_argument("--before", type=Path, help="a former table of references")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/held_out_energies.json")
    )
    options = parser.parse_args()
    crystals = unique([a for path in options.crystals for a in ase.io.read(path, ":")])
    stable = on_their_hull(crystals, options.energies)
    relaxed = sorted(
        relax(crystals, fmax=FMAX, steps=STEPS, workers=options.workers), key=lambda r: r.index
    )
    kept = [r.index for r in relaxed if r.converged]
    formulas = [Composition.of(crystals[n]).reduced for n in kept]
    energies = [relaxed[n].energy_per_atom for n in kept]
    tables = {"shipped": Hull.load()}
    if options.before is not None:
        tables["before"] = Hull.load(options.before)
    results: dict[str, Any] = {}
    for name, hull in tables.items():
        found = decomposition_energies(hull, formulas, energies)
        for kind, chosen in (("stable", stable[kept]), ("unstable", ~stable[kept])):
            for given, values in found.items():
                results[f"{name}, {kind}, {given}"] = distribution(values[chosen])
    record(
        options.out,
        measured="decomposition energy (eV/atom) of known crystals relaxed with CHGNet, to the "
        "references as they are and without the phases of the crystal's own formula",
        sample_size={"stable": int(stable[kept].sum()), "unstable": int((~stable[kept]).sum())},
        seed=SEED,
        intervals=(BOOTSTRAP, WILSON),
        protocol={
            "crystals": ", ".join(path.name for path in options.crystals),
            "stable": f"at most {ON_HULL} eV/atom above the hull of {options.energies.name}",
            "relaxation": f"fmax {FMAX} eV/Å, at most {STEPS} steps",
            "not converged": len(crystals) - len(kept),
            "in_sample": "CHGNet was trained on Materials Project data, which hold these crystals; "
            "their formulas were held out from gencsp's models",
        },
        results=results,
    )


def unique(crystals: Sequence[Atoms]) -> list[Atoms]:
    """The first crystal of each ``material_id``."""
    return list({str(atoms.info["material_id"]): atoms for atoms in reversed(crystals)}.values())


def on_their_hull(crystals: Sequence[Atoms], energies: Path) -> np.ndarray:
    """Whether each crystal lies on the hull of a table of formation energies, shape (n,)."""
    lowest = read_formation_energies(energies)
    entries = [
        HullEntry(composition=c, energy_per_atom=e, model="table") for c, e in lowest.items()
    ]
    entries += [
        HullEntry(composition=Composition(((s, 1),)), energy_per_atom=0.0, model="table")
        for s in ELEMENTS
    ]
    hull = Hull(entries, model="table")
    above = [
        hull.decomposition_energy(Composition.of(a), float(a.info["formation_energy_per_atom"]))
        for a in crystals
    ]
    return np.array(above) <= ON_HULL


def decomposition_energies(
    hull: Hull, formulas: Sequence[Composition], energies: Sequence[float]
) -> dict[str, np.ndarray]:
    """E_d in eV/atom, shape (n,) each, with the references of the same formula and without."""
    pairs = list(zip(formulas, energies, strict=True))
    alone = [hull.without([formula]).decomposition_energy(formula, e) for formula, e in pairs]
    return {
        "with its formula": np.array([hull.decomposition_energy(f, e) for f, e in pairs]),
        "without its formula": np.array(alone),
    }


def distribution(values: np.ndarray) -> dict[str, Any]:
    """Quantiles of E_d, and the shares of what would be taken for a discovery."""
    low, high = bootstrap_interval(values.tolist(), rng=np.random.default_rng(SEED))
    levels = (5, 25, 50, 75, 95)
    return {
        "n": len(values),
        "median": {"value": float(np.median(values)), "low": low, "high": high},
        "percentiles": {
            str(q): round(float(v), 5)
            for q, v in zip(levels, np.percentile(values, levels), strict=True)
        },
        "below": {
            f"{limit:g} eV/atom": share(int((values < limit).sum()), len(values))
            for limit in DISCOVERIES
        },
    }


if __name__ == "__main__":
    main()
