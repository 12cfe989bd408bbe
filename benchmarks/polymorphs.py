"""Whether polymorphs are kept apart, and copies of one crystal found, by each rule of sameness.

    python benchmarks/polymorphs.py

Published polymorphs and the shipped OQMD-ICSD crystals of some more formulas are relaxed tightly
with CHGNet. Then noisy copies of each, in other cells, are relaxed as in a search. Two copies are
the same crystal if they end in the same one when both are relaxed on to small forces; the rules see
them as the search left them. Thresholds were chosen on the formulas ``CHOSEN_ON``; the others check
the choice.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from known_polymorphs import known_polymorphs

from gencsp.composition import Composition
from gencsp.convex_hull.crystals import shipped_crystals
from gencsp.measure.record import record
from gencsp.measure.statistics import WILSON, share
from gencsp.runs.relaxing import relax
from gencsp.similarity.fingerprint import fingerprint
from gencsp.similarity.grouping import Grouping
from gencsp.similarity.matching import (
    CrystalMatcher,
    Reduced,
    Tolerances,
    as_structure,
    structure_matcher,
)
from gencsp.similarity.rules import CRYSTAL, FAMILY, SameRule
from gencsp.similarity.tolerances import (
    DOUBT_ENERGY,
    DOUBT_FINGERPRINT,
    TIGHT_FMAX,
    TIGHT_STEPS,
)
from gencsp.symmetry.refinement import space_group

SEED = 0
#: Formulas on which the thresholds were chosen.
CHOSEN_ON = ("SiO2", "CaTiO3", "TiO2", "C", "ZnS", "BN")
#: Formulas of which the shipped crystals are added, none of them in CHOSEN_ON.
SHIPPED = ("HfO2", "KNbO3", "Al2O3", "GeO2", "Fe2O3", "NaNbO3", "WO3")
#: Noisy copies of each crystal.
COPIES = 4
#: Normal displacements of their coordinates, Å, and of the entries of a strain.
DISPLACEMENT, STRAIN = 0.05, 0.01
#: Largest forces of structures that a search leaves, eV/Å, and its steps.
LOOSE_FMAX, LOOSE_STEPS = 0.1, 500
#: Ends of the same crystal: what lies between these and those of different crystals is empty.
SAME_END, SAME_END_ENERGY = 0.025, 3e-4
#: Displacements at which the scan compares, in units of (V/N)^(1/3).
SCAN = (0.01, 0.02, 0.03, 0.05, 0.1, 0.3)


@dataclass(frozen=True, slots=True)
class Crystal:
    """A structure with what comparisons need.

    Attributes:
        name: of the crystal that it is, or was made of.
        formula: reduced.
        atoms: positions and cell.
        energy: eV/atom.
        steps: that its relaxation took.
    """

    name: str
    formula: str
    atoms: Atoms
    energy: float
    steps: int


@dataclass(frozen=True, slots=True)
class Made:
    """All structures.

    Attributes:
        failed: names of crystals whose relaxation failed.
        loose: crystals as published or shipped, relaxed as a search does.
        crystals: the same, relaxed on tightly.
        copies: noisy copies, relaxed as a search does.
        ends: the same, relaxed on tightly.
    """

    failed: list[str]
    loose: list[Crystal]
    crystals: list[Crystal]
    copies: list[Crystal]
    ends: list[Crystal]


def relaxed(
    named: Sequence[tuple[str, Atoms]], fmax: float, steps: int, workers: int
) -> list[Crystal | None]:
    """Each structure relaxed; ``None`` where it does not converge."""
    found: list[Crystal | None] = [None] * len(named)
    given = [atoms for _, atoms in named]
    for result in relax(given, fmax=fmax, steps=steps, workers=workers):
        if result.converged:
            name, atoms = named[result.index][0], result.atoms
            formula = Composition.of(atoms).alphabetical.formula
            bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
            energy = result.energy_per_atom
            found[result.index] = Crystal(name, formula, bare, energy, result.steps)
    return found


def starts() -> list[tuple[str, Atoms]]:
    """Published polymorphs, and shipped crystals by formula and number."""
    named = list(known_polymorphs().items())
    for text in SHIPPED:
        composition = Composition.parse(text)
        for atoms in shipped_crystals(composition.elements):
            if Composition.of(atoms).reduced == composition.reduced:
                named.append((f"{text} {atoms.info['structure_id']}", atoms))
    return named


def noisy(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """The same crystal in another cell, order and place, shaken and strained."""
    skew = np.eye(3)
    skew[1, 0], skew[2, 0], skew[2, 1] = rng.integers(-1, 2, 3)
    copy = Atoms(atoms.numbers, atoms.positions, cell=skew @ atoms.cell.array, pbc=True)
    copy.wrap()
    copy = copy[rng.permutation(len(copy))]
    strain = np.eye(3) + STRAIN * rng.normal(size=(3, 3))
    copy.set_cell(copy.cell.array @ strain, scale_atoms=True)
    copy.positions += DISPLACEMENT * rng.normal(size=copy.positions.shape)
    return copy


class Comparison:
    """What two structures of one formula have in common; each is prepared once."""

    def __init__(self, crystals: Sequence[Crystal]) -> None:
        self.crystals = crystals
        self._matching = CrystalMatcher()
        self._reduced = [self._matching.reduced(one.atoms) for one in crystals]
        self._vectors = [fingerprint(one.atoms) for one in crystals]
        self._matchers: dict[float, CrystalMatcher] = {}

    def distance(self, i: int, j: int) -> float:
        """Between the fingerprints."""
        return float(np.linalg.norm(self._vectors[i] - self._vectors[j]))

    def energy(self, i: int, j: int) -> float:
        """Difference of the energies, eV/atom."""
        return abs(self.crystals[i].energy - self.crystals[j].energy)

    def fits(self, i: int, j: int, displacement: float) -> bool:
        """Whether pymatgen's matcher fits one to the other, at this ``stol``."""
        one, other = self._reduced[i], self._reduced[j]
        if len(one.numbers) != len(other.numbers):
            return False
        if displacement not in self._matchers:
            self._matchers[displacement] = CrystalMatcher(
                structure_matcher(Tolerances(stol=displacement))
            )
        return self._matchers[displacement].same(one, other)

    def displacement(self, i: int, j: int) -> float | None:
        """Root mean square displacement of the best fit; ``None`` where nothing fits."""
        one, other = self._reduced[i], self._reduced[j]
        if len(one.numbers) != len(other.numbers):
            return None
        found = structure_matcher().get_rms_dist(_structure(one), _structure(other))
        return None if found is None else float(found[0])

    def same(self, i: int, j: int, rule: SameRule) -> bool:
        """Whether a rule takes one for the other."""
        return (
            (rule.energy is None or self.energy(i, j) <= rule.energy)
            and self.distance(i, j) <= rule.fingerprint
            and self.fits(i, j, rule.displacement)
        )

    def in_doubt(self, i: int, j: int) -> bool:
        """Whether they are near enough to be the same crystal."""
        return self.energy(i, j) <= DOUBT_ENERGY and self.distance(i, j) <= DOUBT_FINGERPRINT

    def same_end(self, i: int, j: int) -> bool:
        """Whether two tightly relaxed structures are the same crystal; see ``SAME_END``."""
        if self.energy(i, j) > SAME_END_ENERGY or self.distance(i, j) > 2 * SAME_END:
            return False
        apart = self.displacement(i, j)
        return apart is not None and apart <= SAME_END


