"""Joint reverse diffusion of one Atoms object as an ASE dynamics: species and cell move, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from ase import Atoms
from ase.optimize.optimize import Dynamics

from gencsp.diffusion.joint.guidance import Denoiser
from gencsp.diffusion.joint.sampler import (
    JointSamplerSettings,
    prepare,
    start,
    step,
    to_atoms,
)


class JointReverseDiffusion(Dynamics):  # type: ignore[misc]
    """Walk species, coordinates and cell from noise to a crystal, one time at each step.

    Goes through the same functions as :func:`~gencsp.diffusion.joint.sampler.sample`: equal
    generators give equal crystals. ``FixAtoms`` marks a host, ``FixSymmetry`` keeps the space
    group, atoms of number 0 (``X``) get their species on the way (their symbol is ``X`` until
    then). With ``settings.free_cell`` the cell of the Atoms changes as well.

    Args:
        atoms: periodic; changed in place.
        denoiser: the model, guided or not.
        settings: how to sample.
        rng: generator of all noise.
        elements: atomic numbers that may be generated; ``None`` for all that the model knows.
        trajectory: file or open ASE trajectory that gets the start and every step.
        logfile: path, open file or "-"; gets a line for every step.
        loginterval: log and record every so many steps.

    Raises:
        RequestError, ConstraintError: as :func:`~gencsp.diffusion.joint.sampler.prepare`.
    """

    def __init__(
        self,
        atoms: Atoms,
        denoiser: Denoiser,
        *,
        settings: JointSamplerSettings,
        rng: np.random.Generator,
        elements: Sequence[int] | None = None,
        trajectory: Any = None,
        logfile: IO[str] | Path | str | None = None,
        loginterval: int = 1,
    ) -> None:
        self._run = prepare(denoiser, [atoms], settings=settings, rngs=[rng], elements=elements)
        self._template = atoms.copy()
        self._state = self._run.known
        self._loginterval = loginterval
        super().__init__(atoms, logfile=logfile, trajectory=trajectory, loginterval=loginterval)

    @property
    def time(self) -> float:
        """Time of the process, from 1 (noise) to 0 (crystal)."""
        return self._run.times[self.nsteps]

    @property
    def finished(self) -> bool:
        """Whether the noise is gone."""
        return bool(self.nsteps == self._run.settings.steps)

    def irun(self, steps: int | None = None) -> Iterator[bool]:
        """Run as a generator that yields, at the start and after each step, if the noise is gone.

        Args:
            steps: most steps of this call; ``None`` goes on to the end.
        """
        last = self._run.settings.steps
        self.max_steps = last if steps is None else min(last, self.nsteps + steps)
        if self.nsteps == 0:
            self._state = start(self._run)
            self._show()
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
        """Take the crystal to the next time."""
        with torch.no_grad():
            self._state = step(self._run, self._state, self.nsteps)
        self._show()

    def log(self) -> None:  # an Optimizer's log would ask for an energy that no score has
        """Write step, time, formula and volume (Å³)."""
        if self.nsteps == 0:
            self.logfile.write(f"{'':23}{'step':>6}{'time':>8}{'V/A^3':>10}  formula\n")
        if self.nsteps % self._loginterval == 0:
            self.logfile.write(
                f"{'JointReverseDiffusion:':23}{self.nsteps:6d}{self.time:8.3f}"
                f"{self.atoms.cell.volume:10.2f}  {self.atoms.get_chemical_formula()}\n"
            )

    def todict(self) -> dict[str, Any]:
        """What a trajectory records about its maker."""
        return {
            "type": "reverse-diffusion",
            "optimizer": type(self).__name__,
            "steps": self._run.settings.steps,
        }

    def _show(self) -> None:
        """Write the state into the Atoms; constraints are in the process already."""
        (now,) = to_atoms(self._run, self._state, [self._template])
        self.atoms.set_atomic_numbers(now.numbers)
        self.atoms.set_cell(now.cell, apply_constraint=False)
        self.atoms.set_positions(now.positions, apply_constraint=False)
