"""Fit how compositions shrink under pressure; write ``gencsp/data/compression.json``, its card.

    python tools/fit_compression.py relax --checkpoint compressed.jsonl --exclude held_out.txt
    python tools/fit_compression.py fit --checkpoint compressed.jsonl --exclude held_out.txt

``relax`` compresses reference crystals that ship with gencsp, with CHGNet; it goes on where it was
stopped. ``fit`` fits the bulk modulus of a composition to their volumes; the model is in
``gencsp/proposers/crystals/compression.py``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from cards import held_out_list, write_card
from numpy.typing import NDArray
from oqmd_icsd import SOURCE, excluded_formulas

from gencsp import records
from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.crystals import shipped_crystals
from gencsp.minimise.settings import RelaxSettings
from gencsp.potentials import get_potential
from gencsp.proposers.crystals.compression import compressed
from gencsp.proposers.crystals.volume import predict_volume

Array = NDArray[np.float64]
#: GPa.
PRESSURES = (0.0, 25.0, 100.0)
#: Formulas with each element, crystals of a formula, atoms of a crystal.
PER_ELEMENT, PER_FORMULA, MOST_ATOMS = 12, 4, 8
#: Left out of the fit, because ``benchmarks/pressure.py`` measures its error on them.
MEASURED = ("MgO", "SiO2", "MgSiO3", "C", "Si", "NaCl", "Fe2O3")
#: eV/Å; more would change volumes by less than the fit can know them.
FMAX = 0.1
RIDGE = 1.0
FOLDS = 10
DERIVATIVES = (3.0, 3.5, 4.0, 4.5, 5.0, 6.0)
#: Residuals of ln K beyond this count by their size, not by its square: CHGNet collapses some
#: crystals under pressures that are far from what it was trained on.
HUBER = 0.25
#: Limits of a crystal's modulus, GPa.
SOFTEST, HARDEST = 1.0, 1500.0
#: Share of the volume at no pressure below which a crystal has collapsed.
COLLAPSED = 0.42


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("relax", "fit"))
    parser.add_argument("--checkpoint", type=Path, required=True, help="JSON lines, one a crystal")
    parser.add_argument("--exclude", type=Path, help="reduced formulas to leave out, one a line")
    parser.add_argument("--out", type=Path, default=Path("gencsp/data/compression.json"))
    options = parser.parse_args()
    excluded = excluded_formulas(options.exclude)
    if options.stage == "relax":
        relax(options.checkpoint, excluded)
    else:
        fit_and_write(options.checkpoint, excluded, options.out)


def relax(checkpoint: Path, excluded: frozenset[Composition]) -> None:
    """Relax each crystal at all pressures, from the volume at one to that at the next."""
    done = {row["id"] for row in rows(checkpoint)}
    potential = get_potential("chgnet")
    with checkpoint.open("a", encoding="utf-8") as file:
        for atoms in drawn(excluded):
            name = str(atoms.info[records.STRUCTURE_ID])
            if name in done:
                continue
            row: dict[str, Any] = {"id": name, "formula": Composition.of(atoms).reduced.formula}
            row["volumes"], row["enthalpies"] = [], []
            for pressure in PRESSURES:
                settings = RelaxSettings(fmax=FMAX, steps=200, pressure=pressure)
                result = next(potential.relax([atoms], settings))
                if not result.converged:
                    break
                atoms = result.atoms
                row["volumes"].append(atoms.cell.volume / len(atoms))
                row["enthalpies"].append(result.enthalpy_per_atom)
            file.write(json.dumps(row) + "\n")
            file.flush()


def drawn(excluded: frozenset[Composition]) -> Iterator[Atoms]:
    """Crystals of formulas in random order, until there are enough with each of their elements."""
    groups: dict[Composition, list[Atoms]] = {}
    left_out = {*excluded, *(Composition.parse(text).reduced for text in MEASURED)}
    for atoms in shipped_crystals(ELEMENTS):
        formula = Composition.of(atoms).reduced
        if len(atoms) <= MOST_ATOMS and formula not in left_out:
            groups.setdefault(formula, []).append(atoms)
    formulas = sorted(groups, key=lambda one: one.formula_key)
    counts: Counter[str] = Counter()
    for number in np.random.default_rng(0).permutation(len(formulas)):
        formula = formulas[number]
        if min(counts[symbol] for symbol in formula.elements) < PER_ELEMENT:
            counts.update(formula.elements)
            yield from groups[formula][:PER_FORMULA]


def rows(checkpoint: Path) -> list[dict[str, Any]]:
    """What was relaxed so far."""
    if not checkpoint.exists():
        return []
    return [json.loads(line) for line in checkpoint.read_text("utf-8").splitlines()]


def stable_volumes(found: list[dict[str, Any]]) -> dict[Composition, Array]:
    """Volumes of the crystal of lowest enthalpy of each formula, Å³/atom, one a pressure."""
    groups: dict[Composition, list[dict[str, Any]]] = {}
    for row in found:
        if len(row["volumes"]) == len(PRESSURES):
            groups.setdefault(Composition.parse(row["formula"]), []).append(row)
    return {
        formula: np.array(
            [
                min(group, key=lambda row: row["enthalpies"][k])["volumes"][k]
                for k in range(len(PRESSURES))
            ]
        )
        for formula, group in groups.items()
    }


def fit_and_write(checkpoint: Path, excluded: frozenset[Composition], out: Path) -> None:
    found = rows(checkpoint)
    volumes = stable_volumes(found)
    formulas = list(volumes)
    shares = np.array([row_of(formula) for formula in formulas])
    ratios = np.array([volumes[f][1:] / volumes[f][0] for f in formulas])
    # The first pressure gives K, the last one K'.
    fits = {d: cross_validate(shares, moduli(ratios, d), ratios, d) for d in DERIVATIVES}
    best = min(fits, key=lambda d: float(np.median(np.abs(fits[d][:, -1]))))
    coefficients = solve(shares, np.log(moduli(ratios, best)))
    table = {
        "derivative": best,
        "log_modulus": round(float(coefficients[0]), 4),
        "volume_power": round(float(coefficients[1]), 4),
        "elements": {
            s: round(float(c), 4) for s, c in zip(ELEMENTS, coefficients[2:], strict=True)
        },
    }
    out.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
    errors = np.abs(fits[best])
    none = np.abs(1 / ratios - 1)
    card = write_card(
        out.with_suffix(".card.json"),
        what="bulk modulus of a composition; model in gencsp/proposers/crystals/compression.py",
        files=[out.name],
        data={
            "source": SOURCE,
            "selection": f"the crystals that ship with gencsp of at most {MOST_ATOMS} atoms, "
            f"{PER_FORMULA} of a formula, formulas in random order until {PER_ELEMENT} have each "
            "of their elements; relaxed with CHGNet 0.3.0 at each pressure, of each formula the "
            "crystal of lowest enthalpy",
            "crystals": len(found),
            "pressures_GPa": list(PRESSURES),
        },
        held_out={
            **held_out_list(excluded),
            "why": "benchmarks use their formulas, so the fit must not know them",
        },
        licence={"this": "CC-BY-4.0", "data": "CC-BY-4.0"},
        command="python tools/fit_compression.py fit --checkpoint CHECKPOINT --exclude HELD_OUT",
        facts={
            "formulas_fitted": len(formulas),
            "also_left_out": list(MEASURED),
            "ridge": RIDGE,
            "fit": f"ridge and Huber's loss; K from {PRESSURES[1]:g} GPa, K' the one of the least "
            f"median error at {PRESSURES[-1]:g} GPa",
            "collapsed_percent": {
                f"{pressure:g} GPa": round(100 * float(np.mean(ratios[:, k] < COLLAPSED)), 1)
                for k, pressure in enumerate(PRESSURES[1:])
            },
            "collapsed": f"below {COLLAPSED:g} of the volume at no pressure",
            "cross_validation": f"{FOLDS} folds, each formula in one fold only",
            "ratio_error_percent": {
                f"{pressure:g} GPa": {
                    f"q{q}": round(100 * float(np.quantile(errors[:, k], q / 100)), 2)
                    for q in (50, 68, 90)
                }
                for k, pressure in enumerate(PRESSURES[1:])
            },
            "ratio_error_percent_without": {
                f"{pressure:g} GPa": round(100 * float(np.median(none[:, k])), 2)
                for k, pressure in enumerate(PRESSURES[1:])
            },
            "versions": {"numpy": np.__version__},
        },
    )
    sys.stdout.write(json.dumps(card, indent=1, ensure_ascii=False) + "\n")


def row_of(formula: Composition) -> Array:
    """A one, ln of the predicted volume at no pressure, and the share of each element."""
    counts = dict(formula.counts)
    share = [counts.get(symbol, 0) / formula.size for symbol in ELEMENTS]
    return np.array([1.0, np.log(predict_volume(formula).value), *share])


def moduli(ratios: Array, derivative: float) -> Array:
    """Bulk moduli, GPa, from V(P)/V(0) at the first pressure, by Murnaghan's equation."""
    found = derivative * PRESSURES[1] / (ratios[:, 0] ** -derivative - 1)
    return np.asarray(np.clip(found, SOFTEST, HARDEST))


