"""Reverse diffusion of one Atoms object as an ASE dynamics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from ase import Atoms
from ase.optimize.optimize import Dynamics

from gencsp.diffusion.batch import ScoreModel
from gencsp.diffusion.samplers import SamplerSettings, State, prepare, start, step


class ReverseDiffusion(Dynamics):  # type: ignore[misc]
    """Walk the atoms from noise to a crystal, one noise level at each step.

    The atoms move in place, through the same step functions as
    :func:`~gencsp.diffusion.samplers.sample`: from equal generators both give equal positions at
    every level. ``FixAtoms`` marks the host of an inpainting, ``FixSymmetry`` keeps the space
    group. The positions at the start are x_T; fresh ones come from
    :func:`~gencsp.diffusion.noise.randomise`. No calculator is needed, and one that is attached is
    never called.

    The state is the atoms' positions, the number of steps done and the generator: a function
    attached as observer may read the positions and may also change them.

    Args:
        atoms: fully periodic crystal.
        model: the score model.
        settings: how to sample.
        rng: generator of all noise.
        trajectory: file or open ASE trajectory that gets the start and every step.
        logfile: path, open file or "-"; gets a line with the noise level for every step.
        loginterval: log and record every so many steps.

    Raises:
        RequestError, ConstraintError: as :func:`~gencsp.diffusion.samplers.prepare`.
    """

    def __init__(
        self,
        atoms: Atoms,
        model: ScoreModel,
        *,
        settings: SamplerSettings,
        rng: np.random.Generator,
        trajectory: Any = None,
        logfile: IO[str] | Path | str | None = None,
        loginterval: int = 1,
    ) -> None:
        self._process = prepare(model, [atoms], settings=settings, rngs=[rng])
        self._loginterval = loginterval
        super().__init__(atoms, logfile=logfile, trajectory=trajectory, loginterval=loginterval)

    @property
    def sigma(self) -> float:
        """Noise level of the present positions, Å."""
        return self._process.levels[self.nsteps]

    @property
    def finished(self) -> bool:
        """Whether the noise is gone."""
        return bool(self.nsteps == self._process.settings.steps)

    def irun(self, steps: int | None = None) -> Iterator[bool]:
        """Run as a generator that yields, at the start and after each step, if the noise is gone.

        Args:
            steps: most steps of this call; ``None`` goes on to the end.
        """
        last = self._process.settings.steps
        self.max_steps = last if steps is None else min(last, self.nsteps + steps)
        if self.nsteps == 0:
            with torch.no_grad():
                self._accept(start(self._process))
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
        """Take the atoms to the next noise level."""
        present = State(torch.tensor(self.atoms.positions, dtype=torch.float64), self.nsteps)
        with torch.no_grad():
            self._accept(step(self._process, present))

    def log(self) -> None:  # an Optimizer's log would ask for an energy that no score has
        """Write step, noise level (Å) and the largest distance from the start (Å)."""
        if self.nsteps == 0:
            self.logfile.write(f"{'':18}{'step':>6}{'sigma/A':>12}{'moved/A':>12}\n")
        if self.nsteps % self._loginterval == 0:
            begun = self._process.crystals.positions.numpy()
            moved = float(np.linalg.norm(self.atoms.positions - begun, axis=1).max())
            self.logfile.write(
                f"{'ReverseDiffusion:':18}{self.nsteps:6d}{self.sigma:12.5f}{moved:12.4f}\n"
            )

    def todict(self) -> dict[str, Any]:
        """What a trajectory records about its maker."""
        settings = self._process.settings
        return {
            "type": "reverse-diffusion",
            "optimizer": type(self).__name__,
            "model": self._process.model.digest,
            "kind": settings.kind,
            "steps": settings.steps,
        }

    def _accept(self, state: State) -> None:
        # The constraints are in the score and the noise already; ASE's own adjustment would put a
        # host back to the noise of the step before.
        self.atoms.set_positions(state.positions.numpy(), apply_constraint=False)
