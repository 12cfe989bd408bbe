"""The common base of reverse diffusions of one Atoms object as ASE dynamics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from ase import Atoms
from ase.optimize.optimize import Dynamics


class ReverseDynamics(Dynamics):  # type: ignore[misc]
    """Takes one structure from noise to a crystal in a fixed number of steps.

    A subclass defines the start, a step, and the line of the log. The state is held by this object:
    the loop over its steps may be left and entered again, see :meth:`irun`.

    Args:
        atoms: changed in place.
        steps: from noise to the crystal.
        rng: generator of all noise.
        trajectory: file or open ASE trajectory that gets the start and every step.
        logfile: path, open file or "-"; gets a line for every step.
        loginterval: log and record every so many steps.
    """

    def __init__(
        self,
        atoms: Atoms,
        *,
        steps: int,
        rng: np.random.Generator,
        trajectory: Any = None,
        logfile: IO[str] | Path | str | None = None,
        loginterval: int = 1,
    ) -> None:
        self._steps = steps
        self._rng = rng
        self._begun = False
        self._loginterval = loginterval
        super().__init__(atoms, logfile=logfile, trajectory=trajectory, loginterval=loginterval)

    @property
    def finished(self) -> bool:
        """Whether the noise is gone."""
        return bool(self.nsteps == self._steps)

    def irun(self, steps: int | None = None) -> Iterator[bool]:
        """Run as a generator that yields, at the start and after each step, if the noise is gone.

        The loop may be left at any step, by ``break`` or by an error, and entered again with
        ``irun`` or :meth:`run`: the final crystal is the same to the last bit, and every step
        appears once in log and trajectory and is passed once to observers. (Like ASE's
        ``Dynamics``, it yields once when it is entered again. Unlike it, it calls observers once
        for the start, however often it is left there.) A step that fails or is interrupted is
        repeated with the same noise.

        Args:
            steps: most steps of this call; ``None`` for all that are left.
        """
        end = self._steps if steps is None else min(self._steps, self.nsteps + steps)
        self.max_steps = end
        if not self._begun:
            self._make_whole(self._begin)
            self._begun = True
            self.log()
            self.call_observers()
        yield self.finished
        while self.nsteps < end:
            self.step()
            self.nsteps += 1
            self.log()
            self.call_observers()
            yield self.finished

    def run(self, steps: int | None = None) -> bool:
        """Run to the end, or for some steps; returns whether the noise is gone."""
        for _ in self.irun(steps):
            pass
        return self.finished

    def step(self) -> None:
        """Take the crystal to the next level."""
        self._make_whole(self._advance)

    def log(self) -> None:  # an Optimizer's log needs an energy, which no score has
        """Write a line, every so many steps."""
        if self.nsteps == 0:
            self.logfile.write(self._title())
        if self.nsteps % self._loginterval == 0:
            self.logfile.write(self._line())

    def todict(self) -> dict[str, Any]:
        """What a trajectory records about its maker."""
        return {
            "type": "reverse-diffusion",
            "optimizer": type(self).__name__,
            "steps": self._steps,
        }

    def _make_whole(self, change: Callable[[], None]) -> None:
        """Make a change completely or not at all: on an error the random generator is restored."""
        before = self._rng.bit_generator.state
        try:
            with torch.no_grad():
                change()
        except BaseException:
            self._rng.bit_generator.state = before
            raise

    def _begin(self) -> None:
        """Put the atoms into the noise."""
        raise NotImplementedError

    def _advance(self) -> None:
        """Take them to the next level."""
        raise NotImplementedError

    def _title(self) -> str:
        raise NotImplementedError

    def _line(self) -> str:
        raise NotImplementedError
