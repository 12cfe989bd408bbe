"""``gencsp search`` on parts that cost nothing: what it prints, writes, resumes and refuses."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import ase.io
import numpy as np
import pytest
from ase import Atoms
from cheap_parts import CheapHull
from cheap_search import cheap_search, manifest
from typer.testing import CliRunner

import gencsp
import gencsp.runs.cycle
import gencsp.runs.search
from gencsp.cli import app
from gencsp.composition import Composition
from gencsp.errors import ExecutorError, GencspError, RequestError
from gencsp.executors import ThisProcess
from gencsp.executors.named import open_executor
from gencsp.records import Basis
from gencsp.runs.decks import CycleDeck, SearchDeck
from gencsp.runs.settings import folder, save_deck, saved_deck, search_settings, stop_rules
from gencsp.runs.strategies import named_strategy, strategy_context
from gencsp.searches.ledger import Ledger
from gencsp.searches.loop import Search
from gencsp.searches.moves import get_move
from gencsp.searches.space import Space
from gencsp.searches.starts import pool_source
from gencsp.searches.strategy import STRATEGIES
from gencsp.store import DiskStore

RUNNER = CliRunner()
SEEDS = ("--seeds", "random")
#: The page at the end is looked at in ``test_report_command``.
ARGUMENTS = ["search", "LiSi2", "--atoms", "3", "--seed", "5", "--no-report"]
DRIVERS = Path(gencsp.__file__).parent.parent / "drivers"


@contextmanager
def open_cheap_search(deck: SearchDeck, **_: object) -> Iterator[Search]:
    assert isinstance(deck.method, str)
    settings = search_settings(deck)
    wrong = Atoms("Li3Si", positions=np.eye(4, 3) * 2, cell=[9] * 3, pbc=True)
    pool = pool_source("mine", [wrong], settings.space, seed=deck.seed)
    with DiskStore(folder(deck), manifest(deck.method)) as store:
        yield cheap_search(deck.method, store, ThisProcess(), stop=stop_rules(deck), seeds=(pool,))


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gencsp.runs.search, "open_search", open_cheap_search)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("method", ["random", "hop", "genetic"])
def test_table_files_and_resume(tmp_path: Path, method: str) -> None:
    arguments = [*ARGUMENTS, "--method", method, "--budget", "20"]
    first = RUNNER.invoke(app, arguments)
    assert first.exit_code == 0, first.output
    folder = tmp_path / "runs" / f"LiSi2-{method}-5"
    header, best, *_ = first.stdout.splitlines()
    for title in ("E_d (eV/atom)", "space group", "stage", "parents", "id"):
        assert title in header
    ranked = ase.io.read(folder / "ranked.extxyz", ":")
    assert f"{ranked[0].info['decomposition_energy']:.4f}" in best
    unique = [atoms for atoms in ranked if "duplicate_of" not in atoms.info]
    assert len(list((folder / "cif").iterdir())) == len(unique)
    assert "found" in header
    assert sum(atoms.info["copies"] for atoms in unique) == len(ranked)
    assert "stopped: the budget of 20 trials was used" in first.stdout
    assert "share now" in first.stdout
    assert "skipped 1 seeds of mine, wrong composition or size: 0 (Li3Si)" in first.stderr
    assert "mine holds no seed" in first.stderr
    again = RUNNER.invoke(app, arguments)
    cut = first.stdout.index("time of the workers")
    assert again.stdout[:cut] == first.stdout[:cut]
    longer = RUNNER.invoke(app, [*arguments[:-1], "26"])
    assert longer.exit_code == 0, longer.output
    assert "the budget of 26 trials was used" in longer.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["search"], "one of a formula"),
        (["search", "LiXx"], "'Xx'"),
        (["search", "LiSi2", "--system", "Li-Si"], "one of a formula"),
        (["search", "--system", "Li"], "chemical system"),
        (["search", "Li-Xx"], "Xx"),
        (["search", "LiSi2", "--method", "warp"], "no method 'warp': choose from genetic, hop"),
        (["search", "LiSi2", "--driver", "cycle", "--batch", "2"], "no --batch: leave it out"),
        (["search", "--driver", "cycle"], "give a formula"),
        (["search", "LiSi2", "--driver", "cycle", *SEEDS, *SEEDS], "one --seeds"),
        (["search", "LiSi2", "--rattle", "-1"], "'rattle'"),
        (["search", "LiSi2", "--budget", "0"], "'budget' is 0"),
        (["search", "LiSi2", "--seeds", "nowhere"], "neither a file nor a proposer"),
        (["search", "LiSi2", "--seeds", "mixed:0"], "weight"),
        (["search", "LiSi2", "--seed-share", "2"], "'seed_share'"),
        (["search", "LiSi2", "--atoms", "2"], "at least 3"),
        (["search", "LiSi2", "--separations", "Li-O=2"], "'Li-O'"),
        (["search", "LiSi2", "--separations", "Li-Si=far"], "separations"),
        (["search", "LiSi2", "--method", "hop", "--moves", "heredity"], "needs 2 parents"),
        (["search", "LiSi2", "--method", "hop", "--moves", "warp"], "no move 'warp'"),
        (["search", "LiSi2", "--pressure", "nan"], "'pressure'"),
        (["search", "LiSi2", "--pressure", "-1e5"], "'pressure'"),
        (["search", "--airss", "none.cell"], "cannot be read"),
        (["search", "LiSi2", "--minimiser", "warp"], "no minimiser 'warp': choose from fire"),
        (["search", "LiSi2", "--minimiser", "fire:rate=1"], "'fire' has no option 'rate'"),
        (["search", "LiSi2", "--seeds", "random:pace=1"], "'random' has no option 'pace'"),
        (["search", "LiSi2", "--background", "warp"], "no proposer 'warp'"),
        (["search", "LiSi2", "--target", "none.cif"], "there is no file none.cif"),
    ],
)
def test_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (sentence,) = result.stderr.strip().splitlines()
    assert sentence.startswith("gencsp: ")
    assert says in sentence
    assert list(tmp_path.iterdir()) == []


def test_the_cycle_is_a_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options of searches become those of the cycle; the budget is shared with the inpaintings."""
    decks: list[CycleDeck] = []

    def opened(deck: CycleDeck, **_: object) -> NoReturn:
        decks.append(deck)
        raise KeyboardInterrupt

    monkeypatch.setattr(gencsp.runs.cycle, "open_cycle", opened)
    monkeypatch.chdir(tmp_path)
    arguments = ["search", "LiSi2", "--driver", "cycle", "--budget", "40", "--atoms", "12"]
    result = RUNNER.invoke(app, [*arguments, *SEEDS, "--pressure", "5", "--seed", "3"])
    assert result.exit_code == 130, result.output
    (deck,) = decks
    wanted = {"formula": "LiSi2", "n": 10, "atoms": 12, "proposer": "random"}
    assert deck == CycleDeck.make(**wanted, pressure=5.0, seed=3)


