"""The table without a formula's own crystals, and the regression of a law that is known."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import fit_confidence as fitting
import numpy as np
import pytest

from gencsp.composition import Composition
from gencsp.proposers.crystals.confidence import Votes, confidence
from gencsp.proposers.crystals.symmetry_prior import symmetry_prior

LAW = {"bias": 1.0, "share": 0.4, "likeness": 0.6, "free": -0.3, "generated": -0.8}


def formulas(composition: Composition, units: int) -> list[str]:
    """Of the known crystals that have a skeleton for a composition."""
    known = symmetry_prior().known(composition, (units,))
    return [
        one.composition.reduced.formula_key
        for candidate in known.candidates()
        for one in candidate.crystals
    ]


@pytest.mark.parametrize(("formula", "units"), [("NaCl", 1), ("VF2", 2), ("MnAl2O4", 2)])
def test_own_crystals_are_left_out_for_a_while_and_no_others(formula: str, units: int) -> None:
    composition = Composition.parse(formula)
    before = formulas(composition, units)
    own = composition.formula_key
    assert own in before
    with fitting.without(composition, units):
        without = formulas(composition, units)
    assert sorted(without) == sorted(one for one in before if one != own)
    assert formulas(composition, units) == before


def test_the_table_is_whole_again_after_an_error() -> None:
    composition = Composition.parse("NaCl")
    before = formulas(composition, 1)
    with pytest.raises(RuntimeError), fitting.without(composition, 1):
        raise RuntimeError
    assert formulas(composition, 1) == before


@pytest.fixture(scope="module")
def sample() -> list[dict[str, Any]]:
    """Tries that are right as often as the law says."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(1500):
        tries = []
        for share in sorted(rng.random(6), reverse=True):
            votes = Votes(
                share=float(share),
                likeness=float(rng.random() ** 3),
                n_free=int(rng.integers(0, 20)),
                generated=bool(rng.random() < 0.3),
            )
            tries.append(asdict(votes) | {"right": bool(rng.random() < confidence(votes, LAW))})
        rows.append({"formula": "", "atoms": 8, "tries": tries})
    return rows


def test_the_law_is_found_and_its_confidences_are_calibrated(sample: list[dict[str, Any]]) -> None:
    found = fitting.fitted(sample)
    for name, weight in LAW.items():
        assert found[name] == pytest.approx(weight, abs=0.25 if name == "bias" else 0.1)
    rates = fitting.rates(sample, fitting.cross_validated(sample))
    assert rates["said"] == pytest.approx(rates["share"], abs=0.03)
    by_share = [np.array([one.share for one in fitting.votes_of(row)]) for row in sample]
    shares = fitting.rates(sample, by_share)
    assert shares["share"] == rates["share"], "the order stays as it is"
    assert shares["calibration_error"] > 2 * rates["calibration_error"]
