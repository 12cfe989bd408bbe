"""Random crystals: ours and PyXtal's, on the same compositions, groups and separations.

    python benchmarks/random_crystals.py

Both are timed in one run, in turns, in processor time of this process, PyXtal with its tables of
groups and tolerances loaded beforehand. ``law`` compares what they draw: space groups and formula
units by the proposers, then, group by group, the Wyckoff sites, cell shapes and nearest neighbours
(χ² for choices, Kolmogorov-Smirnov for numbers).
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, ks_2samp

from gencsp.composition import Composition
from gencsp.descriptors.distances import min_height, pair_distances
from gencsp.descriptors.least_distances import LeastDistances
from gencsp.measure.record import record
from gencsp.proposers.checks import keeps_apart
from gencsp.proposers.crystals.lattice import bravais, centring
from gencsp.proposers.crystals.occupancy import can_hold
from gencsp.proposers.crystals.random_crystals import RandomCrystal, Recipe, draw_crystals
from gencsp.proposers.crystals.volume import predict_volume
from gencsp.proposers.crystals.wyckoff import primitive, sites
from gencsp.proposers.crystals.wyckoff_table import merge_table
from gencsp.proposers.pyxtal_random import draw_with_pyxtal, pyxtal_crystal, pyxtal_group

Array = NDArray[np.float64]
Sites = tuple[tuple[str, str], ...]

#: Formula, formula units and draws of each by atoms in the primitive cell.
SIZES: dict[str, list[tuple[str, int, int]]] = {
    "2-3 atoms": [("NaCl", 1, 40), ("MgF2", 1, 40), ("Si", 2, 40)],
    "6-12 atoms": [("TiO2", 2, 24), ("CaTiO3", 2, 24), ("Li3PS4", 1, 24)],
    "20-24 atoms": [("CaTiO3", 4, 12), ("MgAl2O4", 3, 12), ("SiO2", 8, 12)],
    "40 atoms": [("CaTiO3", 8, 8), ("Y3Al5O12", 2, 8)],
}
#: Formula, units and space group whose sites and cells are compared.
LAWS = [
    ("NaCl", 2, 194), ("CaTiO3", 1, 221), ("TiO2", 2, 136), ("CaTiO3", 2, 139), ("SiO2", 1, 164),
    ("CaTiO3", 2, 14), ("MgAl2O4", 2, 227), ("SiO2", 3, 152),
]  # fmt: skip
#: Drawn by ours in step.
BLOCK = 64


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=4, help="turns of the timing")
    parser.add_argument("--law", type=int, default=120, help="crystals of PyXtal for each law")
    parser.add_argument("--groups", type=int, default=250, help="crystals of PyXtal for the groups")
    parser.add_argument("--more", type=int, default=20, help="of ours for each of PyXtal's")
    parser.add_argument("--separation", type=float, default=0.6)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "random_crystals.json"
    )
    options = parser.parse_args()
    results: dict[str, Any] = {"rates": {}, "law": {}}
    protocol = {
        "task": "random crystals in a drawn space group at the predicted volume",
        "time": "process time, turns of both in one run, tables loaded; one thread",
        "effort": "a draw may take 40 lattices with 10 attempts each (5 with 5 if rigid) in both",
        "block": BLOCK,
        "separation": options.separation,
    }

    def save() -> None:
        record(
            options.out,
            measured="random crystals a second, ours and PyXtal's, and whether both are drawn from "
            "one law (p-values)",
            sample_size={
                "rounds of the timing": options.rounds,
                "crystals of PyXtal for each law": options.law,
                "crystals of PyXtal for the groups": options.groups,
                "of ours for each of PyXtal's": options.more,
            },
            seed=options.seed,
            intervals=(),
            protocol=protocol,
            results=results,
        )

    for name, cases in SIZES.items():
        results["rates"][name] = rates(cases, options)
        print(name, results["rates"][name])
        save()
    for kind, units in (("TiO2", 2), ("NaCl", 1)):
        results["law"][f"groups of {kind} x {units}"] = groups_law(kind, units, options)
        print(kind, results["law"][f"groups of {kind} x {units}"])
        save()
    for formula, units, group in LAWS:
        name = f"{formula} x {units} in {group}"
        results["law"][name] = law(formula, units, group, options)
        print(name, results["law"][name])
        save()


def recipes(
    formula: str, units: int, groups: Sequence[int], *, separation: float, seed: int
) -> list[Recipe]:
    """One for each of the groups, with a generator of its own."""
    composition = Composition.parse(formula)
    counts = tuple(n * units for _, n in composition.counts)
    least = LeastDistances().least(composition.elements, separation=separation)
    return [
        Recipe(
            space_group=group,
            symbols=composition.elements,
            counts=counts,
            volume=predict_volume(composition).value * sum(counts),
            least=least,
            rng=rng,
        )
        for group, rng in zip(groups, np.random.default_rng(seed).spawn(len(groups)), strict=True)
    ]


def able_groups(formula: str, units: int, n: int, *, seed: int) -> list[int]:
    """So many space groups that can hold the composition, drawn evenly."""
    counts = tuple(k * units for _, k in Composition.parse(formula).counts)
    able = [group for group in range(1, 231) if can_hold(group, counts)]
    return [int(g) for g in np.random.default_rng(seed).choice(able, size=n)]


def ours(wanted: list[Recipe]) -> list[RandomCrystal | None]:
    parts = (wanted[k : k + BLOCK] for k in range(0, len(wanted), BLOCK))
    return [crystal for part in parts for crystal in draw_crystals(part)]


def theirs(wanted: list[Recipe]) -> list[Atoms | None]:
    return [pyxtal_crystal(recipe) for recipe in wanted]


def rates(cases: list[tuple[str, int, int]], options: argparse.Namespace) -> dict[str, Any]:
    """Crystals a second. Ours draws each group ``more`` times, so that its time can be told."""
    makers: dict[str, tuple[Callable[[list[Recipe]], Sequence[object]], int]] = {
        "pyxtal": (theirs, 1),
        "ours": (ours, options.more),
    }
    spent, made, tried = defaultdict[str, float](float), Counter[str](), Counter[str]()
    for turn in range(options.rounds):
        for formula, units, n in cases:
            seed = options.seed + turn
            groups = able_groups(formula, units, max(1, n // options.rounds), seed=seed)
            for group in groups:
                pyxtal_group(group)
            merge_table()
            for name, (make, times) in makers.items():
                wanted = recipes(
                    formula, units, groups * times, separation=options.separation, seed=seed
                )
                start = process_time()
                crystals = make(wanted)
                spent[name] += process_time() - start
                tried[name] += len(crystals)
                made[name] += sum(crystal is not None for crystal in crystals)
    table = {
        name: {
            "drawn": tried[name],
            "failures": tried[name] - made[name],
            "seconds": spent[name],
            "crystals_per_second": made[name] / spent[name],
        }
        for name in makers
    }
    speeds = [table[name]["crystals_per_second"] for name in ("ours", "pyxtal")]
    return {"cases": cases, **table, "ratio": speeds[0] / speeds[1]}


def groups_law(formula: str, units: int, options: argparse.Namespace) -> dict[str, Any]:
    """Bravais lattices of what was found when groups are drawn evenly."""
    n = options.groups
    first = able_groups(formula, units, n, seed=options.seed + 50)
    second = able_groups(formula, units, n * options.more, seed=options.seed + 51)
    drawn = theirs(recipes(formula, units, first, separation=options.separation, seed=52))
    found = ours(recipes(formula, units, second, separation=options.separation, seed=53))
    kinds = [
        Counter(str(bravais(g)) for g, c in zip(gs, crystals, strict=True) if c is not None)
        for gs, crystals in ((first, drawn), (second, found))
    ]
    lost = [sum(crystal is None for crystal in crystals) for crystals in (drawn, found)]
    return {
        "drawn": {"pyxtal": len(drawn), "ours": len(found)},
        "failures": {"pyxtal": lost[0], "ours": lost[1]},
        "p_failures": same_choices(
            *({"lost": k, "found": len(c) - k} for k, c in zip(lost, (drawn, found), strict=True))
        ),
        "p_bravais": same_choices(*kinds),
    }


def law(formula: str, units: int, group: int, options: argparse.Namespace) -> dict[str, Any]:
    """Sites, cells and nearest neighbours of one composition in one group."""
    n = options.law
    separation = options.separation
    raw = [
        draw_with_pyxtal(recipe)
        for recipe in recipes(formula, units, [group] * n, separation=separation, seed=61)
    ]
    kept = [crystal for crystal in raw if crystal is not None]
    reference = [primitive(crystal.to_ase(resort=False), centring(group)) for crystal in kept]
    sites_of_reference = [
        tuple(sorted((s.specie, s.wp.letter) for s in crystal.atom_sites)) for crystal in kept
    ]
    wanted = recipes(formula, units, [group] * n * options.more, separation=separation, seed=62)
    found = [crystal for crystal in ours(wanted) if crystal is not None]
    atoms = [crystal.atoms for crystal in found]
    shapes = [np.array([shape(a) for a in part]) for part in (reference, atoms)]
    volumes = [np.array([a.cell.volume for a in part]) for part in (reference, atoms)]
    compared = {
        f"p_{name}": ks(*(part[:, k] for part in shapes))
        for k, name in enumerate(("height", "elongation", "nearest_neighbours"))
    }
    return {
        "drawn": {"pyxtal": n, "ours": len(wanted)},
        "failures": {"pyxtal": n - len(kept), "ours": len(wanted) - len(found)},
        "keep_apart": {
            "pyxtal": float(np.mean([keeps_apart(a, separation=separation) for a in reference])),
            "ours": float(np.mean([keeps_apart(a, separation=separation) for a in atoms])),
        },
        "median_nearest_neighbours": [float(np.median(part[:, 2])) for part in shapes],
        "largest_relative_deviation_of_volume": max(
            float(np.abs(part / wanted[0].volume - 1).max()) for part in volumes
        ),
        "p_sites": same_choices(
            Counter(sites_of_reference), Counter(occupied(crystal, group) for crystal in found)
        ),
        "p_multiplicities": same_choices(
            Counter(multiplicities(s, group) for s in sites_of_reference),
            Counter(multiplicities(occupied(crystal, group), group) for crystal in found),
        ),
        **compared,
    }


def shape(atoms: Atoms) -> tuple[float, float, float]:
    """Least height and longest edge by the cube root of the volume; nearest neighbours, Å."""
    edge = atoms.cell.volume ** (1 / 3)
    longest = float(atoms.cell.lengths().max())
    return min_height(atoms.cell.array) / edge, longest / edge, float(pair_distances(atoms).min())


def occupied(crystal: RandomCrystal, group: int) -> Sites:
    """Element and letter of every orbit, sorted."""
    atoms = Counter(zip(crystal.atoms.get_chemical_symbols(), crystal.letters, strict=True))
    return tuple(
        sorted(
            key for key, n in atoms.items() for _ in range(n // sites(group)[key[1]].multiplicity)
        )
    )


def multiplicities(orbits: Sites, group: int) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((symbol, sites(group)[k].multiplicity) for symbol, k in orbits))


def same_choices(first: Mapping[Any, int], second: Mapping[Any, int]) -> float:
    """p-value (χ²) of one law behind both counts; kinds expected less than 5 times are pooled."""
    share = sum(first.values()) / (sum(first.values()) + sum(second.values()))
    rows: dict[Any, list[int]] = {}
    for kind in {*first, *second}:
        pair = (first.get(kind, 0), second.get(kind, 0))
        row = rows.setdefault(kind if sum(pair) * share >= 5 else "rare", [0, 0])
        row[0], row[1] = row[0] + pair[0], row[1] + pair[1]
    table = np.array([row for row in rows.values() if sum(row)])
    return 1.0 if len(table) < 2 else float(chi2_contingency(table.T).pvalue)


def ks(first: Array, second: Array) -> float:
    """p-value of one law behind both; numbers that are the same but for rounding agree."""
    if np.ptp(np.concatenate([first, second])) < 1e-6:
        return 1.0
    return float(ks_2samp(np.round(first, 8), np.round(second, 8)).pvalue)


if __name__ == "__main__":
    main()
