"""What the call takes beside whole formulas and numbers: the same as the command does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import pytest
from typer.testing import CliRunner

import gencsp
from gencsp.cli import app
from gencsp.errors import NearestFormulaWarning, RequestError
from gencsp.runs.decks import ProposeDeck, SearchDeck

RANDOM: dict[str, Any] = {"proposer": "random", "n": 2, "seed": 3}


def test_a_formula_with_broken_numbers_is_the_cell_that_the_command_takes(tmp_path: Path) -> None:
    with pytest.warns(NearestFormulaWarning, match="at most 16 atoms, LiCo2O4"):
        called = list(gencsp.propose("Li0.5CoO2", max_atoms=16, **RANDOM))
    line = f"propose Li0.5CoO2 --atoms 16 -n 2 --seed 3 --proposer random --out {tmp_path}"
    assert CliRunner().invoke(app, line.split()).exit_code == 0
    commanded = ase.io.read(tmp_path / "proposals.extxyz", ":")
    assert [a.get_chemical_formula() for a in called] == [
        a.get_chemical_formula() for a in commanded
    ]
    for ours, theirs in zip(called, commanded, strict=True):
        assert ours.positions == pytest.approx(theirs.positions, abs=1e-6)


def test_a_limit_too_low_for_broken_numbers_is_told() -> None:
    with pytest.raises(RequestError, match="Allow 10 atoms"):
        gencsp.propose("Li0.388Ta0.238La0.475Cl3", max_atoms=3, **RANDOM)


@pytest.mark.parametrize(
    ("text", "numbers"), [("160", (160,)), ("160, 166", (160, 166)), (160, (160,)), ([166], (166,))]
)
def test_numbers_may_be_a_text_as_on_the_command_line(text: Any, numbers: tuple[int, ...]) -> None:
    made = list(gencsp.propose("ZnS", space_groups=text, max_atoms=8, **RANDOM))
    plain = list(gencsp.propose("ZnS", space_groups=numbers, max_atoms=8, **RANDOM))
    assert [a.positions.tolist() for a in made] == [a.positions.tolist() for a in plain]
    assert {a.info["proposed_space_group"] for a in made} <= set(numbers)
    for kind in (ProposeDeck, SearchDeck):
        assert kind.make(formula="ZnS", space_groups=text).space_groups == numbers
    assert {len(a) for a in gencsp.propose("ZnS", formula_units="2", **RANDOM)} == {4}


@pytest.mark.parametrize("wrong", ["P1", "160 166", "0", "", {"160": 1}, True, 2.5])
def test_what_is_no_number_is_refused_whole(wrong: Any) -> None:
    with pytest.raises(
        RequestError, match=r"space_groups is .*: give a tuple, each a whole number"
    ):
        gencsp.propose("ZnS", space_groups=wrong, **RANDOM)
    with pytest.raises(
        RequestError, match=r"formula_units is .*: give a tuple, each a whole number"
    ):
        gencsp.propose("ZnS", formula_units=wrong, **RANDOM)


def test_a_preset_knows_the_elements_of_broken_numbers() -> None:
    with pytest.warns(NearestFormulaWarning):
        deck = ProposeDeck.make(formula="Li2.5Si", preset="chggen")
    assert (deck.formula, deck.volume) == ("Li5Si2", 16.0)
