"""``gencsp cycle`` on parts that cost nothing: what it prints, writes, resumes and refuses."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ase.io
import pytest
from cheap_parts import cheap_cycle
from typer.testing import CliRunner

import gencsp.runs.cycle
from gencsp.cli import app
from gencsp.executors import ThisProcess
from gencsp.runs.cycle import cycle_settings
from gencsp.runs.decks import CycleDeck
from gencsp.searches.cycle import Cycle
from gencsp.searches.settings import cycle_manifest
from gencsp.store import DiskStore

RUNNER = CliRunner()
ARGUMENTS = [
    *("cycle", "LiSi2", "--guests", "Li", "--atoms", "3", "--n", "6", "--seed", "5"),
    "--no-report",
]


@contextmanager
def open_cheap_cycle(deck: CycleDeck, **_: object) -> Iterator[Cycle]:
    settings = cycle_settings(deck)
    with DiskStore(deck.folder, cycle_manifest(settings)) as store:
        yield cheap_cycle(store, ThisProcess(), settings=settings)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gencsp.runs.cycle, "open_cycle", open_cheap_cycle)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


def test_table_files_and_resume(tmp_path: Path) -> None:
    first = RUNNER.invoke(app, ARGUMENTS)
    assert first.exit_code == 0, first.output
    folder = tmp_path / "runs" / "LiSi2-5"
    header, best, *_ = first.stdout.splitlines()
    for title in ("E_d (eV/atom)", "space group", "stage", "parents", "id"):
        assert title in header
    ranked = ase.io.read(folder / "ranked.extxyz", ":")
    assert f"{ranked[0].info['decomposition_energy']:.4f}" in best
    assert str(ranked[0].info["structure_id"]) in best
    assert "failed: " in first.stdout
    assert not (folder / "report.html").exists()
    unique = [atoms for atoms in ranked if "duplicate_of" not in atoms.info]
    assert len(list((folder / "cif").iterdir())) == len(unique)
    assert f"wrote {len(ranked)} structures" in first.stdout
    again = RUNNER.invoke(app, ARGUMENTS)
    assert again.stdout == first.stdout
    assert "relax again" in again.stderr
    status = RUNNER.invoke(app, ["status", str(folder)])
    assert "LiSi2, cycle: 6 generated, 6 relaxed" in status.stdout
    assert f"lowest: {ranked[0].info['decomposition_energy']:.4f} eV/atom" in status.stdout


def test_guests_are_chosen_and_said() -> None:
    result = RUNNER.invoke(app, ["cycle", "LiSi2", "--atoms", "3", "--n", "6", "--seed", "5"])
    assert result.exit_code == 0, result.output
    assert "guests: Li has the broadest local environments" in result.stdout
    assert "refined" in result.stdout
    assert Path("runs/LiSi2-5/report.html").exists()


def test_other_settings_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    RUNNER.invoke(app, ARGUMENTS)
    before = (tmp_path / "runs/LiSi2-5/run.db").read_bytes()
    other = RUNNER.invoke(app, [*ARGUMENTS, "--fmax", "0.05"])
    assert other.exit_code == 1
    assert "relax_fmax is 0.1 there and 0.05 here" in other.stderr
    assert (tmp_path / "runs/LiSi2-5/run.db").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cycle", "LiXx2"], "'Xx'"),
        (["cycle", "Li0Si2"], "zero"),
        (["cycle", "Li-1Si2"], "negative"),
        (["cycle", "LiSi2", "--n", "-3"], "'n' is -3"),
        (["cycle", "LiSi2", "--guests", "Zn"], "Zn is not in LiSi2"),
        (["cycle", "LiSi2", "--guests", "Li,Si"], "no host atoms"),
        (["cycle", "LiSi2", "--atoms", "2"], "at least 3"),
        (["cycle", "Si"], "one species"),
        (["cycle", "LiSi2", "--fmax", "0"], "fmax"),
        (["relax", "none.cif"], "there is no file none.cif"),
        (["hull", "empty.cif"], "empty.cif is empty"),
        (["refine", "noise.cif"], "noise.cif"),
    ],
)
def test_bad_input(tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "empty.cif").write_text("")
    (tmp_path / "noise.cif").write_text("noise")
    before = sorted(tmp_path.iterdir())
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (sentence,) = result.stderr.strip().splitlines()
    assert sentence.startswith("gencsp: ")
    assert sentence.endswith(".")
    assert says in sentence
    assert sorted(tmp_path.iterdir()) == before


INTERRUPTED = """
import signal, sys, time
# A job in the background of a script begins with this signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
sys.path[:0] = {path!r}
import test_cli_cycle, gencsp.runs.cycle, cheap_parts
from gencsp.cli import app
relaxed = cheap_parts.relaxed
calls = 0
def hangs_at_the_third(*args):
    global calls
    calls += 1
    if calls == 3:
        Path("hangs").touch()
        time.sleep(600)
    return relaxed(*args)
cheap_parts.relaxed = hangs_at_the_third
gencsp.runs.cycle.open_cycle = test_cli_cycle.open_cheap_cycle
sys.argv = ["gencsp", *test_cli_cycle.ARGUMENTS]
app()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_interrupt_says_how_to_go_on(tmp_path: Path) -> None:
    here = Path(__file__).parent
    script = INTERRUPTED.format(path=[str(here), str(here.parent)])
    run = subprocess.Popen(
        [sys.executable, "-c", script], stdout=-1, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    while run.poll() is None and not (tmp_path / "hangs").exists():
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "stopped. What was finished is in runs/LiSi2-5" in stderr
    assert "Traceback" not in stderr
    resumed = RUNNER.invoke(app, ARGUMENTS)
    fresh = RUNNER.invoke(app, [*ARGUMENTS, "--out", "fresh"])
    cut = fresh.stdout.index("wrote")
    assert resumed.stdout[:cut] == fresh.stdout[:cut]
