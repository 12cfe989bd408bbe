"""The reverse process: from noise to vectors, with or without a pull towards low energies."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gencsp.diffusion.units.schedule import LinearSchedule

#: Of vectors z_t, shape (b, d), and a time step: a tensor of the same shape.
AtTime = Callable[[Tensor, int], Tensor]


def reverse_process(
    predict_noise: AtTime,
    start: Tensor,
    noise: Callable[[int], Tensor],
    *,
    schedule: LinearSchedule,
    energy_gradient: AtTime | None = None,
    guidance: float = 0.0,
    reach: Tensor | None = None,
) -> Tensor:
    """Vectors z_0 from z_T by T steps of denoising diffusion (Ho, algorithm 2).

    Each step draws z_{t-1} from a normal distribution, the posterior given z_t and the z_0 that the
    predicted noise leads to (Ho, eq. 15, 7):

        z_0 = (z_t - √(1 - ᾱ_t) ε(z_t, t)) / √ᾱ_t
        μ = √ᾱ_{t-1} β_t / (1 - ᾱ_t) z_0 + √(1 - β_t) (1 - ᾱ_{t-1}) / (1 - ᾱ_t) z_t
        σ_t² = β_t (1 - ᾱ_{t-1}) / (1 - ᾱ_t)

    The program of Ho keeps z_0 within the range of the data, without which a network that is not
    well trained leads anywhere; so does this one, with a reach. Guidance moves the mean by
    -s σ_t² ∇E (Dhariwal & Nichol, algorithm 1, with exp(-s E) in place of the probability of a
    class): what is sampled is the distribution of the data times exp(-s E).

    Args:
        predict_noise: ε(z_t, t).
        start: z_T, drawn from N(0, I), shape (b, d).
        noise: a draw from N(0, I) for a time step, shape (b, d); not asked for at t = 1.
        schedule: T and β_t.
        energy_gradient: ∇E(z_t, t); ``None`` for no guidance.
        guidance: the strength s, in units of the inverse of the energy's; 0 for none.
        reach: largest size of each number of z_0, shape (d,); ``None`` for any.
    """
    betas, kept = schedule.betas.tolist(), schedule.alpha_bars.tolist()
    z = start
    for t in range(schedule.steps, 0, -1):
        beta = betas[t - 1]
        clean = (z - (1 - kept[t]) ** 0.5 * predict_noise(z, t)) / kept[t] ** 0.5
        if reach is not None:
            clean = clean.clamp(-reach, reach)
        mean = kept[t - 1] ** 0.5 * beta / (1 - kept[t]) * clean
        mean = mean + (1 - beta) ** 0.5 * (1 - kept[t - 1]) / (1 - kept[t]) * z
        variance = beta * (1 - kept[t - 1]) / (1 - kept[t])
        if energy_gradient is not None and guidance != 0:
            # At t = 1 the posterior has no width; β_1 is that of the step.
            mean = mean - guidance * (variance if t > 1 else beta) * energy_gradient(z, t)
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
