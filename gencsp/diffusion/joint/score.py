"""A joint model as a score model: for ``ScoreCalculator``, and for samplers of positions alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.joint.conditions import Property, as_labels
from gencsp.diffusion.joint.guidance import ClassifierFree
from gencsp.diffusion.joint.model import JointModel
from gencsp.diffusion.joint.process import JointProcess, JointState, denoised_shape
from gencsp.diffusion.joint.shape import BASIS, rotation_to
from gencsp.diffusion.networks.joint import JointOutput


class JointScore:
    """A :class:`~gencsp.diffusion.batch.ScoreModel` with a prediction of the lattice.

    Noise is given in Å, as everywhere in gencsp: σ stands for the time at which the fractional
    noise of the model is σ/V^(1/3), within the range of the model. Lattices are taken as they are.

    ``score`` is defined by the displacement that the model sees, σ²·score = (f̂₀ − f)·C. The noise
    of the model is isotropic in fractional coordinates, so for a cell far from a cube this is not
    the gradient of one isotropic density in Å; the denoised place is the same.

    Raises:
        RequestError, and warns: as :meth:`~gencsp.diffusion.joint.model.JointModel.check_targets`.
    """

    def __init__(
        self,
        model: JointModel,
        *,
        targets: Mapping[Property, float] | None = None,
        weight: float = 2.0,
        sigma_min: float = 0.02,
        sigma_max: float = 1.5,
    ) -> None:
        self.model = model
        self.targets = dict(targets or {})
        model.check_targets(self.targets)
        self.weight = weight
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.digest = model.digest

    def score(self, batch: CrystalBatch, sigma: Tensor) -> Tensor:
        """(f̂₀ − f)·C/σ² of each atom, shape (n, 3), in 1/Å; σ in Å, shape (b,)."""
        return self.predict(batch, sigma)[0]

    def predict(self, batch: CrystalBatch, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """The score, shape (n, 3), 1/Å, and the strain to the denoised cell, shape (b, 3, 3).

        The strain ε is symmetric, in the frame of the crystal: the cell C goes to C·(1 + ε) to
        first order.
        """
        process = self.model.objective.process
        state = JointState.of(batch.to(dtype=torch.float64), process.scale)
        length = torch.linalg.det(batch.cells).abs().pow(1 / 3)
        fractional = (sigma / length).clamp(process.sigma_min, process.sigma_max)
        span = math.log(process.sigma_max / process.sigma_min)
        times = torch.log(fractional / process.sigma_min) / span
        out = self._predict(state, times)
        moved = fractional[batch.owner][:, None] * out.score
        displacement = (moved[:, None] @ batch.cells[batch.owner])[:, 0]
        score = displacement / sigma.square()[batch.owner][:, None]
        return score.to(batch.positions), self._strain(batch, state, out, times, process)

    def _predict(self, state: JointState, times: Tensor) -> JointOutput:
        conditions = self.model.objective.properties.encode(
            as_labels([self.targets] * len(state.sizes))
        )
        # The lattice enters as it would be noised on average: a clean one at time t is no lattice
        # that the network has seen.
        alpha = self.model.objective.process.alpha(times)[:, None]
        noised = replace(state, shape=alpha * state.shape)
        guided = ClassifierFree(self.model, conditions, self.weight)
        return guided.predict_at(noised, times)

    @staticmethod
    def _strain(
        batch: CrystalBatch,
        state: JointState,
        out: JointOutput,
        times: Tensor,
        process: JointProcess,
    ) -> Tensor:
        alpha = process.alpha(times)[:, None]
        clean = denoised_shape(out.velocity, alpha * state.shape, times, process)
        change = (clean - state.shape) * state.shape.new_tensor(process.scale.std)
        strain = torch.einsum("bk,kij->bij", change, BASIS)
        symmetric = process.scale.decode(state.shape, state.sizes)
        q = rotation_to(batch.cells.double(), symmetric)
        return q.transpose(1, 2) @ strain @ q
