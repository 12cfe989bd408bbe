"""``gencsp discover`` and ``gencsp synergy``: what they print and write, and wrong uses."""

from __future__ import annotations

import csv
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ase.io
import own_alloys
import pytest
from typer.testing import CliRunner

import gencsp
import gencsp.runs.discover
import gencsp.runs.synergy
from gencsp.cli import app
from gencsp.filters.base import Verdict
from gencsp.runs import novelty
from gencsp.runs.discover import Discovery
from gencsp.runs.discover_decks import DiscoverDeck, SynergyDeck
from gencsp.runs.objects import Carried
from gencsp.runs.synergy import Synergy

RUNNER = CliRunner()
CHEAP = ["--filters", "distances:minimum=2.0", "--no-seeds", "--budget", "6", "--ahead", "2"]


def cheap() -> dict[str, object]:
    """Parts that cost nothing, in the place of CHGNet."""
    parts = {"potential": own_alloys.HereEngine(), "background": own_alloys.any_alloy}
    packed = {name: Carried.of(part) for name, part in parts.items()}
    return {**packed, "hull": own_alloys.entries(Path()), "workers": 1}


@pytest.fixture(autouse=True)
def _cheap_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened, synergy = gencsp.runs.discover.open_discovery, gencsp.runs.synergy.open_synergy

    @contextmanager
    def open_cheap(deck: DiscoverDeck, **_: object) -> Iterator[Discovery]:
        with opened(deck.model_copy(update=cheap())) as run:
            yield run

    def open_cheap_synergy(deck: SynergyDeck, **_: object) -> Synergy:
        return synergy(deck.model_copy(update={**cheap(), "moves": ("rattle", "strain")}))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(novelty, "PROTOTYPES", ("prototypes",))
    monkeypatch.setattr(gencsp.runs.discover, "open_discovery", open_cheap)
    monkeypatch.setattr(gencsp.runs.synergy, "open_synergy", open_cheap_synergy)
    own_alloys.pool(tmp_path)


def test_discover_prints_and_writes_what_it_found(tmp_path: Path) -> None:
    arguments = ["discover", "--pool", "alloys.extxyz", "--within", "0.5", "--top", "1", *CHEAP]
    done = RUNNER.invoke(app, arguments)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "runs" / "discover-0"
    found = ase.io.read(folder / "discovered.extxyz", ":")
    with (folder / "discovered.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["structure_id"] for row in rows] == [a.info["structure_id"] for a in found]
    assert {row["novelty"] for row in rows} <= {"new framework", "new crystal", "known crystal"}
    assert len(list((folder / "cif").iterdir())) == len(found)
    report = (folder / "report.md").read_text()
    for line in (
        "| generated | 20 |",
        "| distances | 16 | 80.0% |",
        "| compositions searched | 1 |",
    ):
        assert line in report
        assert line.split("|")[1].strip() in done.stdout
    for atoms in found:
        assert f"| {atoms.info['structure_id']} |" in report
    status = RUNNER.invoke(app, ["status", str(folder)])
    assert "discover: 20 generated, 16 relaxed, 1 composition searched" in status.stdout
    again = RUNNER.invoke(app, arguments)
    assert again.exit_code == 0
    assert (folder / "report.md").read_text() == report


def test_the_driver_writes_the_same_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its deck is read, and the program itself runs, on the pool and the cheap parts."""
    program = Path(gencsp.__file__).parent.parent / "drivers" / "discover.py"
    settings = DiscoverDeck.read_settings(program.with_suffix(".toml"))
    assert DiscoverDeck.make(**settings).elements == ("Li", "Nb", "N")
    deck = tmp_path / "deck.toml"
    deck.write_text(
        'pool = ["alloys.extxyz"]\nfilters = ["distances:minimum=2.0"]\nseeds = []\n'
        "budget = 6\nahead = 2\nwithin = 0.5\ntop = 1\n"
    )
    monkeypatch.setattr(sys, "argv", [str(program), str(deck)])
    runpy.run_path(str(program), run_name="__main__")
    folder = tmp_path / "runs" / "discover-0"
    report = (folder / "report.md").read_text()
    arguments = ["discover", "--deck", "deck.toml"]
    done = RUNNER.invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert (folder / "report.md").read_text() == report
    assert len(program.read_text().splitlines()) <= 40


def test_discover_says_which_filter_took_all(tmp_path: Path) -> None:
    arguments = ["discover", "--pool", "alloys.extxyz", *CHEAP, "--filters", "distances:minimum=9"]
    done = RUNNER.invoke(app, [*arguments, "--out", "empty"])
    assert done.exit_code == 0, done.output
    assert "no structure is left to search: 20 fell at 'distances'" in " ".join(done.stderr.split())
    report = (tmp_path / "empty" / "report.md").read_text()
    assert "No structure is left to search: 20 fell at 'distances'" in report


def test_synergy_prints_and_writes_the_table(tmp_path: Path) -> None:
    arguments = ["synergy", "--model", "alloys.extxyz", "-n", "2", *CHEAP, "--out", "compared"]
    done = RUNNER.invoke(app, arguments)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "compared"
    report = (folder / "report.md").read_text()
    assert "| alloys.extxyz, filtered | 1 |" in report
    assert "alloys.extxyz, unfiltered" in done.stdout
    with (folder / "comparisons.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2
    with (folder / "traces.csv").open() as file:
        traces = list(csv.DictReader(file))
    assert {row["search"] for row in traces} == {"seeded", "unseeded"}
    assert (folder / "traces-alloys.extxyz.png").exists()
    assert len(ase.io.read(folder / "minima.extxyz", ":")) == 2 + 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["discover", "--target", "hardness=3"], "'hardness' is no property to aim at"),
        (["discover", "-n", "0"], "greater than or equal to 1"),
        (["synergy", "--model", "hardness=3"], "'hardness' is no property to aim at"),
        (["synergy", "-n", "1"], "greater than or equal to 2"),
    ],
)
def test_wrong_uses_end_in_one_sentence(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = RUNNER.invoke(app, [*arguments, "--out", "nothing"])
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "nothing").exists()


def test_a_verdict_is_read_as_it_was_written() -> None:
    (atoms,) = own_alloys.alloys(1)
    for verdict in (
        Verdict(True, 1.5, (0.5, float("inf")), "one", "a note"),
        Verdict(False, 3.0, (float("-inf"), 2.0), "two"),
    ):
        verdict.write(atoms)
        assert Verdict.read(atoms, verdict.name) == verdict
    assert Verdict.read(atoms, "three") is None
