"""The known ways in which a program fails, as handlers of custodian."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from custodian.custodian import ErrorHandler

from gencsp.programs.launch import Launch

#: How programs say that memory ran out, on a CPU or a GPU.
_MEMORY = re.compile(
    r"out of memory|OutOfMemory|MemoryError|bad_alloc|Cannot allocate memory|oom-kill",
    re.IGNORECASE,
)
#: Exit statuses of a process that the kernel killed, as Python and as shells report them.
_KILLED = (-9, 137)
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded|Errno 28|ENOSPC")


class Handler(ErrorHandler):  # type: ignore[misc]  # custodian is untyped
    """Base of the handlers: the launch that they watch, and how faults are recorded."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch

    def as_dict(self) -> dict[str, Any]:
        """Module and class, as custodian writes them into its records."""
        return {"@module": type(self).__module__, "@class": type(self).__name__}

    def fault(self, what: str, action: str | None) -> dict[str, Any]:
        """Note a fault; without an action it is final."""
        self.launch.faults.append(what)
        return {"errors": [what], "actions": None if action is None else [{"action": action}]}

    @property
    def failed(self) -> bool:
        """The program ended by itself, and not well."""
        launch = self.launch
        return not (launch.stopped or launch.ended) and launch.status not in (None, 0)


class TimeLimit(Handler):
    """Takes longer than it may."""

    is_monitor = True

    def check(self, directory: str = "./") -> bool:  # noqa: ARG002
        """Whether it has happened; see :class:`custodian.custodian.ErrorHandler`."""
        running = self.launch.process is not None and self.launch.process.poll() is None
        return running and self._elapsed() > self.launch.limits.seconds

    def correct(self, directory: str = "./") -> dict[str, Any]:  # noqa: ARG002
        """Say what happened and what is done; see :class:`custodian.custodian.ErrorHandler`."""
        return self.fault(f"not done after {self.launch.limits.seconds:g} s", "start again")

    def _elapsed(self) -> float:
        return time.monotonic() - self.launch.started


class Silence(Handler):
    """Writes nothing for so long that it must be hung."""

    is_monitor = True

    def check(self, directory: str = "./") -> bool:  # noqa: ARG002
        """Whether it has happened; see :class:`custodian.custodian.ErrorHandler`."""
        limit = self.launch.limits.silence
        process = self.launch.process
        if limit is None or process is None or process.poll() is not None:
            return False
        return self.launch.used()[1] > limit

    def correct(self, directory: str = "./") -> dict[str, Any]:  # noqa: ARG002
        """Say what happened and what is done; see :class:`custodian.custodian.ErrorHandler`."""
        return self.fault(f"wrote nothing for {self.launch.limits.silence:g} s", "start again")


class DiskLimit(Handler):
    """Fills the disk: no second try would do better."""

    is_monitor = True

    def check(self, directory: str = "./") -> bool:  # noqa: ARG002
        """Whether it has happened; see :class:`custodian.custodian.ErrorHandler`."""
        if self.launch.stopped:
            return False
        return self.launch.used()[0] > self.launch.limits.disk

    def correct(self, directory: str = "./") -> dict[str, Any]:  # noqa: ARG002
        """Say what happened and what is done; see :class:`custodian.custodian.ErrorHandler`."""
        return self.fault(f"wrote more than {self.launch.limits.disk / 1e9:g} GB", None)


class NoSpace(Handler):
    """There is no space left on the device."""

    def check(self, directory: str = "./") -> bool:  # noqa: ARG002
        """Whether it has happened; see :class:`custodian.custodian.ErrorHandler`."""
        return self.failed and bool(_NO_SPACE.search(self.launch.said()))

    def correct(self, directory: str = "./") -> dict[str, Any]:  # noqa: ARG002
        """Say what happened and what is done; see :class:`custodian.custodian.ErrorHandler`."""
        return self.fault("no space left on the device", None)


class OutOfMemory(Handler):
    """Memory ran out: try with smaller batches, down to single structures."""

    def check(self, directory: str = "./") -> bool:  # noqa: ARG002
        """Whether it has happened; see :class:`custodian.custodian.ErrorHandler`."""
        if not self.failed:
            return False
        return self.launch.status in _KILLED or bool(_MEMORY.search(self.launch.said()))

    def correct(self, directory: str = "./") -> dict[str, Any]:  # noqa: ARG002
        """Say what happened and what is done; see :class:`custodian.custodian.ErrorHandler`."""
        if self.launch.batch == 1:
            return self.fault("out of memory for a single structure", None)
        self.launch.batch //= 2
        return self.fault("out of memory", f"batches of {self.launch.batch}")


class Crash(Handler):
    """Ended with another status than zero."""

    def check(self, directory: str = "./") -> bool:  # noqa: ARG002
        """Whether it has happened; see :class:`custodian.custodian.ErrorHandler`."""
        said = self.launch.said()
        # The others have seen these already.
        known = self.launch.status in _KILLED or _MEMORY.search(said) or _NO_SPACE.search(said)
        return self.failed and not known

    def correct(self, directory: str = "./") -> dict[str, Any]:  # noqa: ARG002
        """Say what happened and what is done; see :class:`custodian.custodian.ErrorHandler`."""
        words = self.launch.last_words()
        status = self.launch.status
        return self.fault(f"ended with status {status}" + (f" ({words})" if words else ""), "again")


class NoOutput(Handler):
    """Ended well, but left none of the expected output."""

    def __init__(self, launch: Launch, is_there: Callable[[], bool]) -> None:
        super().__init__(launch)
        self.is_there = is_there

    def check(self, directory: str = "./") -> bool:  # noqa: ARG002
        """Whether it has happened; see :class:`custodian.custodian.ErrorHandler`."""
        launch = self.launch
        return not launch.stopped and launch.status == 0 and not self.is_there()

    def correct(self, directory: str = "./") -> dict[str, Any]:  # noqa: ARG002
        """Say what happened and what is done; see :class:`custodian.custodian.ErrorHandler`."""
        words = self.launch.last_words()
        return self.fault("left no output" + (f" ({words})" if words else ""), "start again")
