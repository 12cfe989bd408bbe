"""Joint reverse diffusion of one Atoms object as an ASE dynamics: species and cell move, too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from ase import Atoms

from gencsp.diffusion.dynamics import ReverseDynamics
from gencsp.diffusion.joint.guidance import Denoiser
from gencsp.diffusion.joint.sampler import JointSamplerSettings, prepare, start, step, to_atoms


class JointReverseDiffusion(ReverseDynamics):
    """Take species, coordinates and cell from noise to a crystal, one time step at a time.

    Goes through the same functions as :func:`~gencsp.diffusion.joint.sampler.sample`: equal
    generators give equal crystals. ``FixAtoms`` marks a host, ``FixSymmetry`` keeps the space
    group, atoms of number 0 (``X``) get their species on the way (their symbol is ``X`` until
    then). With ``settings.free_cell`` the cell of the Atoms changes as well.

    The state is held by this object, so ``irun`` may be left at any step and entered again. The
    Atoms only show it: changes made to them during the run have no effect.

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
        super().__init__(
            atoms,
            steps=settings.steps,
            rng=rng,
            trajectory=trajectory,
            logfile=logfile,
            loginterval=loginterval,
        )

    @property
    def time(self) -> float:
        """Time of the process, from 1 (noise) to 0 (crystal)."""
        return self._run.times[self.nsteps]

    def _begin(self) -> None:
        self._state = start(self._run)
        self._show()

    def _advance(self) -> None:
        self._state = step(self._run, self._state, self.nsteps)
        self._show()

    def _title(self) -> str:
        return f"{'':23}{'step':>6}{'time':>8}{'V/A^3':>10}  formula\n"

    def _line(self) -> str:
        """Step, time, volume (Å³) and formula."""
        return (
            f"{'JointReverseDiffusion:':23}{self.nsteps:6d}{self.time:8.3f}"
            f"{self.atoms.cell.volume:10.2f}  {self.atoms.get_chemical_formula()}\n"
        )

    def _show(self) -> None:
        """Write the state into the Atoms; constraints are in the process already."""
        (now,) = to_atoms(self._run, self._state, [self._template])
        self.atoms.set_atomic_numbers(now.numbers)
        self.atoms.set_cell(now.cell, apply_constraint=False)
        self.atoms.set_positions(now.positions, apply_constraint=False)
