"""``gencsp report``, and the page at the end of a run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from page_material import HOSTILE, cycle_folder, hull_of, pool_of, profile, rock_salt, search_folder
from test_cli_search import ARGUMENTS as WITHOUT_REPORT
from test_cli_search import open_cheap_search
from typer.testing import CliRunner

import gencsp.runs.search
from gencsp.cli import app
from gencsp.convex_hull.entries import write_entries
from gencsp.errors import ReportError
from gencsp.io.structures import write_extxyz
from gencsp.report import page as pages

RUNNER = CliRunner()
ARGUMENTS = [*WITHOUT_REPORT, "--report"]


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(gencsp.runs.search, "open_search", open_cheap_search)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs" / "LiSi2-random-5"


def test_a_search_ends_in_its_page_and_writes_it_again(cheap: Path) -> None:
    first = RUNNER.invoke(app, [*ARGUMENTS, "--method", "random", "--budget", "6"])
    assert first.exit_code == 0, first.output
    page = cheap / "report.html"
    assert first.stdout.splitlines()[-1] == "report: runs/LiSi2-random-5/report.html"
    before = page.read_text()
    assert "s00005" in before
    assert "s00007" not in before
    longer = RUNNER.invoke(app, [*ARGUMENTS, "--method", "random", "--budget", "9"])
    assert longer.exit_code == 0, longer.output
    assert "s00007" in page.read_text()


def test_no_report(cheap: Path) -> None:
    done = RUNNER.invoke(app, [*ARGUMENTS, "--method", "random", "--budget", "4", "--no-report"])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1].startswith("every structure")
    assert not (cheap / "report.html").exists()


def test_a_page_that_fails_loses_nothing(cheap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ReportError("the part x is missing")

    monkeypatch.setattr(pages, "page", fail)
    done = RUNNER.invoke(app, [*ARGUMENTS, "--method", "random", "--budget", "4"])
    assert done.exit_code == 0, done.output
    assert (cheap / "ranked.extxyz").exists()
    assert "the results are written, but their page is not: the part x is missing" in done.stderr
    assert "gencsp report runs/LiSi2-random-5" in done.stderr


def test_the_page_of_a_run_is_in_its_folder(tmp_path: Path) -> None:
    folder = cycle_folder(tmp_path / "run")
    done = RUNNER.invoke(app, ["report", str(folder)])
    assert done.exit_code == 0, done.output
    assert done.stdout == f"report: {folder / 'report.html'}\n"
    assert "LiSi2: cycle" in (folder / "report.html").read_text()
    named = RUNNER.invoke(
        app, ["report", str(folder / "run.db"), "--out", str(tmp_path / "a.html")]
    )
    assert named.exit_code == 0, named.output
    assert (tmp_path / "a.html").exists()


def test_a_pool_with_hostile_ids_and_a_hull(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pool = pool_of("Li-Si", len(HOSTILE))
    for atoms, text in zip(pool, HOSTILE, strict=True):
        atoms.info["structure_id"] = text.replace("\n", " ")
    write_extxyz(Path("pool.extxyz"), pool)
    write_entries(Path("hull.csv"), hull_of("Li", "Si").inside(["Li", "Si"]))
    done = RUNNER.invoke(app, ["report", "pool.extxyz", "--hull", "hull.csv"])
    assert done.exit_code == 0, done.output
    assert done.stdout == "report: report.html\n"
    text = Path("report.html").read_text()
    assert "alert(1)" in text
    assert "<script>alert" not in text


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in ("nowhere", "empty"):
        done = RUNNER.invoke(app, ["report", str(tmp_path / place)])
        assert done.exit_code == 2
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert place in done.stderr


def test_a_damaged_run(tmp_path: Path) -> None:
    folder = search_folder(tmp_path / "run", budget=4)
    content = (folder / "run.db").read_bytes()
    (folder / "run.db").write_bytes(content[: len(content) // 2])
    done = RUNNER.invoke(app, ["report", str(folder)])
    assert done.exit_code == 1
    assert "damaged" in done.stderr
    assert not (folder / "report.html").exists()


def test_a_pool_beside_a_measured_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_extxyz(Path("pool.extxyz"), [rock_salt()])
    np.savetxt("salt.xy", np.column_stack(profile(rock_salt(), 1.1)))
    arguments = ["report", "pool.extxyz", "--xrd", "salt.xy", "--wavelength", "1.1"]
    done = RUNNER.invoke(app, arguments)
    assert done.exit_code == 0, done.output
    data = re.search(r'id="data">(.*?)</script>', Path("report.html").read_text())
    assert data is not None
    found = json.loads(data[1])
    assert found["columns"]["similarity"][0] > 0.99
    assert found["pattern"]["wavelength"] == 1.1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no two columns"),
        ("".join(f"{k} 10 {k / 100}\n" for k in range(400)), "no ascending 2θ"),
        ("".join(f"{1 + k / 100} {k}\n" for k in range(700)), "convert d or Q to 2θ"),
        ("".join(f"{k} 1\n" for k in range(9)), "at least 50"),
        (None, "name a file of two columns"),
    ],
    ids=["empty", "counts-first", "over-q", "short", "folder"],
)
def test_no_pattern(tmp_path: Path, content: str | None, says: str) -> None:
    write_extxyz(tmp_path / "pool.extxyz", [rock_salt()])
    file = tmp_path / "pattern.xy"
    if content is None:
        file.mkdir()
    else:
        file.write_text(content)
    page = tmp_path / "page.html"
    arguments = ["report", str(tmp_path / "pool.extxyz"), "--xrd", str(file), "--out", str(page)]
    done = RUNNER.invoke(app, arguments)
    assert done.exit_code == 2
    assert says in " ".join(done.stderr.split())
    assert not page.exists()


def test_a_wavelength_needs_a_pattern(tmp_path: Path) -> None:
    write_extxyz(tmp_path / "pool.extxyz", [rock_salt()])
    done = RUNNER.invoke(app, ["report", str(tmp_path / "pool.extxyz"), "--wavelength", "MoKa"])
    assert done.exit_code == 2
    assert "name one with --xrd" in done.stderr
