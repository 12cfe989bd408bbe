"""The reverse process: from noise to vectors, with or without a pull towards low energies."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gencsp.diffusion.units.schedule import Schedule

#: Of vectors z_t, shape (b, d), and a time step: a tensor of the same shape.
AtTime = Callable[[Tensor, int], Tensor]


def reverse_process(
    predict_noise: AtTime,
    start: Tensor,
    noise: Callable[[int], Tensor],
    *,
    schedule: Schedule,
    energy_gradient: AtTime | None = None,
    guidance: float = 0.0,
    reach: Tensor | None = None,
) -> Tensor:
    """Vectors z_0 from z_T by T steps of denoising diffusion (Ho, algorithm 2).

    Each step draws z_{t-1} from the normal distribution that the schedule makes of what a network
    predicts. Guidance moves its mean by -s σ_t² ∇E, σ_t² being its variance (Dhariwal & Nichol,
    algorithm 1, with exp(-s E) in place of the probability of a class): what is sampled is the
    distribution of the data times exp(-s E).

    Args:
        predict_noise: what a network finds in z_t, :meth:`.Schedule.target`.
        start: a draw from N(0, I), of which the schedule makes z_T, shape (b, d).
        noise: a draw from N(0, I) for a time step, shape (b, d); not asked for at t = 1.
        schedule: of the noise.
        energy_gradient: ∇E(z_t, t); ``None`` for no guidance.
        guidance: the strength s, in units of the inverse of the energy's; 0 for none.
        reach: largest size of each number of z_0, shape (d,); ``None`` for any.
    """
    z = schedule.start(start)
    for t in range(schedule.steps, 0, -1):
        mean, variance, pull = schedule.reverse_step(z, predict_noise(z, t), t, reach)
        if energy_gradient is not None and guidance != 0:
            mean = mean - guidance * pull * energy_gradient(z, t)
        z = mean + variance**0.5 * noise(t) if t > 1 else mean
    return z


def gradient_of(energy: AtTime) -> AtTime:
    """The gradient of an energy E(z_t, t) of each vector, shape (b,), by automatic derivation."""

    def gradient(z: Tensor, t: int) -> Tensor:
        with torch.enable_grad():
            at = z.detach().requires_grad_(True)
            (found,) = torch.autograd.grad(energy(at, t).sum(), at)
        return found

    return gradient
