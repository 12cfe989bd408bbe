"""Random crystals of rigid units: ours and PyXtal's molecular crystals, of one task each.

    python benchmarks/unit_crystals.py

Both get the same molecules, numbers, space groups, volumes or cells, and least distances, and are
timed in one run, in turns, in processor time of this process. Groups and molecules are made
beforehand. PyXtal works out the orientations of each molecule on each site anew for every crystal;
that part of its time is told apart, so that a ratio without it can be seen too.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from ase.cell import Cell
from pymatgen.core import Molecule
from pyxtal.lattice import Lattice
from pyxtal.molecular_crystal import molecular_crystal
from pyxtal.molecule import pyxtal_molecule
from pyxtal.msg import Comp_CompatibilityError, Symm_CompatibilityError, VolumeError
from pyxtal.tolerance import Tol_matrix

from gencsp.measure.record import record
from gencsp.proposers.crystals.lattice import PRIMITIVE, bravais, centring
from gencsp.proposers.crystals.volume import predict_volume
from gencsp.proposers.pyxtal_random import pyxtal_group
from gencsp.proposers.units.given_cells import choices_of_axes, setting_of
from gencsp.proposers.units.random_units import UnitRecipe, draw_unit_crystals
from gencsp.proposers.units.separations import least_between
from gencsp.proposers.units.unit_sites import can_hold_units, options
from gencsp.units.formulas import split_formula

#: Name, formula, units, formula units in the (primitive or given) cell, edges of a given
#: orthorhombic cell in Å or nothing, and draws of PyXtal in each turn.
CASES: list[tuple[str, str, str, int, tuple[float, ...], int]] = [
    ("CO2 x 4", "CO2", "CO2", 4, (), 6),
    ("urea x 2", "CH4N2O", "urea", 2, (), 6),
    ("benzene x 4", "C6H6", "benzene", 24, (), 4),
    ("NaNH2 x 4", "NaNH2", "NH2", 4, (), 6),
    ("NH4Cl x 2", "NH4Cl", "NH4", 2, (), 6),
    ("Na2SO4 x 2", "Na2SO4", "SO4", 2, (), 4),
    ("NaNH2 x 16 in its cell", "NaNH2", "NH2", 16, (8.95, 10.46, 8.07), 4),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3, help="turns of the timing")
    parser.add_argument("--more", type=int, default=10, help="of ours for each of PyXtal's")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "unit_crystals.json"
    )
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for case in CASES:
        results[case[0]] = rates(case, options)
        print(case[0], results[case[0]], flush=True)
        record(
            options.out,
            measured="random crystals of rigid units a second of processor time, ours and PyXtal's "
            "molecular crystals",
            sample_size={
                "rounds of the timing": options.rounds,
                "of ours for each of PyXtal's": options.more,
            },
            seed=options.seed,
            intervals=(),
            protocol={
                "task": "random crystals of rigid units and atoms in drawn space groups",
                "time": "process time, turns of both in one run, groups and molecules made before; "
                "one thread; other work ran on the machine, which ratios within a run bear",
                "distances": "the same table for both, between units",
                "effort": "ours: 40 attempts; PyXtal: its own, 40 lattices (one, if it is given) "
                "with 30 attempts each (20 with 3 if rigid); crystals made count, and all time",
                "checked": "ours keep all least distances in the periodic crystal; PyXtal's "
                "crystals count as it says that they are valid",
            },
            results=results,
        )


def recipes(
    case: tuple[str, str, str, int, tuple[float, ...], int], n: int, *, seed: int
) -> list[UnitRecipe]:
    """So many crystals to draw, in groups drawn evenly from those that can hold the units."""
    _, formula, units, number, edges, _ = case
    split = split_formula(formula, units)
    counts = sorted(split.in_cell(number), key=lambda one: -one[0].size)
    kinds = tuple(unit for unit, _ in counts)
    elements = split.composition.elements
    volume = predict_volume(split.composition).value * split.composition.size * number
    made = []
    for rng in np.random.default_rng(seed).spawn(n):
        for drawn in rng.permutation(np.arange(1, 231)):
            group = int(drawn)
            cell, copies = None, 1
            if edges:
                given = Cell.new(list(edges))
                axes = choices_of_axes(group, given)
                if not len(axes):
                    continue
                setting = setting_of(group, given, axes[rng.integers(len(axes))])
                cell, copies = setting.conventional, setting.copies
            if any(k % copies for _, k in counts):
                continue
            numbers = tuple(k // copies for _, k in counts)
            if not can_hold_units(group, kinds, numbers):
                continue
            made.append(
                UnitRecipe(
                    space_group=group,
                    units=kinds,
                    counts=numbers,
                    elements=elements,
                    least=least_between(elements),
                    rng=rng,
                    cell=cell,
                    volume=volume,
                )
            )
            break
    return made


class Theirs:
    """PyXtal's crystals of the same recipes."""

    def __init__(self) -> None:
        self.molecules: dict[tuple[str, ...], list[pyxtal_molecule]] = {}
        self.orienting = 0.0

    def prepare(self, recipe: UnitRecipe) -> None:
        """Make what does not belong to a single crystal."""
        pyxtal_group(recipe.space_group)
        key = tuple(unit.name for unit in recipe.units)
        if key not in self.molecules:
            table = tolerances(recipe)
            self.molecules[key] = [
                pyxtal_molecule(Molecule(unit.symbols, unit.positions), tm=table, random_state=0)
                for unit in recipe.units
            ]

    def __call__(self, wanted: Sequence[UnitRecipe]) -> list[molecular_crystal | None]:
        return [self.crystal(recipe) for recipe in wanted]

    def crystal(self, recipe: UnitRecipe) -> molecular_crystal | None:
        nodes = round(1 / np.linalg.det(PRIMITIVE[centring(recipe.space_group)]))
        group = pyxtal_group(recipe.space_group)
        if recipe.cell is None:
            lattice = Lattice(group.lattice_type, recipe.volume * nodes, random_state=recipe.rng)
        else:
            lattice = Lattice.from_para(*recipe.cell.cellpar(), ltype=group.lattice_type)
        watched = self

        class Watched(molecular_crystal):  # type: ignore[misc]  # PyXtal has no types
            def set_orientations(self) -> Any:
                start = process_time()
                found = super().set_orientations()
                watched.orienting += process_time() - start
                return found

        try:
            made = Watched(
                3,
                group,
                self.molecules[tuple(unit.name for unit in recipe.units)],
                [n * nodes for n in recipe.counts],
                lattice=lattice,
                tm=tolerances(recipe),
                random_state=recipe.rng,
            )
        except (Comp_CompatibilityError, Symm_CompatibilityError, VolumeError, RuntimeError):
            return None
        return made if made.valid else None


