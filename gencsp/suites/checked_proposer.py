"""A proposer under test: what it makes is checked, what it takes too long for is lost."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import numpy as np
from ase import Atoms

from gencsp.errors import GencspError, PluginError
from gencsp.proposers.base import CountsReasons, Proposer, Request, reasons_of
from gencsp.proposers.checks import WRONG_COMPOSITION, has_composition
from gencsp.searches.contracts import ProposerMaker

#: Why structures are missing that a proposer was too slow for.
OUT_OF_TIME = "out of time"


class _TooLate(BaseException):  # no except of a proposer keeps it
    """The time is over."""


class CheckedProposer(CountsReasons):
    """Hands on what another proposer makes of the composition asked for, and counts the rest.

    Args:
        proposer: the one under test.
        limit: seconds for each request; ``None`` for no limit. It is kept where there is
            ``SIGALRM``, between instructions of Python.
    """

    def __init__(self, proposer: Proposer, limit: float | None) -> None:
        self.proposer = proposer
        self.limit = limit
        self.rejected: Counter[str] = Counter()

    @property
    def name(self) -> str:
        """That of the proposer."""
        return self.proposer.name

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`.

        Raises:
            PluginError: the proposer raised something else than an error of gencsp.
        """
        before = reasons_of(self.proposer)
        made: list[Atoms] = []
        try:
            with _at_most(self.limit):
                for atoms in self.proposer.propose(request, rng=rng):
                    made.append(atoms)
                    if len(made) == request.n:
                        break
        except _TooLate:
            self.rejected[OUT_OF_TIME] += request.n - len(made)
        except GencspError:
            raise
        except Exception as error:
            raise PluginError(
                f"the proposer '{self.name}' failed on {request.composition} ({error!r}): mend it, "
                f"and repeat the same command to go on."
            ) from error
        self.rejected += reasons_of(self.proposer) - before
        for atoms in made:
            if has_composition(atoms, request.composition, request.units):
                yield atoms
            else:
                self.rejected[WRONG_COMPOSITION] += 1


@dataclass(frozen=True, slots=True)
class CheckedMaker:
    """Makes a :class:`CheckedProposer`, in whichever process it is called."""

    make: ProposerMaker
    limit: float | None

    def __call__(self) -> CheckedProposer:
        """Make the proposer."""
        return CheckedProposer(self.make(), self.limit)


@contextmanager
def _at_most(seconds: float | None) -> Iterator[None]:
    """Raise :class:`_TooLate` in the block when its time is over."""
    own = threading.current_thread() is threading.main_thread()
    if seconds is None or not hasattr(signal, "setitimer") or not own:
        yield
        return

    def too_late(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise _TooLate

    before = signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