def _structure(reduced: Reduced) -> Any:
    atoms = Atoms(reduced.numbers, scaled_positions=reduced.fractional, cell=reduced.cell, pbc=True)
    return as_structure(atoms)


def pairs(crystals: Sequence[Crystal]) -> list[tuple[int, int]]:
    """Pairs of one formula."""
    numbered = list(enumerate(crystals))
    return [(i, j) for (i, a), (j, b) in combinations(numbered, 2) if a.formula == b.formula]


def known_pairs(made: Made, places: Sequence[int]) -> dict[str, Any]:
    """Different crystals: how many pairs each rule keeps apart, and which it does not.

    They are compared as a search leaves them, and relaxed tightly.
    """
    given = Comparison([made.loose[k] for k in places])
    ends = Comparison([made.crystals[k] for k in places])
    merged: dict[str, list[str]] = {name: [] for name in ("family", "close", "tight")}
    merged |= {f"{name}, relaxed tightly": [] for name in ("family", "close")}
    near: list[dict[str, Any]] = []
    one_to_chgnet, total = [], 0
    for i, j in pairs(ends.crystals):
        names = f"{ends.crystals[i].name}, {ends.crystals[j].name}"
        if ends.same_end(i, j):
            one_to_chgnet.append(names)
            continue
        total += 1
        row = {"pair": names, "energy_mev": 1e3 * ends.energy(i, j)}
        row |= {"fingerprint": ends.distance(i, j), "displacement": ends.displacement(i, j)}
        if ends.distance(i, j) < DOUBT_FINGERPRINT:
            near.append(row)
        close, close_ends = given.same(i, j, CRYSTAL), ends.same(i, j, CRYSTAL)
        verdicts = {
            "family": given.same(i, j, FAMILY),
            "close": close,
            "tight": close or (given.in_doubt(i, j) and close_ends),
            "family, relaxed tightly": ends.same(i, j, FAMILY),
            "close, relaxed tightly": close_ends,
        }
        for name, same in verdicts.items():
            if same:
                merged[name].append(names)
    return {
        "pairs": total,
        "kept_apart": {name: share(total - len(found), total) for name, found in merged.items()},
        "merged": merged,
        "one_crystal_to_chgnet": one_to_chgnet,
        "nearest, relaxed tightly": sorted(near, key=lambda row: row["fingerprint"])[:10],
    }


