"""Guidance of a reverse diffusion: by conditions, or by the forces of a potential."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from gencsp.deck import Positive, Share, check_fields
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.joint.model import JointModel
from gencsp.diffusion.joint.process import (
    HIDDEN,
    JointProcess,
    JointState,
    denoised_shape,
    without_mean,
)
from gencsp.diffusion.joint.shape import BASIS
from gencsp.diffusion.networks.joint import N_CONDITIONS, JointOutput
from gencsp.diffusion.pull import Potential, bounded_lengths


class Denoiser(Protocol):
    """Contract of the joint sampler: predictions in float64 on the CPU at a state and time."""

    @property
    def process(self) -> JointProcess:
        """The noise that the predictions belong to."""
        ...

    def predict(self, state: JointState, t: float) -> JointOutput:
        """Predictions in float64 on the CPU for a state at time ``t``, between 0 and 1."""
        ...


@dataclass(frozen=True, slots=True)
class ClassifierFree:
    """Classifier-free guidance of a joint model (PIGEN, eq. 7).

    With ε the network's prediction (score, velocity and logits alike),

        ε* = (1 − w)·ε(z_t, t) + w·ε(z_t, t | q),

    so ``weight`` w is 1 + g of eq. 7: 0 leaves the conditions out, 1 is the conditional
    model itself, and larger values exaggerate the conditions.

    Attributes:
        model: the trained model.
        conditions: standardised properties, NaN where free, shape (b, 4), or ``None``.
        weight: w.
    """

    model: JointModel
    conditions: Tensor | None = None
    weight: float = 2.0

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def process(self) -> JointProcess:
        """See :class:`Denoiser`."""
        return self.model.objective.process

    def predict(self, state: JointState, t: float) -> JointOutput:
        """See :class:`Denoiser`."""
        return self.predict_at(state, torch.full((len(state.sizes),), t, dtype=torch.float64))

    @torch.no_grad()
    def predict_at(self, state: JointState, t: Tensor) -> JointOutput:
        """The same with a time for each crystal, shape (b,)."""
        b = len(state.sizes)
        free = torch.full((b, N_CONDITIONS), torch.nan)
        wanted = free if self.conditions is None else self.conditions
        steered = ~torch.isnan(wanted).all(1)
        if self.weight == 0 or not bool(steered.any()):
            return self._call(state, t, free)
        if self.weight == 1:
            return self._call(state, t, wanted)
        with_targets = self._call(state, t, wanted)
        without = self._call(state, t, free)
        return JointOutput(
            *(_mixed(q, e, self.weight) for q, e in zip(with_targets, without, strict=True))
        )

    def _call(self, state: JointState, t: Tensor, conditions: Tensor) -> JointOutput:
        parameter = next(self.model.network.parameters())
        local = state.to(dtype=parameter.dtype, device=parameter.device)
        out = self.model.network(local, t.to(parameter), conditions.to(parameter), self.process)
        score, velocity, logits = (x.double().cpu() for x in out)
        score = without_mean(score, state.owner, state.sizes)
        return JointOutput(score, velocity, torch.log_softmax(logits, 1))


def _mixed(conditional: Tensor, free: Tensor, weight: float) -> Tensor:
    mixed = (1 - weight) * free + weight * conditional
    # Impossible species have −∞ on both sides, of which no difference can be taken.
    return torch.where(torch.isneginf(conditional), conditional, mixed)


@dataclass(frozen=True, slots=True)
class EnergyGuided:
    """A denoiser guided by a potential, see :mod:`gencsp.diffusion.pull`.

    Attributes:
        denoiser: what is guided.
        potential: where forces and stresses come from.
        temperature: kT, eV: the smaller, the stronger the guidance.
        onset: time below which the potential acts.
        longest: bound on a force, eV/Å.
        strongest: bound on the energy gradient by a standardised lattice number, eV.
    """

    denoiser: Denoiser
    potential: Potential
    temperature: Positive = 1.0
    onset: Share = 0.4
    longest: Positive = 5.0
    strongest: Positive = 5.0

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def process(self) -> JointProcess:
        """See :class:`Denoiser`."""
        return self.denoiser.process

    def predict(self, state: JointState, t: float) -> JointOutput:
        """See :class:`Denoiser`; nothing is added to a crystal while a species of it is hidden."""
        out = self.denoiser.predict(state, t)
        hidden = torch.zeros(len(state.sizes)).index_add(
            0, state.owner, (state.numbers == HIDDEN).float()
        )
        shown = hidden == 0
        if t >= self.onset or not bool(shown.any()):
            return out
        time = torch.tensor([t], dtype=torch.float64)
        sigma = self.process.sigma(time)
        shape = denoised_shape(out.velocity, state.shape, time, self.process)
        clean = replace(state, frac=state.frac + sigma * out.score, shape=shape)
        crystals = clean.crystals(self.process.scale)
        forces, stress = self._pull(crystals, shown)
        forces = bounded_lengths(forces, self.longest)
        # Rows x = f·C, so −∂E/∂f = C·F.
        pull = (crystals.cells[state.owner] @ forces[:, :, None])[:, :, 0] / self.temperature
        score = out.score + sigma * without_mean(pull, state.owner, state.sizes)
        # −∂E/∂k = −V·(stress : B) to first order in the strain; ε = s·k_t + α·v has the score −ε/s.
        volume = torch.linalg.det(crystals.cells).abs()
        strain = -volume[:, None] * torch.einsum("bij,kij->bk", stress, BASIS)
        strain = strain * torch.tensor(self.process.scale.std, dtype=strain.dtype)
        strain = strain.clamp(-self.strongest, self.strongest) / self.temperature
        ratio = self.process.spread(time) / self.process.alpha(time)
        return out._replace(score=score, velocity=out.velocity - ratio * strain)

    def _pull(self, crystals: CrystalBatch, shown: Tensor) -> tuple[Tensor, Tensor]:
        """Forces, shape (n, 3), and stresses, shape (b, 3, 3); zero where not ``shown``."""
        some = [a for a, ready in zip(crystals.to_atoms(), shown.tolist(), strict=True) if ready]
        forces, stress = torch.zeros_like(crystals.positions), torch.zeros_like(crystals.cells)
        forces[shown[crystals.owner]], stress[shown] = self.potential.pull(some)
        return forces, stress
