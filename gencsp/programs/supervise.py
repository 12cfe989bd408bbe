"""A program run by custodian in the background, while its output is read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Self

from gencsp.errors import ProgramError
from gencsp.programs.launch import Launch

#: Seconds between two checks of a running program.
POLL = 0.5


class Supervised:
    """Runs a launch to its end, with retries, in a thread of its own.

    Used as a context: leaving it ends the program, whatever it was doing.

    Args:
        launch: the program.
        is_there: whether the present attempt has left what it was started for.
        poll: seconds between two looks.
    """

    def __init__(self, launch: Launch, *, is_there: Callable[[], bool], poll: float = POLL) -> None:
        self.launch = launch
        self.is_there = is_there
        self.poll = poll
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gencsp-program")
        self._done: Future[bool] | None = None

    def __enter__(self) -> Self:
        self._done = self._thread.submit(self._run)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.launch.stop()
        self._thread.shutdown()

    @property
    def succeeded(self) -> bool:
        """It ended, and well."""
        return self._done is not None and self._done.done() and self._done.result()

    def running(self, seconds: float) -> bool:
        """Wait so long; whether the program still runs, or will be started again.

        Raises:
            ProgramError: it cannot be started, or its folder cannot be written.
        """
        assert self._done is not None, "used as a context"
        if self._done not in wait([self._done], seconds).done:
            return True
        self._done.result()
        return False

    def _run(self) -> bool:
        from custodian import Custodian
        from custodian.custodian import CustodianError

        from gencsp.programs import handlers

        launch = self.launch
        checks = [
            handlers.TimeLimit(launch),
            handlers.Silence(launch),
            handlers.DiskLimit(launch),
            handlers.NoSpace(launch),
            handlers.OutOfMemory(launch),
            handlers.Crash(launch),
            handlers.NoOutput(launch, self.is_there),
        ]
        logging.getLogger("custodian").setLevel(logging.CRITICAL)
        custodian = Custodian(
            checks,
            [job_of(launch)],
            max_errors=1 + launch.limits.retries,
            polling_time_step=self.poll,
            monitor_freq=1,
            directory=str(launch.folder),
        )
        try:
            custodian.run()
        except CustodianError:
            return False  # what went wrong stands in launch.faults
        except OSError as error:
            raise ProgramError(f"{launch.folder} cannot be written ({error}).") from error
        finally:
            launch.end()
        return launch.status == 0 and not launch.stopped


def job_of(launch: Launch) -> Any:
    """A launch as a job of custodian, which is only imported where something is run."""
    from custodian.custodian import Job

    class ProgramJob(Job):  # type: ignore[misc]  # custodian is untyped
        name = "program"

        def setup(self, directory: str = "./") -> None:
            pass

        def run(self, directory: str = "./") -> Any:  # noqa: ARG002
            return launch.start()

        def postprocess(self, directory: str = "./") -> None:
            pass

        def terminate(self, directory: str = "./") -> None:  # noqa: ARG002
            launch.end()

        def as_dict(self) -> dict[str, Any]:
            words = [str(w) for w in launch.command(launch.folder / "out", launch.batch)]
            return {"@module": __name__, "@class": "ProgramJob", "command": words}

    return ProgramJob()