def tolerances(recipe: UnitRecipe) -> Tol_matrix:
    table = Tol_matrix(prototype="molecular")
    for i, one in enumerate(recipe.elements):
        for j, other in enumerate(recipe.elements):
            table.set_tol(one, other, recipe.least[i, j])
    return table


def rates(
    case: tuple[str, str, str, int, tuple[float, ...], int], settings: argparse.Namespace
) -> dict[str, Any]:
    """Crystals a second. Ours draws ``more`` for each of PyXtal's, so that its time can be told."""
    theirs = Theirs()
    makers: dict[str, tuple[Callable[[Sequence[UnitRecipe]], Sequence[object]], int]] = {
        "pyxtal": (theirs, 1),
        "ours": (draw_unit_crystals, settings.more),
    }
    spent, made, tried = defaultdict[str, float](float), Counter[str](), Counter[str]()
    for turn in range(settings.rounds):
        for name, (make, times) in makers.items():
            wanted = recipes(case, case[-1] * times, seed=1000 * settings.seed + turn)
            for recipe in wanted:
                theirs.prepare(recipe)
                for unit in recipe.units:
                    options(recipe.space_group, unit)
            start = process_time()
            found = make(wanted)
            spent[name] += process_time() - start
            tried[name] += len(found)
            made[name] += sum(crystal is not None for crystal in found)
    rate = {name: made[name] / spent[name] for name in makers}
    return {
        "tried": dict(tried),
        "made": dict(made),
        "seconds": dict(spent),
        "made_per_second": rate,
        "ratio": rate["ours"] / rate["pyxtal"] if made["pyxtal"] else None,
        "seconds_of_pyxtal_for_orientations": theirs.orienting,
        "ratio_without_its_orientations": (
            rate["ours"] * (spent["pyxtal"] - theirs.orienting) / made["pyxtal"]
            if made["pyxtal"]
            else None
        ),
        "lattices": dict(Counter(bravais(r.space_group)[0] for r in wanted)),
    }


if __name__ == "__main__":
    main()
