"""By how much CHGNet's formation energies differ from a table's, element by element.

    python tools/formation_offsets.py MP_FORMATION_ENERGIES.csv.gz

CHGNet differs from the Materials Project's formation energies by some 37 meV/atom on average, and
much of that is the same for all compounds of an element: its energy of the element itself is off,
or the correction that the Materials Project gives its anions was learned in part. The difference of
a compound is therefore modelled as Σ x_e·Δ_e, with x_e the share of element e among its atoms, and
Δ fitted by ridge regression to the compounds whose known crystal is among the shipped references
(structures that gencsp found are left out, since their known crystal is not). This has the form of
the fitted reference energies of elements of Stevanović et al., Phys. Rev. B 85, 115104 (2012).

``find_references.py`` uses Δ to tell what formation energy CHGNet may be expected to give the known
crystal of a formula. The record says how well that is told for compounds that were left out of the
fit, and which crystals the rules of acceptance then take for the known one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from reference_coverage import TABLE, lowest_energies, table_rows
from reference_sources import FOUND

from gencsp.composition import Composition
from gencsp.convex_hull.entries import DEFAULT_MODEL, HullEntry, shipped_references
from gencsp.convex_hull.hull import Hull
from gencsp.measure.record import record
from gencsp.measure.statistics import WILSON, share

OFFSETS = Path(__file__).with_name("formation_offsets.json")
RECORD = Path(__file__).parents[1] / "benchmarks" / "results" / "formation_offsets.json"
#: eV/atom: a structure is the table's phase or as good where its formation energy is at most so far
#: above the table's, or above the one expected of CHGNet.
CLOSE = 0.02
#: Weight of Σ Δ² in the regression: an element of few compounds stays near zero.
RIDGE = 0.1
FOLDS = 5
#: eV/atom above the lowest crystal of the formula: how far other crystals are, in the record.
HIGHER = ((0.01, 0.02), (0.02, 0.05), (0.05, 0.1), (0.1, np.inf))


@dataclass(frozen=True, slots=True)
class Known:
    """A compound of the table whose known crystals were relaxed.

    Attributes:
        composition: reduced.
        table: the lowest formation energy of the table, eV/atom.
        energies: CHGNet's formation energies of the crystals, eV/atom, lowest first.
    """

    composition: Composition
    table: float
    energies: tuple[float, ...]

    @property
    def difference(self) -> float:
        """CHGNet's lowest less the table's, eV/atom."""
        return self.energies[0] - self.table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("energies", type=Path)
    parser.add_argument("--references", type=Path, default=TABLE, help="as they ship")
    parser.add_argument("--seed", type=int, default=0, help="of the parts that are left out")
    options = parser.parse_args()
    known = known_compounds(options.energies, options.references)
    offsets = fit_offsets(known)
    text = json.dumps({symbol: round(value, 4) for symbol, value in offsets.items()}, indent=1)
    OFFSETS.write_text(text + "\n", encoding="utf-8")
    record(
        RECORD,
        measured="how well offsets by element tell CHGNet's formation energy from the Materials "
        "Project's, and which relaxed crystals the rules of acceptance take for the known one",
        sample_size={"compounds": len(known)},
        seed=options.seed,
        intervals=(WILSON,),
        protocol={
            "data": options.energies.name,
            "references": options.references.name,
            "left_out": f"offsets are fitted without the fifth that is judged ({FOLDS} parts)",
            "close": CLOSE,
            "known crystal": "the lowest that CHGNet finds among the crystals of the sources",
            "in_sample": "CHGNet was trained on Materials Project data, which hold these crystals",
        },
        results=judge(known, options.seed),
    )


def element_hull() -> Hull:
    """The elements alone, as the shipped references have them: E_d to it is a formation energy."""
    entries = shipped_references().entries
    elements: list[HullEntry] = [e for e in entries if len(e.composition.elements) == 1]
    return Hull(elements, model=DEFAULT_MODEL)


def known_compounds(energies: Path, references: Path) -> list[Known]:
    """Compounds that the table and the crystals of the sources both have."""
    lowest, elements = lowest_energies(energies), element_hull()
    crystals: dict[Composition, list[float]] = {}
    for row in table_rows(references):
        if row["energy_per_atom"] and row["source"] != FOUND:
            composition = Composition.parse(row["formula"]).reduced
            crystals.setdefault(composition, []).append(float(row["energy_per_atom"]))
    known: list[Known] = []
    for key, found in crystals.items():
        if key in lowest and len(key.elements) > 1:
            composition, table = lowest[key]
            formation = (elements.decomposition_energy(composition, e) for e in sorted(found))
            known.append(Known(composition, table, tuple(formation)))
    return known


def fit_offsets(known: Sequence[Known]) -> dict[str, float]:
    """Δ by element, eV/atom, that minimises Σ (difference − Σ x_e·Δ_e)² + ``RIDGE``·Σ Δ_e²."""
    symbols = sorted({symbol for one in known for symbol in one.composition.elements})
    shares = np.zeros((len(known), len(symbols)))
    for row, one in zip(shares, known, strict=True):
        for symbol, count in one.composition.counts:
            row[symbols.index(symbol)] = count / one.composition.size
    differences = np.array([one.difference for one in known])
    normal = shares.T @ shares + RIDGE * np.eye(len(symbols))
    solved: NDArray[np.float64] = np.linalg.solve(normal, shares.T @ differences)
    return dict(zip(symbols, map(float, solved), strict=True))


def offset_of(composition: Composition, offsets: Mapping[str, float]) -> float:
    """Σ x_e·Δ_e, eV/atom; an element without an offset counts as zero."""
    total = sum(count * offsets.get(symbol, 0.0) for symbol, count in composition.counts)
    return total / composition.size


def read_offsets(path: Path = OFFSETS) -> dict[str, float]:
    """Δ by element, eV/atom."""
    offsets: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return offsets


def judge(known: Sequence[Known], seed: int) -> dict[str, Any]:
    """Errors before and after, and shares that the rules accept, each part judged by the others."""
    order = np.random.default_rng(seed).permutation(len(known))
    before: list[float] = []
    after: list[float] = []
    verdicts: dict[str, list[tuple[bool, bool]]] = {}
    for part in np.array_split(order, FOLDS):
        kept = [known[i] for i in np.setdiff1d(order, part)]
        offsets = fit_offsets(kept)
        for one in (known[i] for i in part):
            offset = offset_of(one.composition, offsets)
            before.append(abs(one.difference))
            after.append(abs(one.difference - offset))
            for energy in dict.fromkeys(one.energies):
                above = energy - one.table
                verdict = (above <= CLOSE, above - offset <= CLOSE)
                verdicts.setdefault(_group(energy - one.energies[0]), []).append(verdict)
    return {
        "mean absolute difference, eV/atom": round(float(np.mean(before)), 4),
        "mean absolute difference without the offset, eV/atom": round(float(np.mean(after)), 4),
        "accepted": {
            group: _accepted(verdicts[group]) for group in sorted(verdicts) if group != "same"
        },
    }


def _group(above: float) -> str:
    """The name of a crystal's group, by how far it is above the lowest of its formula."""
    if above == 0.0:
        return "0 the known crystal"
    for number, (low, high) in enumerate(HIGHER, start=1):
        if low < above <= high:
            upper = f"-{1000 * high:.0f}" if np.isfinite(high) else " and more"
            return f"{number} another, {1000 * low:.0f}{upper} meV/atom higher"
    return "same"


def _accepted(verdicts: Iterable[tuple[bool, bool]]) -> dict[str, Any]:
    cases = list(verdicts)
    return {
        "close to the table": share(sum(table for table, _ in cases), len(cases)),
        "close to what is expected": share(sum(expected for _, expected in cases), len(cases)),
        "either": share(sum(any(case) for case in cases), len(cases)),
    }


if __name__ == "__main__":
    main()
