"""The decks for Slurm: the commands they call, what they do at signals, and what Slurm says."""

from __future__ import annotations

import csv
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import ase.io
import pytest
from ase.build import bulk
from cheap_gencsp import HERE, no_workers, opened
from programs import CLUSTERS, install, record, said
from typer.testing import CliRunner

from gencsp.cli import app

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="bash and POSIX signals")

RUNNER = CliRunner()
IN_THIS_PROCESS = "gencsp.cli.search.early_executor"
SEARCHES = ["slurm_search.sh", "slurm_array.sh"]
DECKS = [*SEARCHES, "slurm_merge.sh"]
SMALL = ["LiSi2", "--atoms", "3", "--budget", "9", "--no-report"]
#: What Slurm sets for a task of an array; for one of them the number of the job is that of the
#: whole array.
JOB = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}
#: What the search is called by ``scontrol``.
NUMBER = {"slurm_search.sh": "7", "slurm_array.sh": "7_3"}


def asked(deck: str) -> dict[str, str]:
    """The options that a deck gives to sbatch."""
    lines = re.findall(r"^#SBATCH --([a-z-]+)=?(.*)$", (CLUSTERS / deck).read_text(), re.MULTILINE)
    return dict(lines)


def start(deck: str, words: Sequence[str], home: Path, **more: str) -> subprocess.Popen[str]:
    """Start a deck as Slurm does: a copy of it, with the environment of a job."""
    script = home / "slurm_script"
    shutil.copy(CLUSTERS / deck, script)
    set_here = {"SLURM_CPUS_PER_TASK": asked(deck)["cpus-per-task"]} | JOB | more
    return subprocess.Popen(
        ["bash", script, *words],
        env=os.environ | {"HOME": str(home)} | set_here,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(deck: str, words: Sequence[str], home: Path, **more: str) -> list[list[str]]:
    """The commands that a deck calls, in their order."""
    (home / "gencsp.said").unlink(missing_ok=True)
    record(home, "gencsp")
    process = start(deck, words, home, **more)
    output, _ = process.communicate()
    assert (process.returncode, output) == (0, "")
    return said(home, "gencsp")


def value(command: Sequence[str], option: str) -> str:
    return command[command.index(option) + 1]


def repeat(commands: Sequence[Sequence[str]]) -> None:
    """Run the commands of a deck in this process."""
    for words in commands:
        done = RUNNER.invoke(app, list(words))
        assert done.exit_code == 0, done.output


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    while not file.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.mark.usefixtures("in_this_process")
def test_the_search_of_a_node_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(IN_THIS_PROCESS, no_workers)
    quick = ["--no-seeds", "--hull", "none", "--same", "close", "--no-report"]
    small = ["MgO", "--atoms", "2", "--budget", "2", *quick]
    (command,) = run("slurm_search.sh", small, tmp_path)
    workers = int(value(command, "--workers"))
    assert workers == int(asked("slurm_search.sh")["cpus-per-task"]) - 1
    assert int(value(command, "--ahead")) >= 4 * workers
    repeat([command])
    assert len(ase.io.read("runs/MgO-random-0/ranked.extxyz", ":")) == 2


def test_one_cpu_is_enough(tmp_path: Path) -> None:
    (command,) = run("slurm_search.sh", [], tmp_path, SLURM_CPUS_PER_TASK="1")
    assert command == ["search", "TiO2", "--ahead", "128", "--workers", "1"]


def test_tasks_of_an_array_have_seeds_and_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(IN_THIS_PROCESS, no_workers)
    monkeypatch.setattr("gencsp.runs.search.open_search", opened)
    for seed in ("1", "2"):
        (command,) = run("slurm_array.sh", SMALL, tmp_path, SLURM_ARRAY_TASK_ID=seed)
        assert value(command, "--workers") == asked("slurm_array.sh")["cpus-per-task"]
        repeat([command])
    one, two = (Path(f"runs/LiSi2-{seed}/ranked.extxyz") for seed in (1, 2))
    assert one.read_text() != two.read_text()
    assert {atoms.info["seed"] for atoms in ase.io.read(two, ":")} == {2}


def test_a_file_has_a_composition_for_each_task(tmp_path: Path) -> None:
    (tmp_path / "formulas.txt").write_text("MgO\n\nLi-Si\r\n  \nTiO2")
    for task, formula in enumerate(["MgO", "Li-Si", "TiO2", "MgO", "Li-Si"], start=1):
        given = {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_CPUS_PER_TASK": "2"}
        (command,) = run("slurm_array.sh", ["formulas.txt", "--budget", "5"], tmp_path, **given)
        assert command == [
            *("search", formula, "--budget", "5", "--seed", str(task), "--ahead", "16"),
            *("--out", f"runs/{formula}-{task}", "--workers", "2"),
        ]


def test_the_merged_list_has_each_crystal_once_and_the_lowest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rock salt is what magnesia is; two searches found it, one zincblende as well."""
    monkeypatch.chdir(tmp_path)
    salt, blende = bulk("MgO", "rocksalt", a=4.25), bulk("MgO", "zincblende", a=4.63)
    for task, found in (("MgO-1", [blende, salt]), ("MgO-2", [salt.repeat((1, 1, 2))])):
        for number, atoms in enumerate(found):
            atoms.info["structure_id"] = f"s0000{number}"
        folder = Path("runs") / task
        folder.mkdir(parents=True)
        ase.io.write(folder / "ranked.extxyz", found)
    # What an earlier merge left is not merged again.
    repeat(run("slurm_merge.sh", [], tmp_path, SLURM_CPUS_PER_TASK="1"))
    repeat(run("slurm_merge.sh", [], tmp_path, SLURM_CPUS_PER_TASK="1"))
    with open("runs/merged/hull.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["space_group"], row["copies"]) for row in rows] == [("Fm-3m", "2"), ("F-43m", "1")]
    assert Path("runs/merged/report.html").stat().st_size > 10_000


def test_before_its_time_is_up_a_search_stops_and_later_goes_on(tmp_path: Path) -> None:
    tests = Path(__file__).parent
    record(tmp_path, "scontrol")
    install(tmp_path, "gencsp", f'exec "{sys.executable}" "{tests / "cheap_gencsp.py"}" "$@"')
    paths = os.pathsep.join([str(tests.parent), str(CLUSTERS.parent)])
    job = start("slurm_search.sh", SMALL, tmp_path, PYTHONPATH=paths)
    wait_for(tmp_path / HERE, job)
    job.send_signal(signal.SIGUSR1)
    output, _ = job.communicate()
    assert (job.returncode, output.count("repeat the same command to go on")) == (143, 1), output
    assert said(tmp_path, "scontrol") == [["requeue", "7"]]
    folder = tmp_path / "runs" / "LiSi2-random-0"
    assert not (folder / "ranked.extxyz").exists()
    again = start("slurm_search.sh", SMALL, tmp_path, PYTHONPATH=paths)
    output, _ = again.communicate()
    assert (again.returncode, "the budget of 9 trials was used" in output) == (0, True), output
    assert len(said(tmp_path, "scontrol")) == 1
    assert (folder / "ranked.extxyz").exists()


@pytest.mark.parametrize("deck", SEARCHES)
@pytest.mark.parametrize(
    ("name", "ends_with", "requeued"),
    [("SIGUSR1", 143, True), ("SIGTERM", 143, False), ("SIGUSR1", 0, False), ("SIGUSR1", 1, False)],
)
def test_only_what_its_time_stopped_goes_back_into_the_queue(
    deck: str, name: str, ends_with: int, requeued: bool, tmp_path: Path
) -> None:
    """... and not what was cancelled, what had just ended, and what failed."""
    record(tmp_path, "scontrol")
    waits = f"trap 'sleep 0.1; exit {ends_with}' TERM; touch here; while :; do sleep 0.02; done"
    record(tmp_path, "gencsp", then=waits)
    job = start(deck, [], tmp_path)
    wait_for(tmp_path / HERE, job)
    job.send_signal(signal.Signals[name])
    output, _ = job.communicate()
    assert (job.returncode, output) == (ends_with, "")
    assert said(tmp_path, "scontrol") == ([["requeue", NUMBER[deck]]] if requeued else [])


@pytest.mark.parametrize("code", [0, 2])
@pytest.mark.parametrize("deck", SEARCHES)
def test_a_job_ends_as_its_search_does(deck: str, code: int, tmp_path: Path) -> None:
    record(tmp_path, "scontrol")
    record(tmp_path, "gencsp", then=f"exit {code}")
    job = start(deck, [], tmp_path)
    job.communicate()
    assert job.returncode == code
    assert said(tmp_path, "scontrol") == []


def test_a_merge_ends_where_a_step_failed(tmp_path: Path) -> None:
    record(tmp_path, "gencsp", then="exit 2")
    job = start("slurm_merge.sh", [], tmp_path)
    job.communicate()
    assert (job.returncode, len(said(tmp_path, "gencsp"))) == (2, 1)


@pytest.mark.parametrize("deck", SEARCHES)
def test_slurm_is_asked_for_what_going_on_takes(deck: str) -> None:
    options = asked(deck)
    assert re.fullmatch(r"B:USR1@\d+", options["signal"])  # B: to the script, which has the trap
    assert options["open-mode"] == "append"
    assert "requeue" in options


def test_a_merge_waits_for_the_array() -> None:
    assert asked("slurm_merge.sh")["job-name"] == asked("slurm_array.sh")["job-name"]
    assert asked("slurm_merge.sh")["dependency"] == "singleton"


@pytest.mark.parametrize("deck", DECKS)
def test_slurm_would_take_it(deck: str) -> None:
    """On a part of a node, since the cluster at hand may be small."""
    if shutil.which("sbatch") is None:
        pytest.skip("Slurm is not installed")
    if subprocess.run(["sinfo"], capture_output=True).returncode:
        pytest.skip("no controller of Slurm answers")
    memory = "mem" if "mem" in asked(deck) else "mem-per-cpu"
    small = ["--test-only", "--cpus-per-task=1", f"--{memory}=100"]
    done = subprocess.run(["sbatch", *small, CLUSTERS / deck], capture_output=True, text=True)
    assert (done.returncode, "to start at" in done.stderr) == (0, True), done.stderr


def test_the_configuration_of_parsl_is_that_of_the_page() -> None:
    page = CLUSTERS.parent / "docs" / "search.md"
    shown = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    assert (CLUSTERS / "slurm_parsl.py").read_text().partition("\n\n")[2] in shown


def test_parsl_takes_the_configuration() -> None:
    parsl = pytest.importorskip("parsl")
    config = runpy.run_path(str(CLUSTERS / "slurm_parsl.py"))["config"]
    assert isinstance(config, parsl.Config)
    (executor,) = config.executors
    assert "OMP_NUM_THREADS=1" in executor.provider.worker_init