def test_an_executor_that_cannot_start(tmp_path: Path) -> None:
    for name, says in (
        ("warp", "no executor 'warp'"),
        ("dask:tcp://127.0.0.1:1", "Dask|dask"),
        (f"parsl:{tmp_path / 'none.py'}", "Parsl|parsl"),
    ):
        with pytest.raises(ExecutorError, match=says), open_executor(name, workers=1):
            pass


def test_a_method_and_moves_with_options_of_their_own() -> None:
    method = {"name": "genetic", "population": 5}
    deck = SearchDeck.make(formula="LiSi2", method=method, moves=["strain:spread=0.1", "heredity"])
    settings = search_settings(deck)
    made = named_strategy(deck, strategy_context(deck, settings, Ledger(hull=CheapHull())))
    assert made.settings() == {
        "moves": ["strain:spread=0.1", "heredity"],
        "population": 5,
        "initial": 5,
    }
    assert made.moves["strain"] == get_move("strain", {"spread": 0.1})
    assert folder(deck).name == "LiSi2-genetic-0"
    for wrong, says in (
        ({"method": "yours"}, "no method 'yours': choose from genetic, hop, random"),
        ({"method": "random:shakes=-1"}, "option 'shakes' of the method 'random' is '-1'"),
        ({"method": "random:population=3"}, "'random' has no option 'population': known are sha"),
        ({"method": "hop", "moves": ["rattle:size=1"]}, "'rattle' has no option 'size': known are"),
        (
            {"method": "hop", "moves": ["rattle:least=2"]},
            "do not go together: .*least is 2",
        ),
    ):
        wrong_deck = SearchDeck.make(formula="LiSi2", **wrong)
        with pytest.raises(GencspError, match=says):
            named_strategy(
                wrong_deck, strategy_context(wrong_deck, settings, Ledger(hull=CheapHull()))
            )
    assert STRATEGIES.names() == ("genetic", "hop", "random", "units")


def test_a_method_by_the_name_of_its_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gencsp.runs.search, "open_search", open_cheap_search)
    monkeypatch.chdir(tmp_path)
    arguments = [*ARGUMENTS, "--driver", "basin-hopping", "--budget", "4"]
    done = RUNNER.invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["LiSi2-hop-5"]


@pytest.mark.parametrize("name", ["random_search", "basin_hopping", "genetic"])
def test_the_decks_of_the_drivers(name: str) -> None:
    deck = SearchDeck.read(DRIVERS / f"{name}.toml")
    settings = search_settings(deck)
    assert settings.space.name == "TiO2"
    assert settings.space.max_atoms == 12
    assert deck.seeds == ("mixed",)
    assert len((DRIVERS / f"{name}.py").read_text().splitlines()) <= 40


