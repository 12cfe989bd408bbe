"""Filter A by a table of the user's, in the form of PIGEN's authors, by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from gencsp.errors import StructureFileError
from gencsp.filters import get_filter

TABLE = {
    "Cl-Na": {"0.0": 9e4, "2.0": 50.0, "2.5": 1.0, "3.0": -1.0, "11.0": 0.0},
    "Na-Na": {"11.0": 0.25, "4.0": 0.5, "0.0": 9e4},
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.json"
    path.write_text(json.dumps(TABLE), "utf-8")
    return path


def chain(*places: float, symbols: str, cell: float = 20.0) -> Atoms:
    return Atoms(symbols, [(x, 0, 0) for x in places], cell=[cell] * 3, pbc=True)


@pytest.mark.parametrize(
    ("structure", "score"),
    [
        # The first edge above 2.4 Å; a distance on an edge counts with the next.
        (chain(0, 2.4, symbols="NaCl"), 1.0),
        (chain(0, 2.5, symbols="ClNa"), -1.0),
        # Below the first and beyond the last edge.
        (chain(0, 1.0, symbols="NaCl"), 50.0),
        (chain(0, 12.0, symbols="NaNa", cell=40), 0.25),
        # The nearest image: 20 - 17.6 Å.
        (chain(0, 17.6, symbols="NaCl"), 1.0),
        # Three pairs: Na-Cl at 2.4 and 2.8, Na-Na at 5.2 Å.
        (chain(0, 2.4, 5.2, symbols="NaClNa"), (1.0 - 1.0 + 0.25) / 3),
    ],
)
def test_scores_by_hand(structure: Atoms, score: float, table: Path) -> None:
    verdict = get_filter("pair_potential", {"table": table}).judge(structure)
    assert verdict.value == pytest.approx(score)
    assert verdict.passed is (score <= 0.362)
    assert verdict.threshold == (-np.inf, 0.362)


def test_a_threshold_of_ones_own(table: Path) -> None:
    one = get_filter("pair_potential", {"table": table, "threshold": 2.0})
    assert one.judge(chain(0, 2.4, symbols="NaCl")).passed


@pytest.mark.parametrize(
    ("structure", "note"),
    [
        (chain(0, 2.4, symbols="NaBr"), "does not hold Br-Na"),
        (chain(0, 2.4, symbols="ClCl"), "does not hold Cl-Cl"),
        (chain(0, symbols="Na"), "one atom"),
    ],
)
def test_what_has_no_score_does_not_pass(structure: Atoms, note: str, table: Path) -> None:
    verdict = get_filter("pair_potential", {"table": table}).judge(structure)
    assert not verdict.passed
    assert np.isnan(verdict.value)
    assert note in verdict.note


@pytest.mark.parametrize(
    "text",
    ["no JSON", "[1, 2]", '{"Na": {"1.0": 2}}', '{"Na-Cl": {"near": 2}}', '{"Na-Cl": {}}', "{}"],
)
def test_a_file_that_is_no_table_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text, "utf-8")
    with pytest.raises(StructureFileError, match=r"wrong\.json"):
        get_filter("pair_potential", {"table": path}).judge(chain(0, 2.4, symbols="NaCl"))
    with pytest.raises(StructureFileError, match=r"missing\.json"):
        get_filter("pair_potential", {"table": tmp_path / "missing.json"}).judge(
            chain(0, 2.4, symbols="NaCl")
        )
