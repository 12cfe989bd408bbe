"""``gencsp report``, and the page at the end of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_material import HOSTILE, cycle_folder, hull_of, pool_of, search_folder
from test_cli_search import ARGUMENTS, open_cheap_search
from typer.testing import CliRunner

import gencsp.runs.search
from gencsp.cli import app
from gencsp.convex_hull.entries import write_entries
from gencsp.errors import ReportError
from gencsp.io.structures import write_extxyz
from gencsp.report import page as pages

RUNNER = CliRunner()


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
