"""What a command over a pool is told, its call is told under the same names and bounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.main import get_command
from typer.testing import CliRunner

import gencsp
from gencsp.cli import app
from gencsp.composition import Composition
from gencsp.convex_hull.entries import HullEntry
from gencsp.convex_hull.hull import Hull
from gencsp.deck import Deck
from gencsp.errors import DeckError, WrongTypeError
from gencsp.filters.deck import FilterDeck
from gencsp.minimise.settings import RelaxSettings
from gencsp.potentials import get_potential
from gencsp.runs.pool_decks import (
    AnalyseDeck,
    DedupDeck,
    DftDeck,
    HullDeck,
    ReconstructDeck,
    ReferencesDeck,
    RefineDeck,
    RelaxDeck,
    SeedsDeck,
)

COMMANDS: dict[str, type[Deck]] = {
    "relax": RelaxDeck,
    "refine": RefineDeck,
    "reconstruct": ReconstructDeck,
    "hull": HullDeck,
    "dedup": DedupDeck,
    "analyse": AnalyseDeck,
    "export": SeedsDeck,
    "references": ReferencesDeck,
    "filter": FilterDeck,
    "dft write": DftDeck,
}


def command(name: str) -> Any:
    found: Any = get_command(app)
    for word in name.split():
        found = found.whole(word)
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_setting_is_an_option_with_the_words_of_its_deck(name: str) -> None:
    params = {one.name: one for one in command(name).params}
    for key, field in COMMANDS[name].model_fields.items():
        assert params[key].default is None
        assert params[key].help == field.description
        assert field.description
    assert "deck" in params


def test_a_deck_tells_a_command_and_options_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bulk("Cu").write("copper.cif")
    Path("deck.toml").write_text('out = "there"\nprototypes = true\n')
    told = CliRunner().invoke(app, ["dedup", "copper.cif", "--deck", "deck.toml"])
    assert told.exit_code == 0, told.output
    assert (tmp_path / "there" / "unique.extxyz").exists()
    CliRunner().invoke(app, ["dedup", "copper.cif", "--deck", "deck.toml", "--out", "here"])
    assert (tmp_path / "here" / "unique.extxyz").exists()
    Path("deck.toml").write_text("fmaxx = 1\n")
    refused = CliRunner().invoke(app, ["relax", "copper.cif", "--deck", "deck.toml"])
    assert refused.exit_code == 2
    assert "unknown key 'fmaxx'" in refused.stderr


CALLS: dict[str, Callable[..., Any]] = {
    "relax": gencsp.relax,
    "refine": gencsp.refine,
    "reconstruct": gencsp.reconstruct,
    "hull": gencsp.hull,
    "dedup": gencsp.dedup,
    "analyse": gencsp.analyse,
    "filter": gencsp.filter,
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_check_the_same_deck(name: str) -> None:
    with pytest.raises(DeckError, match="unknown key 'fmaxx'"):
        CALLS[name](bulk("Cu"), fmaxx=1)
    with pytest.raises(DeckError, match="'out' is a setting of the command alone"):
        CALLS[name](bulk("Cu"), out="there")
    if "workers" in COMMANDS[name].model_fields:
        with pytest.raises(DeckError, match="'workers' is 0"):
            CALLS[name](bulk("Cu"), workers=0)


@pytest.mark.parametrize("fmax", [0, -1, float("nan"), float("inf")])
def test_bounds_hold_in_calls(fmax: float) -> None:
    with pytest.raises(DeckError, match="'fmax'"):
        gencsp.relax(bulk("Cu"), fmax=fmax)
    with pytest.raises(DeckError, match="'fmax'"):
        gencsp.refine(bulk("Cu"), fmax=fmax)


def test_a_relaxation_is_the_same_by_default_from_a_deck_and_from_its_settings() -> None:
    deck, settings = RelaxDeck(), RelaxSettings()
    for name in RelaxSettings.__dataclass_fields__:
        assert getattr(deck, name) == getattr(settings, name), name


@pytest.fixture
def copper_hull() -> tuple[Hull, Atoms, Any]:
    """A hull of copper alone, made with the EMT energy of its crystal."""
    copper, engine = bulk("Cu"), get_potential(EMT())
    energy = engine.evaluate([copper])[0].energy
    entry = HullEntry(
        composition=Composition.parse("Cu"), energy_per_atom=energy, model=engine.model
    )
    return Hull([entry], model=engine.model), copper, engine


def test_a_hull_is_given_as_an_object(copper_hull: tuple[Hull, Atoms, Any]) -> None:
    hull, copper, engine = copper_hull
    (judged,) = gencsp.hull(copper, potential=engine, hull=hull)
    assert judged.info["decomposition_energy"] == pytest.approx(0, abs=1e-9)
    with pytest.raises(WrongTypeError, match=r"hull is a float: give a file of entries"):
        gencsp.hull(copper, potential=engine, hull=0.5)
    with pytest.raises(WrongTypeError, match=r"hull is a float"):
        gencsp.search("Cu", hull=0.5)


@pytest.mark.usefixtures("in_this_process")
def test_a_search_takes_a_hull_as_an_object(copper_hull: tuple[Hull, Atoms, Any]) -> None:
    hull, _, engine = copper_hull
    found = gencsp.search(
        "Cu", budget=2, seeds=None, atoms=1, hull=hull, potential=engine, workers=1
    )
    assert found
    assert found[0].info["decomposition_energy"] > -1e-3
