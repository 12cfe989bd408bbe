"""What reverse diffusions of one Atoms object have in common as ASE dynamics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch
from ase import Atoms
from ase.optimize.optimize import Dynamics


class ReverseDynamics(Dynamics):  # type: ignore[misc]
    """Walks from noise to a crystal in a fixed number of steps.

    A subclass says how to begin, how to take a step, and what to log.

    Args:
        atoms: changed in place.
        steps: from noise to the crystal.
        trajectory: file or open ASE trajectory that gets the start and every step.
        logfile: path, open file or "-"; gets a line for every step.
        loginterval: log and record every so many steps.
    """

    def __init__(
        self,
        atoms: Atoms,
        *,
        steps: int,
        trajectory: Any = None,
        logfile: IO[str] | Path | str | None = None,
        loginterval: int = 1,
    ) -> None:
        self._steps = steps
        self._loginterval = loginterval
        super().__init__(atoms, logfile=logfile, trajectory=trajectory, loginterval=loginterval)

    @property
    def finished(self) -> bool:
        """Whether the noise is gone."""
        return bool(self.nsteps == self._steps)

    def irun(self, steps: int | None = None) -> Iterator[bool]:
        """Run as a generator that yields, at the start and after each step, if the noise is gone.

        Args:
            steps: most steps of this call; ``None`` goes on to the end.
        """
        self.max_steps = self._steps if steps is None else min(self._steps, self.nsteps + steps)
        if self.nsteps == 0:
            with torch.no_grad():
                self._begin()
            self.log()
            self.call_observers()
        yield self.finished
        while self.nsteps < self.max_steps:
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
        with torch.no_grad():
            self._advance()

    def log(self) -> None:  # an Optimizer's log would ask for an energy that no score has
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
