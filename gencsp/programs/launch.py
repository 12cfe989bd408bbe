"""One external program as a process: start, status, output and end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gencsp.deck import Natural, Positive, Seconds, check_fields
from gencsp.errors import ProgramError

#: Names of the files that hold what a program says.
STDOUT, STDERR = "program.out", "program.err"

#: Where custodian notes each of its looks, which says nothing of the program.
LOG = "custodian.json"

#: Seconds between asking a program to end and ending it.
GRACE = 5.0

#: Bytes at the end of what a program said that are looked at.
TAIL = 20_000

#: Variables of our own Python that would mislead another one.
_OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a program.

    Attributes:
        seconds: wall time of one start.
        silence: seconds without a new or a grown file, after which it counts as hung; ``None`` for
            no such limit.
        disk: bytes that it may write.
        retries: how often it is started again after a failure.
    """

    seconds: Seconds = 24 * 3600.0
    silence: Seconds | None = None
    disk: Positive = 20e9
    retries: Natural = 2

    def __post_init__(self) -> None:
        check_fields(self, ProgramError)


@dataclass(slots=True, kw_only=True)
class Launch:
    """A program in a folder, started once or several times.

    Attributes:
        command: makes the command of an attempt, one argument each (no shell), from the folder for
            its output and the batch size.
        folder: where it runs.
        limits: on time, silence, disk and restarts.
        environment: folder of its own environment (a virtual or conda one); ``None`` for ours.
        variables: more environment variables.
        batch: structures made at once; halved when memory runs out.
        apart: each attempt writes to a folder of its own, ``out-1``, ``out-2``, ...; else to
            ``folder``.
        attempt: number of the attempt, from 1; 0 before the first.
        stopped: the program was stopped for good.
        ended: this attempt was ended from here.
        faults: what went wrong, one line for each attempt that failed.
    """

    command: Callable[[Path, int], Sequence[str]]
    folder: Path
    limits: Limits = field(default_factory=Limits)
    environment: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    batch: int = 1
    apart: bool = True
    attempt: int = 0
    stopped: bool = False
    ended: bool = False
    faults: list[str] = field(default_factory=list)
    started: float = 0.0
    process: subprocess.Popen[bytes] | None = None

    @property
    def out(self) -> Path:
        """Where this attempt leaves its output."""
        return self.folder / f"out-{self.attempt}" if self.apart else self.folder

    @property
    def status(self) -> int | None:
        """Exit status of the last attempt; ``None`` while it runs."""
        return None if self.process is None else self.process.returncode

    def start(self) -> subprocess.Popen[bytes]:
        """Start the next attempt.

        Raises:
            ProgramError: there is no such program, or it cannot be started.
        """
        self.attempt += 1
        self.ended = False
        self.out.mkdir(parents=True, exist_ok=True)
        words = [str(word) for word in self.command(self.out, self.batch)]
        variables = self._variables()
        program = find_program(words[0], variables.get("PATH", ""))
        self.started = time.monotonic()
        with (self.folder / STDOUT).open("wb") as out, (self.folder / STDERR).open("wb") as err:
            try:
                # A session of its own, so that whatever it starts can be ended with it.
                self.process = subprocess.Popen(
                    [program, *words[1:]],
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    env=variables,
                    start_new_session=True,
                )
            except OSError as error:
                raise ProgramError(
                    f"{words[0]} cannot be started ({error.strerror}): check its environment."
                ) from error
        if self.stopped:
            self.end()
        return self.process

    def stop(self) -> None:
        """End the program for good: it is not started again."""
        self.stopped = True
        self.end()

    def end(self) -> None:
        """End this attempt and all that it started."""
        if self.process is None:
            return
        self.ended = self.ended or self.process.poll() is None
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        self._signal(signal.SIGKILL)
        self.process.wait()

    def said(self) -> str:
        """The end of what the program wrote to its standard output and error."""
        return _tail(self.folder / STDOUT) + _tail(self.folder / STDERR)

    def last_words(self) -> str:
        """The last line on standard error, else on standard output; empty where it said nothing."""
        for name in (STDERR, STDOUT):
            lines = _tail(self.folder / name).strip().splitlines()
            if lines:
                return lines[-1].strip()[:300]
        return ""

    def used(self) -> tuple[int, float]:
        """Bytes in the folder, and seconds since a file in it was last changed."""
        size, newest = 0, 0.0
        for place, _, names in os.walk(self.folder):
            for name in names:
                if name == LOG:
                    continue
                # Files come and go while the program works.
                with contextlib.suppress(OSError):
                    found = os.lstat(os.path.join(place, name))
                    size += found.st_blocks * 512
                    newest = max(newest, found.st_mtime)
        since_start = time.monotonic() - self.started
        return size, min(since_start, max(0.0, time.time() - newest))

    def _signal(self, number: int) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _variables(self) -> dict[str, str]:
        return program_variables(self.environment, self.variables)


def program_variables(environment: Path | None, more: Mapping[str, str]) -> dict[str, str]:
    """Environment variables for a program: ours, less what would mislead its Python."""
    found = {key: value for key, value in os.environ.items() if key not in _OURS}
    if environment is not None:
        place = environment.expanduser().absolute()
        found["PATH"] = f"{place / 'bin'}{os.pathsep}{found.get('PATH', os.defpath)}"
        found["VIRTUAL_ENV"] = str(place)
    return found | dict(more)


def find_program(name: str, path: str) -> str:
    """The file of a program.

    Raises:
        ProgramError: there is none.
    """
    found = shutil.which(name, path=path)
    if found is None:
        raise ProgramError(
            f"there is no program '{name}': install it, and name the folder of its environment "
            f"with 'environment'."
        )
    return found


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
