"""Reverse diffusion of one Atoms object as an ASE dynamics."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from ase import Atoms

from gencsp.diffusion.batch import ScoreModel
from gencsp.diffusion.dynamics import ReverseDynamics
from gencsp.diffusion.positions.sampler import SamplerSettings, State, prepare, start, step


class ReverseDiffusion(ReverseDynamics):
    """Take the atoms from noise to a crystal, one noise level at each step.

    The atoms move in place, through the same step functions as
    :func:`~gencsp.diffusion.positions.sampler.sample`: from equal generators both give equal
    positions at every level. ``FixAtoms`` marks the host of an inpainting, ``FixSymmetry`` keeps
    the space group. The positions at the start are x_T; fresh ones come from
    :func:`~gencsp.diffusion.noise.randomise`. No calculator is needed, and one that is attached is
    never called.

    The state is the atoms' positions, the number of steps done and the generator: a function
    attached as observer may read the positions and may also change them. All of it is held by this
    object, so ``irun`` may be left at any step and entered again.

    Args:
        atoms: fully periodic crystal.
        model: the score model.
        settings: how to sample.
        rng: generator of all noise.
        trajectory: file or open ASE trajectory that gets the start and every step.
        logfile: path, open file or "-"; gets a line with the noise level for every step.
        loginterval: log and record every so many steps.

    Raises:
        RequestError, ConstraintError: as :func:`~gencsp.diffusion.positions.sampler.prepare`.
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
        super().__init__(
            atoms,
            steps=settings.steps,
            rng=rng,
            trajectory=trajectory,
            logfile=logfile,
            loginterval=loginterval,
        )

    @property
    def sigma(self) -> float:
        """Noise level of the present positions, Å."""
        return self._process.levels[self.nsteps]

    def todict(self) -> dict[str, Any]:
        """What a trajectory records about its maker."""
        process = self._process
        sampler = str(process.settings.sampler)
        return {**super().todict(), "model": process.model.digest, "sampler": sampler}

    def _begin(self) -> None:
        self._accept(start(self._process))

    def _advance(self) -> None:
        present = State(torch.tensor(self.atoms.positions, dtype=torch.float64), self.nsteps)
        self._accept(step(self._process, present))

    def _title(self) -> str:
        return f"{'':18}{'step':>6}{'sigma/A':>12}{'moved/A':>12}\n"

    def _line(self) -> str:
        """Step, noise level (Å) and the largest distance from the start (Å)."""
        begun = self._process.crystals.positions.numpy()
        moved = float(np.linalg.norm(self.atoms.positions - begun, axis=1).max())
        return f"{'ReverseDiffusion:':18}{self.nsteps:6d}{self.sigma:12.5f}{moved:12.4f}\n"

    def _accept(self, state: State) -> None:
        # The constraints are in the score and the noise already; ASE's own adjustment would put a
        # host back to the noise of the step before.
        self.atoms.set_positions(state.positions.numpy(), apply_constraint=False)
