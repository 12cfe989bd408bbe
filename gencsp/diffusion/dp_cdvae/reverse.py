"""Decoding of one latent vector by DP-CDVAE as an ASE dynamics."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
from ase import Atoms

from gencsp.diffusion.dp_cdvae.choices import DpCdvaeSampling
from gencsp.diffusion.dp_cdvae.model import Array, DpCdvaeModel
from gencsp.diffusion.dp_cdvae.sampler import (
    DpCdvaeState,
    Given,
    prepare,
    start,
    step,
    to_atoms,
)
from gencsp.diffusion.dynamics import ReverseDynamics


class DpCdvaeReverseDiffusion(ReverseDynamics):
    """Take a crystal from noise to what a latent vector stands for, one time step at a time.

    Goes through the same functions as :func:`~gencsp.diffusion.dp_cdvae.sampler.decode`: equal
    generators give equal crystals. The number of atoms is that of the Atoms; their species and cell
    come from z unless ``given`` holds them. The Atoms only show the state: changes made to them
    during the run have no effect.

    Args:
        atoms: periodic; changed in place.
        model: the model.
        z: latent vector, shape (latent,).
        rng: generator of all noise.
        sampling: how it is decoded.
        given: species and cell that are not read from z.
        trajectory: file or open ASE trajectory that gets the start and every step.
        logfile: path, open file or "-"; gets a line for every step.
        loginterval: log and record every so many steps.

    Raises:
        RequestError: as :func:`~gencsp.diffusion.dp_cdvae.sampler.prepare`.
    """

    def __init__(
        self,
        atoms: Atoms,
        model: DpCdvaeModel,
        z: Array,
        *,
        rng: np.random.Generator,
        sampling: DpCdvaeSampling | None = None,
        given: Given | None = None,
        trajectory: Any = None,
        logfile: IO[str] | Path | str | None = None,
        loginterval: int = 1,
    ) -> None:
        given = given or Given()
        if given.numbers is None:
            given = Given(atom_count=len(atoms), cell=given.cell)
        self._run = prepare(
            model, z[None], sampling=sampling or DpCdvaeSampling(), rngs=[rng], given=[given]
        )
        self._state = DpCdvaeState(self._run.cells.new_zeros(len(atoms), 3), self._run.numbers)
        super().__init__(
            atoms,
            steps=len(self._run.times) - 1,
            rng=rng,
            trajectory=trajectory,
            logfile=logfile,
            loginterval=loginterval,
        )

    @property
    def time(self) -> int:
        """Time step of the process, from T (noise) to 0 (crystal)."""
        return self._run.times[self.nsteps]

    def _begin(self) -> None:
        self._state = start(self._run)
        self._show()

    def _advance(self) -> None:
        self._state = step(self._run, self._state, self.nsteps)
        self._show()

    def _title(self) -> str:
        return f"{'':25}{'step':>6}{'t':>6}  formula\n"

    def _line(self) -> str:
        """Step, time step and formula."""
        formula = self.atoms.get_chemical_formula()
        return f"{'DpCdvaeReverseDiffusion:':25}{self.nsteps:6d}{self.time:6d}  {formula}\n"

    def _show(self) -> None:
        (now,) = to_atoms(self._run, self._state)
        self.atoms.set_atomic_numbers(now.numbers)
        self.atoms.set_cell(now.cell, apply_constraint=False)
        self.atoms.set_positions(now.positions, apply_constraint=False)
        self.atoms.pbc = True