def solve(shares: Array, logs: Array) -> Array:
    """Robust ridge regression (Huber's, reweighted); constant and power are not shrunk."""
    penalty = np.full(shares.shape[1], RIDGE)
    penalty[:2] = 1e-6
    weights: Array = np.ones(len(logs))
    coefficients: Array = np.zeros(shares.shape[1])
    for _ in range(20):
        weighed = shares * weights[:, None]
        gram = weighed.T @ shares + np.diag(penalty)
        coefficients = np.asarray(np.linalg.solve(gram, weighed.T @ logs), dtype=np.float64)
        residuals = np.abs(logs - shares @ coefficients)
        weights = np.asarray(1 / np.maximum(1, residuals / HUBER), dtype=np.float64)
    return coefficients


def cross_validate(shares: Array, known: Array, ratios: Array, derivative: float) -> Array:
    """Relative error of V(P)/V(0) of each formula, by a fit that did not see it."""
    fold = np.random.default_rng(0).integers(FOLDS, size=len(shares))
    errors = np.empty(ratios.shape)
    pressures = np.array(PRESSURES[1:])
    for k in range(FOLDS):
        out = fold == k
        predicted = np.exp(shares[out] @ solve(shares[~out], np.log(known[~out])))
        made = compressed(pressures[None, :], predicted[:, None], derivative)
        errors[out] = made / ratios[out] - 1
    return errors


if __name__ == "__main__":
    main()
