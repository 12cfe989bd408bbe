"""What a run folder may execute: what its user started from the same files, or was told to."""

from __future__ import annotations

import json
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import own_parts
import pytest
from ase.calculators.lj import LennardJones
from ase.io import write
from typer.testing import CliRunner

import gencsp
from gencsp.cli import app
from gencsp.convex_hull.entries import read_references, write_entries
from gencsp.errors import TrustError
from gencsp.executors.named import Dask
from gencsp.plugins import Configured
from gencsp.potentials import registry
from gencsp.runs.decks import SearchDeck
from gencsp.runs.settings import CHECKSUM, DECK, save_deck, saved_deck
from gencsp.runs.trust import executed, remember, resumed_deck
from gencsp.searches.moves.rattle import Rattle

pytestmark = pytest.mark.usefixtures("in_this_process")
RUNNER = CliRunner()

POTENTIAL = """from pathlib import Path
from ase.calculators.emt import EMT
Path(__file__).with_name("executed").touch()
def make():
    return EMT()
"""


@pytest.fixture(autouse=True)
def _own_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def run(tmp_path: Path, in_this_process: None) -> Path:  # noqa: ARG001
    """A finished search with a potential of its own, made by this user, and no trace of its run."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "calc.py").write_text(POTENTIAL)
    write(work / "pool.extxyz", [own_parts.alloy(seed) for seed in range(4)])
    model = gencsp.potentials.get_potential(f"{work / 'calc.py'}:make").model
    entries = read_references(own_parts.entries(work)).entries
    hull = write_entries(
        work / "hull.csv",
        [
            type(e)(composition=e.composition, energy_per_atom=e.energy_per_atom, model=model)
            for e in entries
        ],
    )
    settings: dict[str, Any] = {
        "potential": f"{work / 'calc.py'}:make",
        "seeds": [str(work / "pool.extxyz")],
        "seed_share": 1.0,
        "background": "random",
        "hull": hull,
        "workers": 1,
        "steps": 1,
        "budget": 1,
        "atoms": 4,
        "formula_units": [2],
    }
    gencsp.search("CuAu", out=work / "run", **settings)
    (work / "executed").unlink()
    registry._made.cache_clear()  # else a file that was executed here once is not executed again
    return work / "run"


def test_a_foreign_folder_executes_nothing_until_it_is_told_to(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = run.parent / "executed"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "somebody-else"))
    before = (run / DECK).read_bytes()
    refused = RUNNER.invoke(app, ["resume", str(run), "--no-report", "--budget", "2"])
    assert refused.exit_code == 1
    assert not marker.exists()
    (sentence,) = refused.stderr.strip().splitlines()
    assert f"{run.parent / 'calc.py'}:make (potential)" in sentence
    assert "--trust" in sentence
    assert (run / DECK).read_bytes() == before
    status = RUNNER.invoke(app, ["status", str(run)])
    assert status.exit_code == 0, status.output
    assert not marker.exists()
    told = RUNNER.invoke(app, ["resume", str(run), "--no-report", "--budget", "2", "--trust"])
    assert told.exit_code == 0, told.output
    assert marker.exists()


def test_a_run_of_ones_own_goes_on_until_its_files_change(run: Path) -> None:
    on = RUNNER.invoke(app, ["resume", str(run), "--no-report", "--budget", "2"])
    assert on.exit_code == 0, on.output
    file = run.parent / "calc.py"
    (run.parent / "executed").unlink()
    file.write_text(POTENTIAL + "\n# edited by somebody\n")
    refused = RUNNER.invoke(app, ["resume", str(run), "--no-report", "--budget", "3"])
    assert refused.exit_code == 1
    assert "--trust" in refused.stderr
    assert not (run.parent / "executed").exists()
    # Nor does a folder that names the same file by another place.
    file.write_text(POTENTIAL)
    moved = run.parent.with_name("elsewhere")
    shutil.copytree(run.parent, moved)
    text = (moved / "run" / DECK).read_text()
    _write(moved / "run" / DECK, json.loads(text.replace(str(run.parent), str(moved))))
    with pytest.raises(TrustError):
        resumed_deck(moved / "run")


def _foreign(folder: Path, **settings: Any) -> Path:
    """A folder as somebody else sends it: its deck alone decides what is executed."""
    folder.mkdir(exist_ok=True)
    save_deck(SearchDeck.make(formula="TiO2", seeds=()), folder)
    deck = json.loads((folder / DECK).read_text())
    _write(folder / DECK, {**deck, **settings})
    return folder


def _write(file: Path, settings: dict[str, Any]) -> None:
    """A deck with its checksum, which anybody can compute: it finds damage, not malice."""
    settings.pop(CHECKSUM)
    text = json.dumps(settings, sort_keys=True)
    file.write_text(json.dumps({**settings, CHECKSUM: sha256(text.encode()).hexdigest()}))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    script = tmp_path / "generate.sh"
    script.write_text("#!/bin/sh\ntouch marker\n")
    deck = tmp_path / "generator.toml"
    deck.write_text(f'command = ["sh", "{script}"]\noutput = ["*.cif"]\n')
    return deck


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"potential": "FOLDER/calc.py"}, "calc.py:calculator (potential)"),
        ({"potential": {"name": "FOLDER/calc.py"}}, "calc.py:calculator (potential)"),
        ({"potential": "ase.calculators.emt:EMT"}, "ase.calculators.emt:EMT (potential)"),
        ({"potential": "matgl:FOLDER/model"}, "matgl:model="),
        ({"potential": "matgl-M3GNet"}, "matgl:model=M3GNet"),
        ({"potential": "sevennet:FOLDER/calc.py"}, "sevennet:model="),
        ({"seeds": ["FOLDER/generator.toml"]}, "external:program="),
        ({"seeds": ["FOLDER/generator.toml:3"]}, "external:program="),
        ({"seeds": [{"name": "external", "program": "FOLDER/generator.toml"}]}, "(seeds)"),
        ({"seeds": ["external:program=FOLDER/generator.toml"]}, "(seeds)"),
        ({"background": "FOLDER/generator.toml"}, "(background)"),
        ({"background": "FOLDER/calc.py"}, "calc.py:propose (background)"),
        ({"seeds": ["FOLDER/calc.py:make:2"]}, "calc.py:make (seeds)"),
        ({"seeds": ["mine.crystals:Maker"]}, "mine.crystals:Maker (seeds)"),
        ({"executor": "parsl:FOLDER/calc.py"}, "parsl:file="),
        ({"executor": {"name": "parsl", "file": "FOLDER/calc.py"}}, "(executor)"),
        ({"executor": "dask:tcp://198.51.100.7:8786"}, "dask:address="),
    ],
)
@pytest.mark.usefixtures("program")
def test_all_that_is_executed(tmp_path: Path, settings: dict[str, Any], named: str) -> None:
    (tmp_path / "calc.py").write_text(POTENTIAL)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "state.pt").write_text("a pickle")
    filled = json.loads(json.dumps(settings).replace("FOLDER", str(tmp_path)))
    where = _foreign(tmp_path / "run", **filled)
    with pytest.raises(TrustError, match="--trust") as refused:
        resumed_deck(where)
    assert named in str(refused.value)
    assert not (tmp_path / "executed").exists()
    assert resumed_deck(where, trust=True) == saved_deck(where)
    remember(saved_deck(where))
    assert resumed_deck(where) == saved_deck(where)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"potential": "chgnet:r2scan"},
        {"seeds": ["mixed:2", "random:attempts=5"], "background": "symmetric"},
        {"method": "genetic:population=8", "moves": ["rattle:most=0.3", "strain"]},
        {"executor": "parsl"},
        {"potential": "sevennet"},
    ],
)
def test_what_executes_nothing_needs_no_trust(tmp_path: Path, settings: dict[str, Any]) -> None:
    where = _foreign(tmp_path / "run", **settings)
    assert executed(resumed_deck(where)) == ()


def test_a_generator_is_its_deck_and_what_its_command_names(tmp_path: Path, program: Path) -> None:
    deck = SearchDeck.make(formula="TiO2", seeds=[str(program)])
    (before,) = executed(deck)
    for file in (tmp_path / "generate.sh", program):
        text = file.read_text()
        file.write_text(f"{text}# edited\n")
        assert executed(deck) != (before,)
        file.write_text(text)
        assert executed(deck) == (before,)


def test_a_module_is_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "modules" / "mine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    (package / "calc.py").write_text(POTENTIAL)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "modules"), *sys.path])
    deck = SearchDeck.make(formula="TiO2", potential="mine.calc:make", seeds=())
    (before,) = executed(deck)
    (package / "calc.py").write_text(POTENTIAL + "\n")
    assert executed(deck) != (before,)


class Theirs(Configured):
    """A plug-in of another package that says nothing of what it executes."""

    name = "theirs"
    program: str = ""


class Told(Theirs):
    """One that does."""

    executes = ()


def test_all_options_of_other_packages_count_unless_they_say_which() -> None:
    assert Theirs.executed_options() == ("program",)
    assert Told.executed_options() == ()
    assert Dask.executed_options() == ("address",)
    assert Rattle.executed_options() == ()


def test_objects_of_a_script_are_in_no_file() -> None:
    assert executed(SearchDeck.make(formula="TiO2", potential=LennardJones(), seeds=())) == ()


def test_a_saved_deck_finds_its_code_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("calc.py").write_text(POTENTIAL)
    deck = SearchDeck.make(
        formula="TiO2",
        potential="calc.py:make",
        background=program.name,
        executor="parsl:calc.py",
        seeds=(f"external:program={program.name}", "mixed:3", "calc.py:make:2"),
    )
    save_deck(deck, tmp_path)
    monkeypatch.chdir("/")
    found = saved_deck(tmp_path)
    assert found.potential == f"{tmp_path}/calc.py:make"
    assert found.background == str(program)
    assert found.executor == f"parsl:{tmp_path}/calc.py"
    assert found.seeds == (f"external:program={program}", "mixed:3", f"{tmp_path}/calc.py:make:2")
