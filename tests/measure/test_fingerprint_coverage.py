"""COV-R and COV-P are those of CDVAE's program."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from cdvae_crystals import REFERENCE, crystals
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gencsp.measure import coverage as module
from gencsp.measure.coverage import CUTOFFS, Cutoffs, Fingerprints, coverage
from gencsp.measure.structure_fingerprint import LENGTH

KNOWN = REFERENCE["coverage"]
CASES = [name for name in KNOWN if name not in {"generated", "known"}]


@pytest.fixture(scope="module")
def sides() -> tuple[Fingerprints, Fingerprints]:
    """Computed by gencsp, from the crystals."""
    some = crystals()
    generated, known = (
        Fingerprints.of(some[name] for name in KNOWN[side]) for side in ("generated", "known")
    )
    return generated, known


@pytest.mark.parametrize("case", CASES)
def test_coverage_is_that_of_the_program_of_cdvae(
    sides: tuple[Fingerprints, Fingerprints], case: str
) -> None:
    expected = KNOWN[case]
    found = coverage(*sides, Cutoffs(*expected["cutoffs"]))
    assert found.recall == expected["cov_recall"]
    assert found.precision == expected["cov_precision"]
    means = {
        "amsd_recall": found.structure_recall,
        "amsd_precision": found.structure_precision,
        "amcd_recall": found.composition_recall,
        "amcd_precision": found.composition_precision,
    }
    assert means == pytest.approx({name: expected[name] for name in means}, abs=1e-5)


def test_the_cutoffs_are_those_of_cdvae() -> None:
    assert CUTOFFS["perov_5"] == CUTOFFS["carbon_24"] == Cutoffs(0.2, 4.0)
    assert CUTOFFS["mp_20"] == Cutoffs(0.4, 10.0)


def side(rows: NDArray[np.float64]) -> Fingerprints:
    """Of two numbers for each crystal: one by structure, one by composition."""
    structure, composition = np.zeros((len(rows), LENGTH)), np.zeros((len(rows), 132))
    structure[:, 3], composition[:, 7] = rows.reshape(-1, 2).T
    return Fingerprints(structure, composition)


def test_structure_and_composition_may_be_covered_by_different_crystals() -> None:
    known = side(np.array([[0.0, 0.0]]))
    apart = side(np.array([[0.0, 50.0], [50.0, 0.0]]))
    found = coverage(apart, known, Cutoffs(0.2, 4.0))
    assert (found.recall, found.precision) == (1.0, 0.0)


def test_a_distance_of_the_cutoff_itself_covers() -> None:
    found = coverage(side(np.array([[0.25, 4.0]])), side(np.zeros((1, 2))), Cutoffs(0.25, 4.0))
    assert (found.recall, found.precision) == (1.0, 1.0)


def test_what_has_no_fingerprint_counts_and_covers_nothing() -> None:
    rows = np.array([[0.0, 0.0], [np.nan, 0.0]])
    found = coverage(side(rows), side(rows), Cutoffs(1.0, 1.0))
    assert (found.generated, found.generated_covered) == (2, 1)
    assert (found.known, found.known_covered) == (2, 1)
    assert found.structure_precision == 0.0
    nothing = coverage(side(rows[1:]), side(rows[:1]), Cutoffs(1.0, 1.0))
    assert (nothing.recall, nothing.precision) == (0.0, 0.0)
    assert np.isnan(nothing.structure_precision)


def test_those_of_nothing() -> None:
    none, one = side(np.zeros((0, 2))), side(np.zeros((1, 2)))
    assert np.isnan(coverage(none, one, Cutoffs(1.0, 1.0)).precision)
    assert np.isnan(coverage(one, none, Cutoffs(1.0, 1.0)).recall)
    assert len(Fingerprints.of([])) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 9))
def test_coverage_by_its_definition(seed: int, n: int, m: int) -> None:
    """Written out pair by pair; the other way round recall and precision change places."""
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=(n, 2)), rng.normal(size=(m, 2))
    cutoffs = Cutoffs(0.3, 0.5)
    found = coverage(side(one), side(other), cutoffs)
    covered = sum(
        any(abs(a[0] - b[0]) <= 0.3 for b in other) and any(abs(a[1] - b[1]) <= 0.5 for b in other)
        for a in one
    )
    assert found.generated_covered == covered
    back = coverage(side(other), side(one), cutoffs)
    assert (found.recall, found.precision) == (back.precision, back.recall)
    order = rng.permutation(n)
    assert coverage(side(one[order]), side(other), cutoffs).known_covered == found.known_covered


def test_tables_of_distances_are_made_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    one, other = side(rng.normal(size=(7, 2))), side(rng.normal(size=(5, 2)))
    whole = coverage(one, other, Cutoffs(0.3, 0.5))
    monkeypatch.setattr(module, "_ROWS", 2)
    assert coverage(one, other, Cutoffs(0.3, 0.5)) == whole


def test_a_crystal_covers_itself_in_another_cell() -> None:
    one = Fingerprints.of([bulk("NaCl", "rocksalt", a=5.64)])
    other = Fingerprints.of([bulk("NaCl", "rocksalt", a=5.64, cubic=True)])
    found = coverage(one, other, CUTOFFS["perov_5"])
    assert (found.recall, found.precision) == (1.0, 1.0)
