"""What commands say without a terminal, in a log, as JSON, and when asked to be quiet."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read, write
from rich.console import Console
from rich.progress import TextColumn
from typer.main import get_command
from typer.testing import CliRunner

from gencsp.cli import LATE, app
from gencsp.cli.console import Commands
from gencsp.cli.output import Output, add_output_options, output_of_a_call
from gencsp.cli.progress import EVERY, ProgressBars
from gencsp.searches.progress_line import duration, progress_line

RUNNER = CliRunner()


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    path = tmp_path / "pool.extxyz"
    salt = bulk("NaCl", "rocksalt", a=5.6)
    salt.info["structure_id"] = "[/salt] <b>"
    write(path, [salt, bulk("MgO", "rocksalt", a=4.2), salt.copy()])
    return path


def dedup(pool: Path, out: Path, *more: str) -> tuple[int, str, str]:
    result = RUNNER.invoke(app, ["dedup", str(pool), "--out", str(out), *more])
    return result.exit_code, result.stdout, result.stderr


def test_json_is_one_document_and_nothing_else(pool: Path, tmp_path: Path) -> None:
    code, out, _ = dedup(pool, tmp_path / "out", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["command"] == "dedup"
    assert document["exit_status"] == 0
    assert document["tables"][0][0]["copies"] == "2"
    assert any("2 unique of 3" in line for line in document["messages"])
    assert len(read(tmp_path / "out" / "unique.extxyz", ":")) == 2


def test_json_of_an_error_says_the_error(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["dedup", str(tmp_path / "nothing.cif"), "--json"])
    document = json.loads(result.stdout)
    assert result.exit_code == document["exit_status"] == 2
    assert "nothing.cif" in document["warnings"][0]


def test_structures_in_json_are_whole() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.info = {"energy_per_atom": -3.0, "decomposition_energy": float("nan"), "seed": 3}
    with output_of_a_call() as output:
        output.document = {}
        Output.now().structures([atoms])
        Output.now().structures([])
        stream = io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdout", stream)
            output.close(0)
    (found,) = json.loads(stream.getvalue())["structures"]
    again = Atoms(found["symbols"], found["positions"], cell=found["cell"], pbc=True)
    assert again == atoms
    assert found["info"] == {"energy_per_atom": -3.0, "decomposition_energy": None, "seed": 3}


def test_quiet_writes_the_same_files_and_says_nothing(pool: Path, tmp_path: Path) -> None:
    _, loud, _ = dedup(pool, tmp_path / "loud")
    code, out, err = dedup(pool, tmp_path / "quiet", "--quiet")
    assert (code, out, err) == (0, "", "")
    assert loud
    for name in ("unique.extxyz", "groups.csv"):
        assert (tmp_path / "quiet" / name).read_text() == (tmp_path / "loud" / name).read_text()


def test_quiet_still_says_errors(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["dedup", str(tmp_path / "nothing.cif"), "--quiet"])
    assert "nothing.cif" in result.stderr


def test_a_log_grows_and_holds_all_that_is_said(pool: Path, tmp_path: Path) -> None:
    log = tmp_path / "new" / "run.log"
    for _ in range(2):
        _, out, _ = dedup(pool, tmp_path / "out", "--log", str(log))
    text = log.read_text()
    for line in out.splitlines():
        assert text.count(line.strip()) >= 2, line
    dedup(tmp_path / "nothing.cif", tmp_path / "out", "--log", str(log))
    assert "nothing.cif" in log.read_text().splitlines()[-1]


def test_a_log_that_cannot_be_written_is_said_at_once(pool: Path, tmp_path: Path) -> None:
    code, _, err = dedup(pool, tmp_path / "out", "--log", str(tmp_path))
    assert code != 0
    assert "--log" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [*LATE, "check", "info", "import", "fetch", "dft", "train"])
def test_every_command_has_the_options_once(name: str) -> None:
    group = get_command(app)
    assert isinstance(group, Commands)
    command = group.whole(name)
    add_output_options(command)
    add_output_options(command)
    leaves = list(command.commands.values()) if hasattr(command, "commands") else [command]
    for leaf in leaves:
        options = [option for parameter in leaf.params for option in parameter.opts]
        for wanted in ("--quiet", "--verbose", "-v", "--json", "--log"):
            assert options.count(wanted) == 1, (leaf.name, wanted)


def bars_at(times: list[float], output: Output) -> ProgressBars:
    """Bars of a stream that is no terminal, on a clock of their own."""
    bars = ProgressBars(
        TextColumn("{task.description}"), output=output, console=Console(file=io.StringIO())
    )
    bars.get_time = lambda: times[0]
    return bars


def test_without_a_terminal_a_line_comes_every_half_minute_and_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]
    bars = bars_at(now, Output())
    task = bars.add_task("search", total=100, note="")
    # 40 trials are of an earlier session: they say nothing of the rate.
    for second in range(61):
        now[0] = float(second)
        bars.update(task, completed=40 + second // 2, note="best -0.1 eV/atom")
    now[0] = 65.0
    bars.update(task, completed=100, note="best -0.2 eV/atom")
    bars.update(task, completed=100, note="best -0.2 eV/atom")
    bars.stop()
    assert EVERY == 30
    assert capsys.readouterr().err.splitlines() == [
        "search: 55 of 100, best -0.1 eV/atom, 2 min left",
        "search: 70 of 100, best -0.1 eV/atom, 1 min left",
        "search: 100 of 100, best -0.2 eV/atom",
    ]


def test_progress_without_a_terminal_is_kept_from_the_quiet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = io.StringIO()
    bars = bars_at([0.0], Output(quiet=True, log=log))
    task = bars.add_task("relax", total=1, note="")
    bars.advance(task)
    bars.tell("a new minimum")
    assert capsys.readouterr().err == ""
    assert "relax: 1 of 1" in log.getvalue()
    assert "a new minimum" in log.getvalue()


def test_durations_read_as_people_say_them() -> None:
    assert [duration(s) for s in (0.4, 59, 61, 3541, 3600 * 3 + 20 * 60)] == [
        *("0 s", "59 s", "1 min", "59 min", "3 h 20 min"),
    ]
    assert progress_line("hull", done=3, total=None, note="") == "hull: 3"


def test_completion_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_GENCSP_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "gencsp search --bud")
    monkeypatch.setenv("COMP_CWORD", "2")
    result = RUNNER.invoke(app, [], prog_name="gencsp")
    assert result.stdout.split() == ["--budget"]
