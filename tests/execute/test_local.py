"""Local workers: one thread each, results as in this process, and no orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, as_completed
from pathlib import Path

import pytest

from gencsp.execute import LocalProcesses, ThisProcess, one_thread


def square(number: int) -> int:
    return number * number


def boom() -> None:
    raise ValueError("boom")


def threads() -> tuple[int, int]:
    import torch

    return torch.get_num_threads(), os.getpid()


def sleep(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


@pytest.mark.parametrize("make", [ThisProcess, lambda: LocalProcesses(2)])
def test_results_and_errors(make: type[Executor]) -> None:
    with make() as executor:
        futures = {executor.submit(square, n): n for n in range(5)}
        assert {futures[f]: f.result() for f in as_completed(futures)} == {
            n: n * n for n in range(5)
        }
        with pytest.raises(ValueError, match="boom"):
            executor.submit(boom).result()


def test_workers_have_one_thread_and_are_other_processes() -> None:
    with LocalProcesses(1) as executor:
        n, pid = executor.submit(threads).result()
    assert n == 1
    assert pid != os.getpid()


def test_one_thread_tells_what_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "2")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        one_thread()
        assert torch.get_num_threads() == 1
        assert os.environ["OMP_NUM_THREADS"] == "1"
    finally:
        torch.set_num_threads(before)


def test_left_by_an_exception_the_workers_end_at_once() -> None:
    start = time.monotonic()
    pool = LocalProcesses(1)
    pid = pool.submit(sleep, 0).result()

    def interrupted() -> None:
        with pool:
            pool.submit(sleep, 60)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ends(pid)
    assert time.monotonic() - start < 30


PARENT = """
import sys, time
sys.path[:0] = [{path!r}]
from test_local import sleep
from gencsp.execute import LocalProcesses
if __name__ == "__main__":
    pool = LocalProcesses(2)
    print(pool.submit(sleep, 0).result(), flush=True)
    pool.submit(sleep, 60).result()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_workers_end_when_their_parent_is_killed(tmp_path: Path, name: str) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(path=str(Path(__file__).parent)))
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.send_signal(signal.Signals[name])
    parent.wait()
    parent.stdout.close()
    assert ends(worker)


INTERRUPTED = """
import sys
sys.path[:0] = [{path!r}]
from test_local import sleep
from gencsp.execute import LocalProcesses
if __name__ == "__main__":
    try:
        with LocalProcesses(2) as pool:
            print(pool.submit(sleep, 0).result(), flush=True)
            pool.submit(sleep, 60).result()
    except KeyboardInterrupt:
        print("stopped")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_interrupt_of_the_whole_group_is_quiet(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(INTERRUPTED.format(path=str(Path(__file__).parent)))
    parent = subprocess.Popen(
        [sys.executable, script], stdout=-1, stderr=-1, text=True, start_new_session=True
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    os.killpg(parent.pid, signal.SIGINT)
    stdout, stderr = parent.communicate(timeout=30)
    assert (stdout, stderr, parent.returncode) == ("stopped\n", "", 0)
    assert ends(worker)


def ends(pid: int) -> bool:
    """Whether a process is gone within ten seconds."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False
