"""Decks: what they mean, and what they refuse by name."""

from __future__ import annotations

from pathlib import Path

import pytest

import gencsp
from gencsp.errors import DeckError
from gencsp.runs.decks import CycleDeck

DECK = Path(gencsp.__file__).parent.parent / "drivers" / "cycle.toml"


def test_the_deck_of_the_driver() -> None:
    deck = CycleDeck.read(DECK)
    assert (deck.formula, deck.guests, deck.n) == ("Li5Si2", ("Li",), 20)
    defaults = CycleDeck.make(formula="Li5Si2", guests=("Li",), out=deck.out)
    assert deck == defaults
    assert CycleDeck.make(formula="Li5Si2", seed=3).folder == Path("runs/Li5Si2-3")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lacks the key 'formula'"),
        ('formula = "Si"\natom = 3', "unknown key 'atom'"),
        ('formula = "Si"\nn = 0', "'n' is 0: input should be greater than or equal to 1"),
        ('formula = "Si"\nn = "many"', "'n' is 'many'"),
        ('formula = "Si"\nengine = "warp"', "'engine' is 'warp'"),
        ('formula = "Si"\nfmax = 0.0', "'fmax'"),
        ("formula = ", "is not TOML"),
        ('formula = "\udce9"', "is not TOML"),
    ],
)
def test_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "deck.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DeckError) as caught:
        CycleDeck.read(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_deck(tmp_path: Path) -> None:
    with pytest.raises(DeckError, match="cannot be read"):
        CycleDeck.read(tmp_path / "none.toml")
