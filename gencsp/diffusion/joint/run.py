"""What stays the same during one reverse diffusion: constraints and random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from ase import Atoms
from ase.cell import Cell
from torch import Tensor

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.joint.guidance import Denoiser
from gencsp.diffusion.joint.process import JointProcess, JointState
from gencsp.diffusion.joint.settings import (
    JOINT_SAMPLERS,
    ConfiguredJointSampler,
    JointSamplerSettings,
)
from gencsp.diffusion.joint.symmetry import JointConstraints, read_joint_constraints
from gencsp.diffusion.networks.layers import N_ELEMENTS
from gencsp.errors import RequestError


@dataclass(frozen=True, slots=True)
class JointRun:
    """What stays the same during one reverse diffusion of a batch.

    Attributes:
        denoiser: the model, guided or not.
        settings: the settings.
        sampler: takes the steps.
        times: from 1 to 0.
        known: the Atoms as a state, from which hosts and kept cells are restored.
        constraints: hosts and symmetries.
        allowed: which atomic numbers may appear, shape (95,), bool.
        rngs: one generator for each crystal.
    """

    denoiser: Denoiser
    settings: JointSamplerSettings
    sampler: ConfiguredJointSampler
    times: tuple[float, ...]
    known: JointState
    constraints: JointConstraints
    allowed: Tensor
    rngs: tuple[np.random.Generator, ...]

    @property
    def process(self) -> JointProcess:
        """The noise of species, positions and cell."""
        return self.denoiser.process

    def normal(self, *, columns: int) -> Tensor:
        """Standard normal numbers: for each atom three, or for each crystal six."""
        if columns == 3:
            sizes = self.known.sizes.tolist()
            drawn = [r.standard_normal((n, 3)) for r, n in zip(self.rngs, sizes, strict=True)]
            return torch.as_tensor(np.concatenate(drawn))
        return torch.as_tensor(np.stack([r.standard_normal(columns) for r in self.rngs]))

    def uniform(self, *, columns: int) -> Tensor:
        """Uniform numbers for each atom, shape (n, columns)."""
        sizes = self.known.sizes.tolist()
        drawn = [r.random((n, columns)) for r, n in zip(self.rngs, sizes, strict=True)]
        return torch.as_tensor(np.concatenate(drawn))

    def score(self, state: JointState, t: float) -> tuple[Tensor, Tensor, Tensor]:
        """σ·score confined to the symmetry, velocity and logits."""
        out = self.denoiser.predict(state, t)
        return self.constraints.project(out.score), out.velocity, out.logits


def prepare(
    denoiser: Denoiser,
    structures: Sequence[Atoms],
    *,
    settings: JointSamplerSettings,
    rngs: Sequence[np.random.Generator],
    elements: Sequence[int] | None = None,
) -> JointRun:
    """Gather crystals and constraints; draws no random number.

    Args:
        denoiser: the model.
        structures: the species of each atom, 0 (ASE's ``X``) where it is to be generated; the cell
            counts where it is kept, the positions where ``FixAtoms`` or ``FixSymmetry`` hold them.
        settings: how to sample.
        rngs: one generator for each structure.
        elements: atomic numbers that may be generated; ``None`` for all that the model knows.

    Raises:
        RequestError: for no structure, and for generators that are not as many.
        ConstraintError: for constraints that cannot be honoured.
    """
    if not structures or len(structures) != len(rngs):
        raise RequestError(
            f"{len(structures)} structures and {len(rngs)} generators: give one for each."
        )
    batch = CrystalBatch.from_atoms(structures)
    known = JointState.of(batch, denoiser.process.scale)
    constraints = read_joint_constraints(structures)
    known = replace(known, frac=constraints.onto_symmetry(known.frac))
    return JointRun(
        denoiser=denoiser,
        settings=settings,
        sampler=JOINT_SAMPLERS.make(settings.sampler),
        times=settings.times(),
        known=known,
        constraints=constraints,
        allowed=_allowed(elements),
        rngs=tuple(rngs),
    )


def _allowed(elements: Sequence[int] | None) -> Tensor:
    allowed = torch.zeros(N_ELEMENTS, dtype=torch.bool)
    wanted = range(1, N_ELEMENTS) if elements is None else elements
    for number in wanted:
        if not 1 <= number < N_ELEMENTS:
            raise RequestError(
                f"the model knows no element {number}: choose from atomic numbers 1 to "
                f"{N_ELEMENTS - 1}."
            )
        allowed[number] = True
    if not bool(allowed.any()):
        raise RequestError("no element is allowed: name at least one.")
    return allowed


def to_atoms(run: JointRun, state: JointState, structures: Sequence[Atoms]) -> list[Atoms]:
    """The state as Atoms: copies of those given, with info and constraints kept.

    A generated cell comes in ASE's standard orientation; a kept one as it was.
    """
    crystals = state.crystals(run.process.scale)
    results = []
    splits = torch.split(state.frac - torch.floor(state.frac), state.sizes.tolist())
    numbers = torch.split(state.numbers, state.sizes.tolist())
    for k, atoms in enumerate(structures):
        result = atoms.copy()
        result.set_atomic_numbers(numbers[k].numpy())
        if run.settings.free_cell:
            cell, _ = Cell(crystals.cells[k].numpy()).standard_form()
            result.set_cell(cell, apply_constraint=False)
        result.set_positions(splits[k].numpy() @ result.cell.array, apply_constraint=False)
        result.pbc = True
        results.append(result)
    return results