def test_a_fixed_cell_takes_the_units_that_fill_it(tmp_path: Path) -> None:
    path = tmp_path / "cell.cif"
    rutile = Atoms("Ti2O4", positions=np.random.default_rng(0).random((6, 3)) * 3)
    rutile.set_cell([4.6, 4.6, 2.96])
    rutile.pbc = True
    ase.io.write(path, rutile)
    settings = search_settings(SearchDeck.make(formula="TiO2", cell=path, seeds=()))
    assert settings.space == Space.fixed(
        Composition.parse("TiO2"), units=(2,), cell=ase.io.read(path).cell
    )
    assert settings.relax.fixed_cell
    with pytest.raises(RequestError, match="whole number"):
        search_settings(SearchDeck.make(formula="CsI", cell=path))


def test_an_airss_deck_says_where_to_look(tmp_path: Path) -> None:
    path = tmp_path / "a.cell"
    path.write_text("#SPECIES=Ti%NUM=1,O%NUM=2\n#MINSEP=1.5\n#VARVOL=33\n#NFORM=2\n#SYMMOPS=4\n")
    settings = search_settings(SearchDeck.make(airss=path))
    assert list(settings.space.compositions) == [(Composition.parse("TiO2"), (2,))]
    assert settings.space.volume_per_atom == 11.0
    assert settings.space.space_groups is not None
    assert settings.space.space_groups[0] == 10
    assert settings.separations["Ti", "O"] == 1.5


@pytest.mark.usefixtures("cheap")
def test_resume_and_status(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, [*ARGUMENTS, "--budget", "12"])
    assert done.exit_code == 0, done.output
    where = tmp_path / "runs" / "LiSi2-random-5"
    deck = SearchDeck.make(formula="LiSi2", atoms=3, seed=5, budget=12, seeds=("mixed:2",))
    save_deck(deck, where)
    assert saved_deck(where) == deck.model_copy(update={"out": where})
    status = RUNNER.invoke(app, ["status", str(where)])
    assert "LiSi2, random: 12 trials of a budget of 12" in status.stdout
    ranked = ase.io.read(where / "ranked.extxyz", 0)
    assert f"lowest: {ranked.info['decomposition_energy']:.4f} eV/atom" in status.stdout
    on = RUNNER.invoke(app, ["resume", str(where), "--budget", "18", "--no-report"])
    assert on.exit_code == 0, on.output
    assert "the budget of 18 trials was used" in on.stdout
    for command in ("resume", "status"):
        refused = RUNNER.invoke(app, [command, str(tmp_path)])
        assert refused.exit_code == 2
        assert "holds no search" in refused.stderr


@pytest.mark.usefixtures("cheap")
def test_far_below_a_hull_without_a_reference_no_number_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CheapHull, "decomposition_energy", lambda _, __, energy: energy - 9.0)
    basis = Basis(decomposition="0.667 Si + 0.333 Li", has_reference=False)
    monkeypatch.setattr(CheapHull, "basis", lambda _, __, ___: basis)
    done = RUNNER.invoke(app, [*ARGUMENTS, "--budget", "6"])
    assert done.exit_code == 0, done.output
    assert "best no reference," in " ".join(done.stderr.split())
    assert "structures lie below the hull at a composition of which it knows no phase" in (
        done.stdout
    )
    where = tmp_path / "runs" / "LiSi2-random-5"
    stored = ase.io.read(where / "run.db", ":")
    stored = [atoms for atoms in stored if "decomposition_energy" in atoms.info]
    assert stored
    for atoms in stored:
        assert atoms.info["decomposition_energy"] < -5
        assert atoms.info["decomposition"] == basis.decomposition
        assert atoms.info["has_reference"] is False
        assert f"{atoms.info['decomposition_energy']:.4f}" not in done.output
    save_deck(SearchDeck.make(formula="LiSi2", atoms=3, seed=5, budget=6), where)
    status = RUNNER.invoke(app, ["status", str(where)])
    assert "lowest: no reference, " in status.stdout
    with (where / "ranked.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["has_reference"] for row in rows] == ["False"] * len(stored)


def test_a_saved_deck_finds_its_files_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pool.extxyz").write_text("anything")
    seeds = ("pool.extxyz:2", "mixed", "pool.extxyz")
    deck = SearchDeck.make(formula="LiSi2", seeds=seeds, target=Path("a.cif"))
    save_deck(deck, tmp_path)
    monkeypatch.chdir("/")
    found = saved_deck(tmp_path, budget=7)
    assert found.seeds == (f"{tmp_path}/pool.extxyz:2", "mixed", f"{tmp_path}/pool.extxyz")
    assert found.target == tmp_path / "a.cif"
    assert found.budget == 7
