"""The options of a command are the fields of its deck: every one, once, and each is passed on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import ase.io
import pytest
from typer.main import get_command
from typer.testing import CliRunner

import gencsp.runs.cycle
import gencsp.runs.host_cycle
import gencsp.runs.search
import gencsp.suites.run
import gencsp.suites.scoring
from gencsp.cli import app
from gencsp.deck import Deck
from gencsp.runs.decks import CycleDeck, ProposeDeck, SearchDeck
from gencsp.suites.deck import BenchDeck, ScoreDeck

#: A value of every field that is not its default, as text of the command line.
GIVEN = {
    "formula": "LiSi2", "guests": "Li,Na", "atoms": "12", "n": "7",
    "compositions": "3", "inpaintings": "2", "seed": "3", "workers": "1", "out": "there",
    "proposer": "random", "weights": "w",
    "fmax": "0.2", "steps": "9", "pressure": "5", "keep_symmetry": None, "engine": "torch",
    "device": "cpu",
    "potential": "chgnet:r2scan", "hull": "h.csv", "same": "family", "airss": "a.cell",
    "method": "genetic", "budget": "8", "minutes": "2.5", "patience": "4", "target": "t.cif",
    "formula_units": "2,4", "units": "NH2,OH", "broken_units": "drop", "rigid_units": None,
    "cell": "c.cif", "volume": "15", "volume_spread": "0.2", "space_groups": "195,225",
    "separations": "Si-O=1.5", "seeds": "pool.extxyz:2", "seed_share": "0.25",
    "background": "score", "sampler": "heun", "moves": "rattle:most=0.3,strain",
    "ahead": "5", "batch": "2", "executor": "dask", "minimiser": "fire", "rattle": "0.1",
    "keep_paths": None, "inpainter": "score", "preset": "chggen", "levels": "9",
    "correctors": "0", "sigma_min": "0.05", "resample": "2", "jump_length": "4",
    "ladder": "above-Pm", "host": "h.cif", "order": "4", "order_atoms": "60",
    "order_by": "potential", "xrd": "p.xy", "wavelength": "MoKa", "xrd_weight": "0.2",
}  # fmt: skip
#: The same of fields that mean something else, or are there, in benchmarks alone.
GIVEN_TO_BENCHMARKS = {
    "seeds": "2", "quick": None, "truth": "known.csv", "time_limit": "9.5", "suite": "mp20",
    "k": "1,20", "matcher": "cdvae", "by": "energy", "relaxed": None, "relax": None,
}  # fmt: skip


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """The deck that a command opens."""
    decks: list[Deck] = []

    def open_run(deck: Deck, **_: object) -> NoReturn:
        decks.append(deck)
        raise KeyboardInterrupt

    monkeypatch.setattr(gencsp.runs.cycle, "open_cycle", open_run)
    monkeypatch.setattr(gencsp.runs.host_cycle, "plan_host_cycle", open_run)
    monkeypatch.setattr(gencsp.runs.search, "open_search", open_run)
    monkeypatch.setattr(gencsp.suites.run, "open_bench", open_run)
    monkeypatch.setattr(gencsp.suites.scoring, "open_scoring", lambda _, deck: open_run(deck))
    monkeypatch.setattr(gencsp.runs.settings, "folder", lambda _: tmp_path / "run")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Deck:
        result = CliRunner().invoke(app, list(words))
        assert len(decks) == 1, result.output
        return decks.pop()

    return run


def _commands() -> dict[str, Any]:
    group: Any = get_command(app)
    return {name: group.whole(name) for name in group.commands}


@pytest.mark.parametrize(("command", "kind"), [("cycle", CycleDeck), ("search", SearchDeck)])
def test_every_field_is_an_option_and_reaches_the_run(
    command: str, kind: type[Deck], opened: Callable[..., Any]
) -> None:
    params = {one.name: one for one in _commands()[command].params}
    defaults = kind.make(formula="LiSi2")
    for name in kind.model_fields:
        assert params[name].default is None
        if name in ("formula", "system", "preset"):  # the preset changes others, see below
            continue
        words = [max(params[name].opts, key=len), *filter(None, [GIVEN[name]])]
        deck = opened(command, "LiSi2", *words)
        changed = {key for key in kind.model_fields if getattr(deck, key) != getattr(defaults, key)}
        assert changed == {name}, words
    assert opened("search", "Li-Si").system == "Li-Si"


@pytest.mark.parametrize(
    ("words", "kind", "needed"),
    [(["bench", "cspbench"], BenchDeck, {"suite": "cspbench"}),
     (["bench", "score", "made.cif"], ScoreDeck, {})],
)  # fmt: skip
def test_every_field_of_a_benchmark_is_an_option(
    words: list[str], kind: type[Deck], needed: dict[str, str], opened: Callable[..., Any]
) -> None:
    params = {one.name: one for one in _whole(words).params}
    defaults = kind.make(**needed)
    assert opened(*words) == defaults
    for name in kind.model_fields.keys() - needed.keys():
        given = {**GIVEN, **GIVEN_TO_BENCHMARKS}[name]
        deck = opened(*words, max(params[name].opts, key=len), *filter(None, [given]))
        changed = {key for key in kind.model_fields if getattr(deck, key) != getattr(defaults, key)}
        assert changed == {name}


def _whole(words: list[str]) -> Any:
    """The command of ``gencsp bench`` that words call."""
    group = _commands()["bench"]
    return group.whole(words[1] if words[1] in group.commands else "run")


def test_a_preset_and_what_stands_beside_it(opened: Callable[..., Any], tmp_path: Path) -> None:
    """Options and the deck's own keys take the place of what the preset says."""
    as_printed = CycleDeck.make(
        formula="Li5Si2",
        preset="chggen",
        proposer="score",
        inpainter="score",
        inpaintings=3,
        sampler="predictor-corrector:snr=0.4",
        levels=200,
        correctors=5,
        sigma_min=0.01,
        resample=3,
        jump_length=10,
        volume=16.0,
        ladder="chggen",
        minimiser="fire",
        fmax=0.1,
        steps=500,
    )
    assert opened("cycle", "Li5Si2", "--as", "chggen") == as_printed
    beside = opened("cycle", "Li5Si2", "--as", "chggen", "--levels", "50", "--inpainter", "mixed")
    assert beside == CycleDeck.make(**{**as_printed.given, "levels": 50, "inpainter": "mixed"})
    (tmp_path / "deck.toml").write_text('preset = "chggen"\nvolume = 15.0\nsteps = 9\n')
    read = opened("cycle", "Li5Si2", "--deck", "deck.toml", "--steps", "12")
    assert read == CycleDeck.make(**{**as_printed.given, "volume": 15.0, "steps": 12})
    searched = opened("search", "Li5Si2", "--as", "chggen")
    assert (searched.seeds, searched.seed_share) == (("score",), 1.0)
    assert (searched.minimiser, searched.volume, searched.levels) == ("fire", 16.0, 200)
    assert opened("search", "Li5Si2", "--as", "chggen", "--no-seeds").seeds == ()
    assert opened("search", "Zn-P-S", "--as", "chggen").volume == 24.0
    driven = opened("search", "Li5Si2", "--driver", "cycle", "--as", "chggen", "--budget", "80")
    assert driven == as_printed


