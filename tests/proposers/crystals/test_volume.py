"""Volumes from composition: known crystals, the card's promises, and behaviour at the edges."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Element

from gencsp.composition import ELEMENTS, Composition
from gencsp.proposers.crystals.volume import family, predict_volume


# PBE or experimental volumes per atom, from the lattice constants of textbook structures.
@pytest.mark.parametrize(
    ("formula", "volume"),
    [
        ("Al", 4.04**3 / 4),
        ("Cu", 3.61**3 / 4),
        ("NaCl", 5.69**3 / 8),
        ("MgO", 4.24**3 / 8),
        ("GaAs", 5.70**3 / 8),
        ("CsCl", 4.17**3 / 2),
        ("SrTiO3", 3.94**3 / 5),
        ("LiSi", 15.3),
        ("Li15Si4", 14.0),
        ("ZnP2S6", 22.0),
    ],
)
def test_known_crystals(formula: str, volume: float) -> None:
    assert predict_volume(Composition.parse(formula)).value == pytest.approx(volume, rel=0.12)


@pytest.mark.parametrize("symbol", ELEMENTS)
def test_every_element_has_a_volume(symbol: str) -> None:
    prediction = predict_volume(Composition.parse(symbol))
    assert 3.0 < prediction.value < 120.0
    assert 0 < prediction.spread < 0.3 * prediction.value


@settings(deadline=None, max_examples=50, derandomize=True)
@given(
    counts=st.dictionaries(st.sampled_from(ELEMENTS), st.integers(1, 8), min_size=1, max_size=5),
    units=st.integers(1, 4),
)
def test_order_and_multiples_do_not_matter(counts: dict[str, int], units: int) -> None:
    prediction = predict_volume(Composition.from_counts(counts))
    multiplied = {symbol: units * n for symbol, n in reversed(counts.items())}
    again = predict_volume(Composition.from_counts(multiplied))
    assert again.value == pytest.approx(prediction.value)
    assert again.spread == pytest.approx(prediction.spread)
    assert np.isfinite(prediction.value)
    assert prediction.value > 0


@pytest.mark.parametrize("symbol", ELEMENTS)
def test_families_agree_with_pymatgen(symbol: str) -> None:
    element = Element(symbol)
    if element.is_lanthanoid:
        expected = 18
    elif element.is_actinoid:
        expected = 19
    else:
        expected = element.group - 1
    assert family(symbol) == expected


def test_card_states_source_and_error() -> None:
    text = resources.files("gencsp").joinpath("data/volume.card.json").read_text("utf-8")
    card = json.loads(text)
    assert "CC-BY-4.0" in card["data"]["source"]
    assert card["held_out"]["crystals"] > 0
    errors = card["facts"]["relative_error_percent"]
    assert errors["q50"] < 4
    assert errors["q90"] < 11
