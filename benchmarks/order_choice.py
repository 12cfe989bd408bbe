"""What chooses among the orders of a disordered crystal: chance, Ewald energy, or single points.

    python benchmarks/order_choice.py

Of four disordered crystals every symmetry-distinct order of small cells is relaxed. Each way to
choose is judged by the lowest relaxed energy among the first orders that it takes, above the lowest
of all.
"""

from __future__ import annotations

import argparse
import time
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from numpy.typing import NDArray
from scipy.stats import spearmanr

import gencsp
from gencsp.convex_hull.entries import DEFAULT_MODEL
from gencsp.disorder.approximants import approximants
from gencsp.disorder.crystal import DisorderedCrystal, SiteGroup
from gencsp.measure.record import record
from gencsp.potentials import get_potential

ROOT = Path(__file__).parents[1]
#: Cells that are taken.
TAKEN = (1, 2, 4)

Array = NDArray[np.float64]


def cases() -> dict[str, tuple[DisorderedCrystal, int]]:
    """Mean crystals, and the most atoms in a cell."""
    rock_salt = DisorderedCrystal.of(bulk("MgO", "rocksalt", a=4.2)).sites
    layers = Atoms(
        "X4",
        scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5), (0.2605,) * 3, (0.7395,) * 3],
        cell=[4.96, 4.96, 4.96, 33, 33, 33],
        pbc=True,
        tags=[0, 1, 2, 2],
    )
    metal = {"Li": 0.375, "Al": 0.375, "Mg": 0.25}
    return {
        "Cu5Au3, fcc": (_alloy(bulk("Cu", "fcc", a=3.9), {"Cu": 0.625, "Au": 0.375}), 8),
        "Ni5Al3, bcc": (_alloy(bulk("Ni", "bcc", a=2.88), {"Ni": 0.625, "Al": 0.375}), 8),
        "Li3Al3Mg2O8, rock salt": (
            DisorderedCrystal(
                rock_salt, (SiteGroup("M", metal), SiteGroup("O", {"O": 1.0})), "rock salt"
            ),
            16,
        ),
        "Li3Co8O16, layers": (
            DisorderedCrystal(
                layers,
                (
                    SiteGroup("Li", {"Li": 0.375}),
                    SiteGroup("Co", {"Co": 1.0}),
                    SiteGroup("O", {"O": 1.0}),
                ),
                "layers",
            ),
            27,
        ),
    }


def _alloy(pure: Atoms, shares: dict[str, float]) -> DisorderedCrystal:
    return DisorderedCrystal(DisorderedCrystal.of(pure).sites, (SiteGroup("M", shares),), "alloy")


def run(crystal: DisorderedCrystal, max_atoms: int) -> dict[str, Any]:
    """Every order relaxed, and what each way to choose takes of them."""
    made = approximants(crystal, n=10_000, max_atoms=max_atoms)
    assert made.enumerated, "the comparison needs all orders"
    structures = list(made.structures)
    engine = get_potential("chgnet")
    engine.evaluate(structures[:1])  # loads the model
    begun = time.perf_counter()
    single = np.array([
        one.energy / len(atoms)
        for one, atoms in zip(engine.evaluate(structures), structures, strict=True)
    ])  # fmt: skip
    evaluated = time.perf_counter()
    relaxed = np.full(len(structures), np.inf)
    for one in gencsp.relax(structures):
        if one.converged:
            relaxed[one.index] = one.energy / len(one.atoms)
    begun_to_end = (evaluated - begun, time.perf_counter() - evaluated)
    ways = {"potential": single}
    if made.charges is not None:
        ways["ewald"] = np.array(made.energies)
    return {
        "orders": len(structures),
        "converged": int(np.isfinite(relaxed).sum()),
        "charges": made.charges,
        "spread_mev": _mev(relaxed[np.isfinite(relaxed)].max() - relaxed.min()),
        "random": {str(n): _mev(_at_random(relaxed, n)) for n in TAKEN},
        **{
            name: {str(n): _mev(_lowest(relaxed, values, n)) for n in TAKEN}
            for name, values in ways.items()
        },
        "rank_correlation": {
            name: round(float(spearmanr(values, relaxed)[0]), 2) for name, values in ways.items()
        },
        "seconds_single_points": round(begun_to_end[0], 2),
        "seconds_relaxations": round(begun_to_end[1], 2),
    }


def _lowest(relaxed: Array, values: Array, n: int) -> float:
    """Lowest relaxed energy of the n orders that are lowest by these values, above that of all."""
    return float(relaxed[np.argsort(values, kind="stable")[:n]].min() - relaxed.min())


def _at_random(relaxed: Array, n: int) -> float:
    """The same in the mean over all draws of n orders: exact, by how often each is the lowest."""
    ordered = np.sort(relaxed)
    # The k-th lowest is the lowest drawn if the other n - 1 come from those above it.
    left = np.arange(len(ordered))[::-1]
    ways = np.array([comb(int(k), n - 1) for k in left], dtype=float)
    return float((ways @ (ordered - ordered[0])) / ways.sum())


def _mev(energy: float) -> float:
    return round(1000 * float(energy), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results" / "order_choice.json"
    )
    options = parser.parse_args()
    results = {name: run(*case) for name, case in cases().items()}
    record(
        options.out,
        measured="lowest relaxed energy among the orders of a disordered crystal that are chosen "
        "at random, by Ewald energy and by single points of the potential, above the lowest of "
        "all orders (meV/atom)",
        sample_size={"crystals": len(results)},
        seed=0,
        intervals=(),
        protocol={
            "orders": "all symmetry-distinct orders of up to three supercells of the smallest "
            "size that has the composition; lattices and positions ideal",
            "relaxation": f"{DEFAULT_MODEL}, atoms and cell, gencsp's defaults",
            "random": "mean over all draws, exact",
        },
        results=results,
    )


if __name__ == "__main__":
    main()
