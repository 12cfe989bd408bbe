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

from gencsp.executors import LocalProcesses, ThisProcess, one_thread
from gencsp.executors.local import WorkerLost

#: Seconds of a task that is not meant to end by itself.
LONG = 900


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
    pool = LocalProcesses(1)
    pid = pool.submit(sleep, 0).result()

    def interrupted() -> None:
        with pool:
            pool.submit(sleep, LONG)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ends(pid)


class Unsendable(Exception):
    """Cannot be made again from what pickle keeps of it."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one + other)


def unsendable() -> None:
    raise Unsendable("lost", " for words")


def test_what_cannot_be_sent_is_told() -> None:
    with LocalProcesses(1) as pool:
        with pytest.raises(AttributeError, match="pickle"):
            pool.submit(lambda: 1).result()
        with pytest.raises(TypeError, match="pickle"):
            pool.submit(open, os.devnull).result()
        with pytest.raises(TypeError, match="missing 1 required"):
            pool.submit(unsendable).result()
        with pytest.raises(ValueError, match="boom") as told:
            pool.submit(boom).result()
        assert "in boom" in "".join(told.value.__notes__)
        assert pool.submit(square, 3).result() == 9


def die_once(mark: Path) -> int:
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_worker_that_dies_is_replaced_and_its_task_begun_again(tmp_path: Path) -> None:
    with LocalProcesses(2) as pool:
        others = [pool.submit(sleep, 0.3) for _ in range(4)]
        done = pool.submit(die_once, tmp_path / "mark")
        assert done.result() not in (None, os.getpid())
        assert len({other.result() for other in others}) <= 3
        # ... also one that dies while it has nothing to do
        pid = pool.submit(sleep, 0).result()
        os.kill(pid, signal.SIGKILL)
        assert ends(pid)
        assert [pool.submit(square, n).result() for n in range(4)] == [0, 1, 4, 9]


def test_a_task_that_kills_every_worker_is_given_up() -> None:
    with LocalProcesses(1) as pool:
        deadly = pool.submit(os._exit, 3)
        after = pool.submit(square, 3)
        with pytest.raises(WorkerLost, match="3 workers died"):
            deadly.result()
        assert after.result() == 9


def until(mark: Path) -> int:
    while not mark.exists():
        time.sleep(0.01)
    return os.getpid()


def test_an_ended_pool_takes_nothing_more_and_drops_what_waits(tmp_path: Path) -> None:
    pool = LocalProcesses(1)
    running = pool.submit(until, tmp_path / "mark")
    while not running.running():
        time.sleep(0.01)
    waiting = [pool.submit(square, n) for n in range(3)]
    pool.shutdown(wait=False, cancel_futures=True)
    (tmp_path / "mark").touch()
    assert running.result() > 0
    assert all(future.cancelled() for future in waiting)
    with pytest.raises(RuntimeError, match="has ended"):
        pool.submit(square, 1)
    pool.shutdown()
    with pytest.raises(ValueError, match="workers is 0: give a whole number from 1"):
        LocalProcesses(0)


PARENT = """
import sys, time
sys.path[:0] = [{path!r}]
from test_local import sleep
from gencsp.executors import LocalProcesses
if __name__ == "__main__":
    pool = LocalProcesses(2)
    print(pool.submit(sleep, 0).result(), flush=True)
    pool.submit(sleep, {long}).result()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_workers_end_when_their_parent_is_killed(tmp_path: Path, name: str) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(path=str(Path(__file__).parent), long=LONG))
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.send_signal(signal.Signals[name])
    parent.wait()
    parent.stdout.close()
    assert ends(worker)


