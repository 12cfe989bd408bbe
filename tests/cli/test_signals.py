"""Signals end a command in one sentence at any moment, and the run goes on to the same end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from cheap_search import cheap_search, manifest
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.executors import ThisProcess
from gencsp.runs.decks import SearchDeck
from gencsp.runs.settings import folder as folder_of
from gencsp.runs.settings import stop_rules
from gencsp.searches.loop import Search
from gencsp.store import DiskStore

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

#: A search on a worker that says "here" when it has come as far as is asked.
SEARCH = """
import signal, sys
# A job in the background of a script begins with this signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path[:0] = {path!r}

def here():
    print("here", flush=True)

def cheap():
    import time
    from contextlib import contextmanager
    from cheap_search import cheap_search, manifest
    import gencsp.runs.search
    from gencsp.executors import LocalProcesses
    from gencsp.runs.settings import folder, stop_rules
    from gencsp.store import DiskStore

    @contextmanager
    def opened(deck, **_):
        with LocalProcesses(1) as pool, DiskStore(folder(deck), manifest("random")) as store:
            run = cheap_search("random", store, pool, stop=stop_rules(deck))
            steps = run.irun

            def irun():
                for number, step in enumerate(steps()):
                    if number == {trials}:
                        here()
                        pool.submit(time.sleep, 900).result()
                    yield step

            run.irun = irun
            yield run

    gencsp.runs.search.open_search = opened

if __name__ == "__main__":
    sys.argv[1:] = {arguments!r}
    from gencsp.__main__ import Ending, main

    watch = Ending.watch

    def patched(ending):
        watch(ending)
        if {trials} < 0:
            here()
        cheap()

    Ending.watch = patched
    main()
"""
PATH = [str(Path(__file__).parents[1])]
ARGUMENTS = [
    *("search", "LiSi2", "--atoms", "3", "--method", "random", "--budget", "9"),
    *("--seed", "5", "--out", "run", "--no-report"),
]


def started(folder: Path, trials: int) -> subprocess.Popen[str]:
    script = folder / "script.py"
    script.write_text(SEARCH.format(path=PATH, trials=trials, arguments=ARGUMENTS))
    return subprocess.Popen(
        [sys.executable, script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
    )


def ranking(folder: Path) -> bytes:
    """What a search leaves that goes on to its end, in this process."""

    @contextmanager
    def opened(deck: SearchDeck, **_: object) -> Iterator[Search]:
        with DiskStore(folder_of(deck), manifest("random")) as store:
            yield cheap_search("random", store, ThisProcess(), stop=stop_rules(deck))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gencsp.runs.search.open_search", opened)
        patch.chdir(folder)
        done = CliRunner().invoke(app, ARGUMENTS)
    assert done.exit_code == 0, done.output
    return (folder / "run" / "ranked.extxyz").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return ranking(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(
    ("trials", "signals", "group"),
    [
        (-1, ["SIGINT"], True),
        (4, ["SIGINT", "SIGINT"], True),
        (4, ["SIGTERM", "SIGINT"], False),
        (4, ["SIGTERM"], True),
    ],
)
def test_one_sentence_and_the_run_goes_on(
    tmp_path: Path, whole: bytes, trials: int, signals: Sequence[str], group: bool
) -> None:
    run = started(tmp_path, trials)
    assert run.stdout is not None
    assert run.stdout.readline() == "here\n"
    send = os.killpg if group else os.kill
    for name in signals:
        send(run.pid, signal.Signals[name])
    _, stderr = run.communicate()
    # Of two that are there at once Python may take either first.
    assert run.returncode in {128 + signal.Signals[name] for name in signals}, stderr
    assert "Traceback" not in stderr
    (sentence,) = [line for line in stderr.splitlines() if line.startswith("gencsp: ")]
    assert sentence == (
        "gencsp: stopped."
        if trials < 0
        else "gencsp: stopped. What was finished is in run: repeat the same command to go on."
    )
    assert ranking(tmp_path) == whole


DROPPED = """
import os, signal, time
from gencsp.__main__ import Ending

signal.signal(signal.SIGINT, signal.default_int_handler)

class Finaliser:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        time.sleep(60)

ending = Ending()
ending.watch()
try:
    one = Finaliser()
    del one
    time.sleep(600)
except KeyboardInterrupt:
    ending.leave("stopped.")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_in_a_finaliser_is_not_lost(name: str) -> None:
    run = [sys.executable, "-c", DROPPED.format(name=name)]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 128 + signal.Signals[name]
    assert done.stderr == "gencsp: stopped.\n"


IMPATIENT = """
import signal, time
import gencsp.__main__ as program

signal.signal(signal.SIGINT, signal.default_int_handler)
program.PATIENCE = 0.0
ending = program.Ending()
ending.watch()
try:
    signal.raise_signal(signal.SIGINT)
    time.sleep(600)
except KeyboardInterrupt:
    signal.raise_signal(signal.SIGINT)
    time.sleep(600)
"""


def test_a_signal_that_comes_later_ends_the_program_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", IMPATIENT], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "gencsp: stopped at once.\n")


def test_other_commands_say_that_they_stopped(tmp_path: Path) -> None:
    (tmp_path / "none.cif").touch()
    script = (
        "import signal, sys, gencsp.io.pools as io\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def read(paths):\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "io.sources = read\n"
        "sys.argv = ['gencsp', 'hull', 'none.cif']\n"
        "from gencsp.__main__ import main; main()\n"
    )
    run = [sys.executable, "-c", script]
    done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "gencsp: stopped.\n")


def test_a_signal_that_the_shell_ignores_stays_ignored() -> None:
    script = (
        "import signal\n"
        "from gencsp.__main__ import Ending\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "ending = Ending(); ending.watch()\n"
        "signal.raise_signal(signal.SIGINT)\n"
        "print(ending.signal)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("None\n", "")