def test_the_papers_volumes_stand_for_its_systems_alone() -> None:
    def volume(kind: type[Deck], **settings: Any) -> float | None:
        found: float | None = kind.make(preset="chggen", **settings).volume  # type: ignore[attr-defined]
        return found

    assert volume(CycleDeck, formula="ZnP2S6") == volume(ProposeDeck, formula="Zn2P2S7") == 24.0
    assert volume(CycleDeck, formula="TiO2") is None
    assert volume(CycleDeck, formula="Li5Si2", pressure=5.0) is None
    assert volume(ProposeDeck, formula="Li5Si2", host="a.cif") is None
    assert volume(SearchDeck, formula="Li5Si2", cell="a.cif") is None
    assert volume(CycleDeck, formula="Li5Si2", pressure=5.0, volume=12.0) == 12.0


def test_forms_that_text_takes(opened: Callable[..., Any]) -> None:
    words = [word for name in ("formula_units", "units", "space_groups", "separations", "moves")
             for word in (f"--{name.replace('_', '-')}", str(GIVEN[name]))]  # fmt: skip
    deck = opened("search", "LiSi2", *words, "--seeds", "a", "--seeds", "b:2")
    assert deck == SearchDeck.make(
        formula="LiSi2",
        formula_units=(2, 4),
        units=("NH2", "OH"),
        space_groups=(195, 225),
        separations={"Si-O": 1.5},
        moves=("rattle:most=0.3", "strain"),
        seeds=("a", "b:2"),
    )
    assert opened("search", "LiSi2", "--no-seeds").seeds == ()
    assert opened("cycle", "LiSi2", "-n", "4").n == 4
    assert opened("search", "LiSi2", "--driver", "basin-hopping").method == "hop"


def test_options_take_the_place_of_what_a_deck_says(
    opened: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "deck.toml").write_text('formula = "TiO2"\nbudget = 9\nseed = 4\nseeds = ["a"]\n')
    deck = opened("search", "--deck", "deck.toml", "--budget", "11")
    assert deck == SearchDeck.make(formula="TiO2", budget=11, seed=4, seeds=("a",))
    assert opened("search", "Li-Si", "--deck", "deck.toml").formula is None


def test_proposals_in_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Formula units, volume and space groups of a proposal are those that were asked for."""
    monkeypatch.chdir(tmp_path)
    assert set(ProposeDeck.model_fields) < {one.name for one in _commands()["propose"].params}
    words = ["propose", "NaCl", "-n", "2", "--proposer", "random", "--formula-units", "1"]
    place = ["--volume", "24", "--space-groups", "225"]
    result = CliRunner().invoke(app, [*words, *place])
    assert result.exit_code == 0, result.output
    for atoms in ase.io.read("proposals/proposals.extxyz", ":"):
        assert (len(atoms), atoms.info["space_group_number"]) == (2, 225)
        assert atoms.get_volume() / len(atoms) == pytest.approx(24)
    wrong = ["--volume", "24", "--formula-units", "1"]
    refused = CliRunner().invoke(app, ["propose", "--de-novo", *wrong])
    assert "leave out --formula-units, --volume" in " ".join(refused.output.split())