INTERRUPTED = """
import signal, sys
# A job in the background of a script begins with this signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path[:0] = [{path!r}]
from test_local import sleep
from gencsp.executors import LocalProcesses
if __name__ == "__main__":
    try:
        with LocalProcesses(2) as pool:
            {ready}
            pool.submit(sleep, {long}).result()
    except KeyboardInterrupt:
        print("stopped")
"""
#: When the signal comes: while workers start, and when they have.
STARTING = "print(0, flush=True)"
STARTED = "print([pool.submit(sleep, 0.1) for _ in range(2)][0].result(), flush=True)"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("ready", [STARTING, STARTED])
def test_interrupt_of_the_whole_group_is_quiet(tmp_path: Path, ready: str) -> None:
    script = tmp_path / "parent.py"
    script.write_text(INTERRUPTED.format(path=str(Path(__file__).parent), ready=ready, long=LONG))
    parent = subprocess.Popen(
        [sys.executable, script], stdout=-1, stderr=-1, text=True, start_new_session=True
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    os.killpg(parent.pid, signal.SIGINT)
    stdout, stderr = parent.communicate()
    assert (stdout, stderr, parent.returncode) == ("stopped\n", "", 0)
    assert worker == 0 or ends(worker)


UNNOTICED = """
import signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path[:0] = [{path!r}]
from test_local import sleep
from gencsp.executors import LocalProcesses

def interrupt(main):
    places = []
    while len(places) < 5 or len(set(places[-5:])) > 1:
        time.sleep(0.02)
        frame = sys._current_frames()[main]
        places.append((frame.f_code, frame.f_lasti))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

if __name__ == "__main__":
    try:
        with LocalProcesses(1) as pool:
            print(pool.submit(sleep, 0).result(), flush=True)
            future = pool.submit(sleep, {long})
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            threading.Thread(target=interrupt, args=[threading.get_ident()]).start()
            {wait}
    except KeyboardInterrupt:
        print("stopped")
"""
WAITS = (
    "future.result()",
    "future.exception()",
    "pool.shutdown()",
    "from gencsp.executors.waiting import wait_for_one; wait_for_one([future])",
)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="POSIX signals")
@pytest.mark.parametrize("wait", WAITS)
def test_a_signal_that_does_not_wake_the_waiting_thread_ends_its_wait(
    tmp_path: Path, wait: str
) -> None:
    """As one that comes just before Python begins to wait for a lock: another thread takes it."""
    script = tmp_path / "parent.py"
    script.write_text(UNNOTICED.format(path=str(Path(__file__).parent), wait=wait, long=LONG))
    parent = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert parent.stdout.endswith("stopped\n"), parent.stderr
    assert parent.stderr == ""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="what Linux tells of threads")
def test_signals_are_left_to_the_thread_that_waits() -> None:
    with LocalProcesses(2) as pool:
        workers = {pool.submit(sleep, 0.1) for _ in range(2)}
        pids = {worker.result() for worker in workers}
        threads = [f"/proc/self/task/{thread.native_id}/status" for thread in pool._threads]
        assert len(threads) == 2
        for status in threads:
            assert {signal.SIGINT, signal.SIGTERM} <= signals(status, "SigBlk")
        for pid in pids:
            assert signal.SIGINT in signals(f"/proc/{pid}/status", "SigIgn")
            assert signals(f"/proc/{pid}/status", "SigBlk") == set()


def signals(status: str, name: str) -> set[int]:
    """Those that a process or thread blocks or ignores."""
    (line,) = [one for one in Path(status).read_text().splitlines() if one.startswith(name)]
    mask = int(line.split()[1], 16)
    return {number + 1 for number in range(64) if mask >> number & 1}


UNGUARDED = """
import sys
sys.path[:0] = [{path!r}]
from test_local import square
from gencsp.executors import LocalProcesses
pool = LocalProcesses(2)
print([future.result() for future in [pool.submit(square, n) for n in range(4)]])
"""


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(UNGUARDED.format(path=str(Path(__file__).parent)))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    *_, last = done.stderr.splitlines()
    assert last.startswith("gencsp.errors.ExecutorError: this script starts workers")
    assert 'if __name__ == "__main__":' in last
    assert done.stderr.count("Traceback") == 1


def test_a_script_that_is_no_file_is_told_so() -> None:
    script = UNGUARDED.format(path=str(Path(__file__).parent))
    done = subprocess.run([sys.executable], input=script, capture_output=True, text=True)
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith("gencsp.errors.ExecutorError: workers read the script again")
    assert "save the script in a file" in last


def ends(pid: int) -> bool:
    """Whether a process is gone long before it would have ended by itself."""
    for _ in range(LONG):
        try:
            os.kill(pid, 0)
            if "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False