def copies(
    loose: Sequence[Crystal], tight: Sequence[Crystal]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Pairs of copies: recall and precision of each rule, and of a scan of its displacement."""
    given, ends = Comparison(loose), Comparison(tight)
    rules: dict[str, Callable[[int, int], bool]] = {
        "family": lambda i, j: given.same(i, j, FAMILY),
        "close": lambda i, j: given.same(i, j, CRYSTAL),
        "tight": lambda i, j: (
            given.same(i, j, CRYSTAL) or (given.in_doubt(i, j) and ends.same(i, j, CRYSTAL))
        ),
        "close, and the same space group": lambda i, j: (
            given.same(i, j, CRYSTAL) and groups[i] == groups[j]
        ),
    }
    for value in SCAN:
        rule = SameRule(displacement=value, fingerprint=FAMILY.fingerprint, energy=CRYSTAL.energy)
        rules[f"displacement {value}"] = partial(given.same, rule=rule)
    groups = [space_group(one.atoms).number for one in loose]
    rows = []
    for i, j in pairs(loose):
        row: dict[str, Any] = {"formula": loose[i].formula, "same": ends.same_end(i, j)}
        row["parted"] = not row["same"] and loose[i].name == loose[j].name
        near = given.in_doubt(i, j)
        row |= {name: near and rule(i, j) for name, rule in rules.items()}
        rows.append(row)
    return scores(rows, tuple(rules)), rows


def scores(rows: Sequence[dict[str, Any]], rules: Sequence[str]) -> dict[str, Any]:
    """Recall and precision of rules, by pairs.

    Copies of one crystal that part when they are relaxed on, from a saddle point say, are neither
    the same nor different: they count for no precision, and beside it.
    """
    same = sum(row["same"] for row in rows)
    found = {}
    for rule in rules:
        joined = [row for row in rows if row[rule] and not row["parted"]]
        right = sum(row["same"] for row in joined)
        found[rule] = {
            "recall": share(right, same),
            "precision": share(right, len(joined)),
            "wrong": Counter(row["formula"] for row in joined if not row["same"]),
            "joined_that_part": sum(row[rule] and row["parted"] for row in rows),
        }
    return {
        "pairs": len(rows),
        "pairs_of_one_crystal": same,
        "pairs_that_part": sum(row["parted"] for row in rows),
        "rules": found,
    }


def grouped(loose: Sequence[Crystal], tight: Sequence[Crystal]) -> dict[str, Any]:
    """Crystals that each rule counts in the pool of all copies, and what the potential spends."""
    order = sorted(range(len(loose)), key=lambda k: loose[k].energy)
    ends = Comparison(tight)
    firsts: list[int] = []
    for k in order:
        alike = (f for f in firsts if tight[f].formula == tight[k].formula)
        if not any(ends.same_end(f, k) for f in alike):
            firsts.append(k)
    by_place = {id(loose[k].atoms): k for k in order}
    spent: list[int] = []

    def tighten(structures: Sequence[Atoms]) -> list[tuple[Atoms, float] | None]:
        places = [by_place[id(atoms)] for atoms in structures]
        spent.extend(tight[k].steps for k in places)
        return [(tight[k].atoms, tight[k].energy) for k in places]

    counted = {}
    formulas = sorted({one.formula for one in loose})
    for same in ("family", "close", "tight"):
        total = 0
        for formula in formulas:
            grouping = Grouping(same=same)
            for k in order:
                if loose[k].formula == formula:
                    grouping.add(str(k), loose[k].atoms, loose[k].energy)
            grouping.settle(tighten)
            total += len(grouping)
        counted[same] = total
    return {
        "structures": len(loose),
        "crystals": len(firsts),
        "counted": counted,
        "relaxed_tightly": len(spent),
        "steps_of_the_search": sum(one.steps for one in loose),
        "steps_of_tight_relaxations": sum(spent),
    }


def measure(made: Made) -> tuple[dict[str, Any], dict[str, int]]:
    """All parts, with the sizes of the samples."""
    chosen_on = {Composition.parse(text).alphabetical.formula for text in CHOSEN_ON}
    published = known_polymorphs()
    places = [k for k, one in enumerate(made.crystals) if one.name in published]
    others = [k for k, one in enumerate(made.crystals) if one.name not in published]
    all_copies, rows = copies(made.copies, made.ends)
    rules = tuple(all_copies["rules"])
    results = {
        "published polymorphs": known_pairs(made, places),
        "shipped crystals": known_pairs(made, others),
        "not converged": made.failed,
        "copies, all formulas": all_copies,
        "copies, formulas chosen on": scores([r for r in rows if r["formula"] in chosen_on], rules),
        "copies, other formulas": scores([r for r in rows if r["formula"] not in chosen_on], rules),
        "pools by formula": grouped(made.copies, made.ends),
    }
    return results, {"crystals": len(made.crystals), "copies": len(made.copies)}


def structures(workers: int) -> Made:
    """Relax everything."""
    named = starts()
    failed, loose, crystals = as_found_and_to_the_end(named, workers)
    print(f"{len(crystals)} crystals, failed: {failed}", flush=True)
    rng = np.random.default_rng(SEED)
    made = [(one.name, noisy(one.atoms, rng)) for one in crystals for _ in range(COPIES)]
    lost, found, ends = as_found_and_to_the_end(made, workers)
    print(f"{len(found)} copies, failed: {lost}", flush=True)
    return Made(failed, loose, crystals, found, ends)


def as_found_and_to_the_end(
    named: Sequence[tuple[str, Atoms]], workers: int
) -> tuple[list[str], list[Crystal], list[Crystal]]:
    """Names of what fails, the others relaxed as a search does, and these relaxed on tightly."""
    loose = relaxed(named, LOOSE_FMAX, LOOSE_STEPS, workers)
    found = [one for one in loose if one is not None]
    ends = relaxed([(one.name, one.atoms) for one in found], TIGHT_FMAX, TIGHT_STEPS, workers)
    both = [(one, end) for one, end in zip(found, ends, strict=True) if end is not None]
    there = Counter(one.name for one, _ in both)
    failed = sorted((Counter(name for name, _ in named) - there).elements())
    return failed, [one for one, _ in both], [end for _, end in both]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=1, help="CPU threads")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/polymorphs.json"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    results, sizes = measure(structures(options.workers))
    record(
        options.out,
        measured="published polymorphs that rules of sameness keep apart, and recall and precision "
        "of the rules on pairs of noisy copies relaxed as in a search",
        sample_size=sizes,
        seed=SEED,
        intervals=(WILSON,),
        protocol={
            "potential": "CHGNet 0.3.0",
            "rules": {
                "family": f"{FAMILY}: what searches and tables went by before",
                "close": str(CRYSTAL),
                "tight": f"close; what is not, with fingerprints within {DOUBT_FINGERPRINT} and "
                f"energies within {DOUBT_ENERGY} eV/atom, is relaxed tightly, and then close",
            },
            "copies": f"{COPIES} of each crystal; displaced {DISPLACEMENT} Å, strained {STRAIN}, "
            f"relaxed to {LOOSE_FMAX} eV/Å",
            "truth": f"both relaxed on to {TIGHT_FMAX} eV/Å: root mean square displacement at most "
            f"{SAME_END} (V/N)^(1/3), energies within {SAME_END_ENERGY} eV/atom; copies of one "
            "crystal that end in two are counted beside the precision",
            "chosen on": CHOSEN_ON,
            "warning": "in-sample for the formulas chosen on; pairs of one crystal are not "
            "independent of each other, as the intervals take them to be",
        },
        results=results,
    )


if __name__ == "__main__":
    main()
