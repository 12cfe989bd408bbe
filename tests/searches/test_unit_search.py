"""Searches of crystals of rigid units: moves, the method that trains its own model, bad input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from ase import Atoms
from unit_salts import Instant

import gencsp
from gencsp.composition import Composition
from gencsp.errors import DeckError, RequestError, UnitError
from gencsp.plugins import Choice
from gencsp.proposers.base import Request
from gencsp.proposers.units.crystal import UnitCrystal
from gencsp.proposers.units_random import RandomUnitsProposer
from gencsp.runs.decks import SearchDeck
from gencsp.runs.parts import NamedProposer
from gencsp.runs.search import open_search
from gencsp.runs.settings import search_settings
from gencsp.searches import bootstrap
from gencsp.searches.starts import ProposerStarts
from gencsp.units.lookup import get_unit
from gencsp.units.members import Members

#: Eight atoms. A function that cannot be pickled keeps the work in this process.
SMALL: dict[str, Any] = {
    "formula": "NaNH2",
    "units": "NH2",
    "formula_units": 2,
    "hull": "none",
    "potential": lambda: Instant(),
    "workers": 1,
    "ahead": 4,
    "same": "close",
}


def run_of(**settings: Any) -> tuple[list[tuple[str, float]], Any]:
    """Moves and energies of the trials of a search, and the search."""
    with open_search(SearchDeck.make(**{**SMALL, **settings}), in_memory=True) as run:
        run.run()
    return [(result.move, result.fitness) for result in run.results], run


@pytest.mark.parametrize("method", ["hop", "genetic:population=3"])
def test_searches_move_units_as_a_whole(method: str) -> None:
    trials, run = run_of(method=method, budget=14, seed=2)
    moves = {move for move, _ in trials}
    assert moves - {"random"} <= {
        "rotate-unit", "translate-unit", "exchange-units", "flip-unit", "rattle", "strain",
    }  # fmt: skip
    assert len(moves) > 2
    assert run.context.relax.rigid_units
    found = [result.atoms for result in run.results if result.atoms is not None]
    assert len(found) > 7
    for atoms in found:
        assert Counter(Members.of(atoms).names) == {"NH2": 2, "Na": 2}
        assert ("unit_crystal" in atoms.info) is (atoms.info["move"] == "units-random")


class FakeModel:
    """Proposes random crystals of units, and remembers what it was trained on."""

    trained: ClassVar[list[list[float]]] = []

    def __init__(self, number: int) -> None:
        self.number = number
        self.failures: Counter[str] = Counter({"units too close": 2})
        self.digest = f"{number:012d}"

    @classmethod
    def fit(cls, examples: Sequence[Any], settings: Any, *, rng: np.random.Generator) -> FakeModel:
        assert settings.training.epochs == 7
        assert settings.learn_from == 0.5
        cls.trained.append([example.energy for example in examples])
        assert all(isinstance(example.crystal, UnitCrystal) for example in examples)
        return cls(int(rng.integers(10**6)))

    def sample(self, n: int, *, guidance: float, rng: np.random.Generator) -> Iterator[UnitCrystal]:
        assert guidance == 2.0
        proposer = RandomUnitsProposer([get_unit("NH2")])
        composition = Composition.parse("NaNH2")
        for units in (2, 3):  # the search has cells of two alone
            request = Request(composition=composition, n=n, units=(units,))
            yield from (crystal for crystal, _ in proposer.crystals(request, rng=rng))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> type[FakeModel]:
    monkeypatch.setattr("gencsp.proposers.units.bootstrap_model.UnitModel", FakeModel)
    monkeypatch.setattr(bootstrap, "FEWEST", 4)
    FakeModel.trained = []
    return FakeModel


LEARNING = {
    "method": "units:first=6,every=5,random=0.2,guidance=2,epochs=7,learn_from=0.5",
    "seed": 4,
}


def test_the_model_learns_from_all_that_was_found_and_proposes(model: type[FakeModel]) -> None:
    trials, run = run_of(**LEARNING, budget=18)
    moves = [move for move, _ in trials]
    assert set(moves[:6]) == {"random"}
    assert moves.count("guided") >= 5
    assert "random" in moves[10:]
    assert [len(energies) for energies in model.trained] == [
        sum(np.isfinite(energy) for _, energy in trials[:told]) for told in (6, 11, 16)
    ]
    assert model.trained[0] == [energy for _, energy in trials[:6] if np.isfinite(energy)]
    assert run.strategy.trainings == 3
    assert run.strategy.left_out["units too close"] == 6
    guided = [one.atoms for one in run.results if one.move == "guided" and one.atoms is not None]
    for atoms in guided:
        assert atoms.info["proposer"] == "units"
        assert atoms.info["model"].isdecimal()
        assert atoms.info["parents"].startswith("units-00")
        assert "unit_crystal" in atoms.info
    shares = {one.move: one for one in run.strategy.move_stats()}
    assert shares["guided"].tried == moves.count("guided")
    assert sum(one.share for one in shares.values()) == pytest.approx(1)


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(
    model: type[FakeModel], tmp_path: Path
) -> None:
    whole, _ = run_of(**LEARNING, budget=14)
    trained = model.trained
    model.trained = []
    deck = SearchDeck.make(**{**SMALL, **LEARNING, "budget": 9, "out": tmp_path / "run"})
    with open_search(deck) as run:
        run.run()
    model.trained = []
    with open_search(deck.model_copy(update={"budget": 14})) as run:
        run.run()
    assert [(one.move, one.fitness) for one in run.results] == whole
    assert model.trained == trained


def test_structures_that_broke_or_left_their_arrangement_are_not_learnt_from() -> None:
    _, run = run_of(method="random", budget=1, seed=1)
    atoms = run.results[0].atoms
    settings: dict[str, Any] = {
        "schedule": run.strategy.schedule, "space": run.settings.space, "seed": 0,
    }  # fmt: skip
    with pytest.raises(RequestError, match="learn_from"):
        bootstrap.UnitBootstrap(**settings, learn_from=0.0)
    strategy = bootstrap.UnitBootstrap(**settings)
    strategy._learn(atoms, -4.0)
    assert len(strategy._examples) == 1
    for change, why in (
        ({"broken_units": "NH2 1: N-H 1.03 -> 2.00 Å"}, "units broken"),
        ({"unit_crystal": "?"}, "no crystal of units"),
    ):
        other = atoms.copy()
        other.info |= change
        strategy._learn(other, -4.0)
        assert strategy.left_out[why] == 1
    far = atoms.copy()
    far.rattle(1.0, seed=1)
    strategy._learn(far, -4.0)
    assert strategy.left_out["another arrangement"] == 1
    assert len(strategy._examples) == 1


def test_a_cell_in_numbers_holds_as_many_units_as_fill_it() -> None:
    deck = SearchDeck.make(
        formula="NaNH2", units="NH2", cell="8.95,10.46,8.07,90,90,90", method="units"
    )
    settings = search_settings(deck)
    assert 64 in settings.space.compositions.sizes
    assert settings.relax.fixed_cell
    assert settings.relax.rigid_units
    assert settings.space.cell is not None
    np.testing.assert_allclose(settings.space.cell, np.diag([8.95, 10.46, 8.07]), atol=1e-12)
    assert search_settings(SearchDeck.make(formula="NaNH2", rigid_units=False)).units == ()


def test_brackets_name_units_where_the_method_needs_them() -> None:
    deck = SearchDeck.make(formula="(NH4)Cl", method="units")
    assert [text.split("#")[0] for text in search_settings(deck).units] == ["NH4"]
    assert search_settings(SearchDeck.make(formula="(NH4)Cl")).units == ()


def test_seeds_and_backgrounds_that_place_units_are_told_which() -> None:
    named = gencsp.propose("NaNH2", units="NH2", n=2, formula_units=2, seed=3)
    structures: list[Atoms] = list(named)
    bare = [Atoms(a.numbers, a.positions, cell=a.cell, pbc=True) for a in structures[:1]]
    deck = SearchDeck.make(**{**SMALL, "seeds": [*structures, *bare], "budget": 1})
    with open_search(deck, in_memory=True) as run:
        (pool,) = run.pools
        assert len(pool.structures) == 2
        assert list(pool.skipped) == ["no rigid units named"]
        source = run.supply._background.source
        assert isinstance(source, ProposerStarts)
        assert isinstance(source.make, NamedProposer)
        assert isinstance(source.make.name, Choice)
        assert source.make.name.options["units"] == ["NH2"]


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"units": None, "method": "units"}, UnitError, "give one, such as --units NH2"),
        ({"units": "4"}, RequestError, "--formula-units"),
        ({"units": "NH4"}, UnitError, "NH4"),
        ({"units": "NF2"}, UnitError, "there is no unit 'NF2'"),
        (
            {"formula": None, "system": "Na-N-H", "formula_units": None},
            RequestError,
            "leave the chemical system out",
        ),
        ({"seeds": ["score"]}, RequestError, "'score' places single atoms"),
        ({"background": "symmetric"}, RequestError, "'symmetric' places single atoms"),
        ({"method": "hop", "moves": ["swap"]}, RequestError, "no move is left"),
        ({"method": "units", "moves": ["rattle"]}, RequestError, "makes no moves"),
        ({"method": "units:learn_from=0"}, DeckError, "learn_from"),
        ({"method": "units", "rigid_units": False}, RequestError, "--no-rigid-units"),
        ({"cell": "1,2,3,30,30,120"}, RequestError, "make a cell"),
        ({"cell": "1,2,3,90,90,190"}, RequestError, "between 0 and 180"),
        ({"cell": "1,2,-3,90,90,90"}, RequestError, "above zero"),
        (
            {"formula_units": None, "cell": "2.2,2.2,2.2,90,90,90"},
            RequestError,
            "holds no whole number",
        ),
        ({"cell": "1.5,9,9,90,90,90"}, UnitError, "repeats after 1.5"),
        ({"space_groups": [225]}, UnitError, "none of the requested space groups holds"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(
    settings: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        run_of(**{"budget": 1, **settings})


def test_a_method_that_needs_units_says_so_where_there_are_none() -> None:
    from gencsp.runs.strategies import named_strategy, strategy_context
    from gencsp.searches.ledger import Ledger

    deck = SearchDeck.make(formula="NaNH2")
    context = strategy_context(deck, search_settings(deck), Ledger(hull=None))
    with pytest.raises(RequestError, match="such as --units NH2"):
        named_strategy(SearchDeck.make(formula="NaNH2", method="units"), context)


def test_proposals_of_units_are_asked_for_by_name() -> None:
    (atoms,) = gencsp.propose("NaNH2", units="NH2", n=1, max_atoms=8, seed=1)
    assert atoms.info["proposer"] == "units-random"
    (same,) = gencsp.propose(
        "NaNH2", units=["NH2"], proposer="units-random", n=1, max_atoms=8, seed=1
    )
    assert same.positions.tolist() == atoms.positions.tolist()
    (salt,) = gencsp.propose("(NH4)Cl", proposer="units-random", n=1, max_atoms=12, seed=1)
    assert "NH4" in salt.info["unit_names"]
    with pytest.raises(RequestError, match="'random' places single atoms and no rigid units"):
        gencsp.propose("NaNH2", units="NH2", proposer="random", n=1)
    with pytest.raises(RequestError, match="an object knows its units"):
        gencsp.propose("NaNH2", units="NH2", proposer=lambda **_: [], n=1)
