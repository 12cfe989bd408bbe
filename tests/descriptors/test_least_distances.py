"""Least distances: one value whatever the order of its pairs, read, checked, and written."""

from __future__ import annotations

import pickle
from pathlib import Path
from random import Random

import numpy as np
import pytest
from ase.data import atomic_numbers, covalent_radii
from hypothesis import given
from hypothesis import strategies as st

from gencsp.descriptors.least_distances import LeastDistances
from gencsp.errors import DeckError, RequestError
from gencsp.filters.distances import PairSeparations
from gencsp.proposers.random import RandomProposer
from gencsp.proposers.scatter import ScatterProposer
from gencsp.runs.airss import read_airss
from gencsp.runs.decks import SearchDeck
from gencsp.runs.parts import NamedProposer, Scatter
from gencsp.runs.settings import save_deck, saved_deck, search_settings

SYMBOLS = ("Li", "Si", "O", "H", "Zn")
distances = st.floats(1e-3, 5, allow_nan=False)
pairs = st.dictionaries(
    st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(SYMBOLS)).map(lambda p: tuple(sorted(p))),
    distances,
    max_size=6,
)


@given(pairs, st.randoms())
def test_order_means_nothing(found: dict[tuple[str, str], float], random: Random) -> None:
    one = LeastDistances(tuple((a, b, d) for (a, b), d in found.items()))
    turned = [(b, a, d) for (a, b), d in found.items()]
    random.shuffle(turned)
    other = LeastDistances((*turned, *turned))
    assert one == other
    assert len({one, other}) == 1
    assert (str(one), one.texts, dict(one)) == (str(other), other.texts, found)
    for (a, b), distance in found.items():
        assert one[a, b] == one[b, a] == distance
        changed = [(x, y, d if (x, y) != (a, b) else 2 * d) for (x, y), d in found.items()]
        assert LeastDistances(tuple(changed)) != one
    assert LeastDistances.parse(str(one)) == LeastDistances.parse(one.by_name()) == one
    assert pickle.loads(pickle.dumps(one)) == one


@given(pairs, st.permutations(SYMBOLS), st.floats(0, 1), st.floats(0, 1))
def test_the_table_is_of_radii_but_for_what_is_named(
    found: dict[tuple[str, str], float], symbols: list[str], separation: float, closest: float
) -> None:
    given_pairs = LeastDistances(tuple((b, a, d) for (a, b), d in found.items()))
    table = given_pairs.least(symbols[:3], separation=separation, closest=closest)
    assert table.shape == (3, 3)
    for i, one in enumerate(symbols[:3]):
        for j, other in enumerate(symbols[:3]):
            radii = sum(covalent_radii[atomic_numbers[symbol]] for symbol in (one, other))
            first, second = sorted((one, other))
            own = found.get((first, second))
            expected = max(separation * radii, closest) if own is None else own
            assert table[i, j] == pytest.approx(expected)


def test_no_pair_is_nearer_than_nuclei_come() -> None:
    assert LeastDistances().least(("H",), separation=0.1)[0, 0] == 0.5
    assert LeastDistances.parse("H-H=0.4").least(("H",), separation=0.1)[0, 0] == 0.4


def test_text_keeps_every_digit() -> None:
    close = LeastDistances.parse("Si-O=1.5"), LeastDistances.parse({"O-Si": 1.5 + 1e-9})
    assert close[0].texts == ["O-Si=1.5"]
    assert close[0].texts != close[1].texts
    assert str(LeastDistances.parse(" Si-O = 2.0 , O-O=2.2,")) == "O-O=2.2,O-Si=2"


def test_of_two_the_second_counts() -> None:
    both = LeastDistances.parse("Si-O=1.5,O-O=2") | LeastDistances.parse("O-Si=1.7,Si-Si=3")
    assert both == LeastDistances.parse("O-O=2,O-Si=1.7,Si-Si=3")


@pytest.mark.parametrize(
    ("given_text", "says"),
    [
        ("Si-O", "write Si-O=1.5"),
        ("Si=1.5", "write Si-O=1.5"),
        ("Si-O-O=1.5", "write Si-O=1.5"),
        ("Si-O=far", "'far'"),
        ("Si-Xx=1", "not an element"),
        ("Si-X=1", "not an element"),
        ("Si-O=0", "least distance of O-Si is"),
        ("Si-O=-1", "least distance of O-Si is"),
        ("Si-O=nan", "least distance of O-Si is"),
        ("Si-O=inf", "least distance of O-Si is"),
        ("Si-O=1.5,O-Si=1.6", "two least distances, 1.5 and 1.6"),
        (["Si-O"], "written as Si-O=1.5"),
    ],
)
def test_what_is_none(given_text: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        LeastDistances.parse(given_text)
    with pytest.raises(DeckError, match=f"separations.*{says}"):
        SearchDeck.make(formula="SiO2", separations=given_text)
    with pytest.raises(DeckError, match=f"separations.*{says}"):
        PairSeparations.from_options({"separations": given_text})


def test_elements_must_be_of_the_search() -> None:
    apart = LeastDistances.parse("Si-O=1.5")
    apart.require_elements(("O", "Ti", "Si"))
    with pytest.raises(RequestError, match=r"'O-Si' = 1.5 .* which has O, Ti"):
        apart.require_elements(("Ti", "O"))
    with pytest.raises(RequestError, match="O-Si"):
        search_settings(SearchDeck.make(formula="TiO2", separations={"Si-O": 1.5}))


def test_one_value_from_the_deck_to_the_workers(tmp_path: Path) -> None:
    """However a deck writes it, makers are equal, so a worker makes each proposer once."""
    apart = LeastDistances.parse("O-O=2,Si-O=1.5")
    decks = [
        SearchDeck.make(formula="SiO2", separations=written)
        for written in ({"O-Si": 1.5, "O-O": 2}, {"O-O": "2.0", "Si-O": 1.5}, "Si-O=1.5,O-O=2")
    ]
    settings = [search_settings(deck) for deck in decks]
    assert {s.separations for s in settings} == {apart}
    assert [s.manifest()["separations"] for s in settings] == [["O-O=2", "O-Si=1.5"]] * 3
    assert len({NamedProposer("random", separations=s.separations) for s in settings}) == 1
    made = NamedProposer("random", separations=apart)()
    scattered = Scatter(apart)()
    assert isinstance(made, RandomProposer)
    assert isinstance(scattered, ScatterProposer)
    assert made.min_separations == scattered.separations == apart
    save_deck(decks[0], tmp_path)
    assert saved_deck(tmp_path).separations == apart


def test_airss_decks_speak_of_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.cell"
    text = "#SPECIES=Si%NUM=1,O%NUM=2\n#NFORM=2\n#SLACK=0.1\n#MINSEP="
    path.write_text(text + "1 Si-O=1.5\n")
    deck = SearchDeck.make(airss=path, separations="O-O=2.5")
    assert np.allclose(
        search_settings(deck).separations.least(("O", "Si"), separation=0.5),
        [[2.5, 1.35], [1.35, 0.9]],
    )
    for wrong, says in (("Si-Oo=1.5", "not an element"), ("0", "positive"), ("inf", "positive")):
        path.write_text(text + wrong + "\n")
        with pytest.raises(DeckError, match=f"MINSEP.*{says}"):
            read_airss(path)


def test_a_filter_asks_for_the_same() -> None:
    one = PairSeparations.from_options({"separations": {"Li-O": 1.9}})
    other = PairSeparations.from_options({"separations": "O-Li=1.9"})
    assert one == other
    assert one.separations["O", "Li"] == 1.9
