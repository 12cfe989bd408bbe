"""Reverse diffusion of species, coordinates and lattice together.

Each step of a sampler goes from time t to s < t, for the three at once:

- coordinates and lattice: to their denoised values, with noise of level s added, of which a share
  is drawn anew (DDIM, Song et al., 2021, eq. 12): the same at every step (:class:`JointDdim`), or
  the ancestral one (:class:`JointPredictorCorrector`), which is DiffCSP's algorithm 2 and the
  posterior q(k_s | k_t, k̂_0) of DDPM (Ho et al., 2020, eq. 6 and 7), with Langevin correctors on
  the coordinates;
- species: each hidden one is revealed with probability (t − s)/t, drawn from the predicted
  distribution; the last step reveals all. Atoms that a symmetry exchanges are revealed together.

Known parts are kept as in inpainting (RePaint): the coordinates of atoms held by ``FixAtoms`` and a
cell that is kept are restored at every step, noised to its level. ``FixSymmetry`` confines
coordinates to the space group's invariant set, and averages the metric of a free lattice over the
point group.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from ase import Atoms
from pydantic import Field
from torch import Tensor

from gencsp.deck import Natural, Positive, Share
from gencsp.diffusion.joint.guidance import Denoiser
from gencsp.diffusion.joint.process import HIDDEN, JointState, denoised_shape
from gencsp.diffusion.joint.run import JointRun, prepare, to_atoms
from gencsp.diffusion.joint.settings import (
    JOINT_SAMPLERS,
    ConfiguredJointSampler,
    JointSamplerSettings,
)
from gencsp.diffusion.noise import renewed

__all__ = [
    "JOINT_SAMPLERS",
    "ConfiguredJointSampler",
    "JointDdim",
    "JointPredictorCorrector",
    "JointRun",
    "JointSamplerSettings",
    "prepare",
    "sample",
    "start",
    "step",
    "to_atoms",
]


def start(run: JointRun) -> JointState:
    """Noise at t = 1: uniform coordinates and a normal lattice; known parts as they are known."""
    known = run.known
    frac = run.constraints.randomised(known.frac, run.uniform(columns=3))
    shape = run.normal(columns=6)
    return _put_back(run, replace(known, frac=frac, shape=shape), 1.0)


def step(run: JointRun, state: JointState, level: int) -> JointState:
    """From time ``times[level]`` to the next."""
    t, s = run.times[level : level + 2]
    hosted = bool(run.constraints.fixed.any()) and s > 0
    passes = run.settings.resampling if hosted else 1
    begun = state
    for n in range(passes):
        after = _put_back(run, run.sampler.step(run, begun, t, s), s)
        if n + 1 < passes:
            begun = _renoised(run, after, begun, t, s)
    return after


class JointDdim(ConfiguredJointSampler):
    """Denoised, and noised again to the next level: DDIM (Song et al., 2021, eq. 12).

    ``renewal`` is r, with r·σ_s² for the σ² of the paper. Given x_0, every r from 0, where the
    noise is carried over whole, to 1 has the marginals of the forward process. The larger, the more
    is forgotten of what the network got wrong, and the narrower a distribution comes out that is
    broader than σ_s; crystals are sharp.
    """

    name = "ddim"

    renewal: Share = Field(
        default=1.0, description="Share of the noise (of its variance) that a step draws anew."
    )

    def step(self, run: JointRun, state: JointState, t: float, s: float) -> JointState:
        """See :class:`~gencsp.diffusion.joint.settings.ConfiguredJointSampler`."""
        return _predicted(run, state, t, s, self.renewal)


class JointPredictorCorrector(ConfiguredJointSampler):
    """An ancestral step, then Langevin steps on the coordinates: DiffCSP's algorithm 2.

    Of the noise the ancestral step draws the share 1 − (σ_s/σ_t)² anew. A Langevin step has the
    length 2δ²σ².
    """

    name = "predictor-corrector"

    corrector_steps: Natural = Field(
        default=1, description="Langevin steps after each ancestral one."
    )
    snr: Positive = Field(default=0.3, description="Signal-to-noise ratio of a Langevin step, δ.")

    def step(self, run: JointRun, state: JointState, t: float, s: float) -> JointState:
        """See :class:`~gencsp.diffusion.joint.settings.ConfiguredJointSampler`."""
        state = _predicted(run, state, t, s, None)
        if s == 0:
            return state
        sigma = _sigma(run, s)
        epsilon = 2 * self.snr**2
        for _ in range(self.corrector_steps):
            score, _, _ = run.score(state, s)
            noise = run.constraints.project(run.normal(columns=3))
            move = sigma * (epsilon * score + math.sqrt(2 * epsilon) * noise)
            state = replace(state, frac=state.frac + move)
        return state


def _predicted(
    run: JointRun, state: JointState, t: float, s: float, renewal: float | None
) -> JointState:
    """From t to s with a share of the noise drawn anew; ``None`` for the ancestral share."""
    score, velocity, logits = run.score(state, t)
    return replace(
        state,
        frac=_coordinates(run, state.frac, score, t, s, renewal),
        shape=_lattice(run, state.shape, velocity, t, s, renewal),
        numbers=_species(run, state, logits, t, s),
    )


def _sigma(run: JointRun, t: float) -> float:
    """σ(t), and zero at the very end."""
    return float(run.process.sigma(torch.tensor(t, dtype=torch.float64))) if t > 0 else 0.0


def _coordinates(
    run: JointRun, frac: Tensor, score: Tensor, t: float, s: float, renewal: float | None
) -> Tensor:
    sigma, after = _sigma(run, t), _sigma(run, s)
    fresh = run.constraints.project(run.normal(columns=3))
    # With x̂_0 = x_t + σ_t·(σ_t·score), the noise in x_t is −σ_t·score.
    return frac + sigma * score + after * _mixed_noise(-score, fresh, after / sigma, renewal)


def _lattice(
    run: JointRun, shape: Tensor, velocity: Tensor, t: float, s: float, renewal: float | None
) -> Tensor:
    time = torch.tensor([t, s], dtype=torch.float64)
    clean = denoised_shape(velocity, shape, time[:1], run.process).clamp(-5, 5)
    fresh = run.normal(columns=6)
    if s == 0:
        return clean
    alpha, spread = run.process.alpha(time).tolist(), run.process.spread(time).tolist()
    found = (shape - alpha[0] * clean) / spread[0]
    fallen = spread[1] * alpha[0] / (alpha[1] * spread[0])
    drawn: Tensor = alpha[1] * clean + spread[1] * _mixed_noise(found, fresh, fallen, renewal)
    return drawn


def _mixed_noise(found: Tensor, fresh: Tensor, fallen: float, renewal: float | None) -> Tensor:
    """Noise of unit variance: the noise that was found, with a share of it drawn anew.

    Args:
        found: the noise before the step, shape (n, 3).
        fresh: new noise of the same shape.
        fallen: noise-to-signal ratio after the step divided by that before it.
        renewal: the share; ``None`` for the ancestral one.
    """
    share = 1 - fallen**2 if renewal is None else renewal
    return renewed(found, fresh, share=share)


def _species(run: JointRun, state: JointState, logits: Tensor, t: float, s: float) -> Tensor:
    # One draw for an orbit, and the logits of one of its atoms: those of the others are the same.
    orbits = run.constraints.orbits
    draws, logits = run.uniform(columns=2)[orbits], logits[orbits]
    shown = (state.numbers == HIDDEN) & (draws[:, 0] < (t - s) / t)
    if not bool(shown.any()):
        return state.numbers
    weights = torch.softmax(logits.masked_fill(~run.allowed, -torch.inf), 1)
    drawn = (weights.cumsum(1) < draws[:, 1:]).sum(1).clamp(max=weights.shape[1] - 1)
    return torch.where(shown, drawn, state.numbers)


def _put_back(run: JointRun, state: JointState, t: float) -> JointState:
    """Hosts and kept cells, noised to time t."""
    known, fixed = run.known, run.constraints.fixed
    if bool(fixed.any()):
        noise = run.constraints.project(run.normal(columns=3))
        held = known.frac + _sigma(run, t) * noise
        state = replace(state, frac=torch.where(fixed[:, None], held, state.frac))
    if run.settings.free_cell:
        shape = run.constraints.onto_point_groups(state.shape, state.sizes, run.process.scale)
        return replace(state, shape=shape)
    time = torch.tensor(t, dtype=torch.float64)
    alpha, spread = run.process.alpha(time), run.process.spread(time)
    return replace(state, shape=alpha * known.shape + spread * run.normal(columns=6))


def _renoised(
    run: JointRun, after: JointState, before: JointState, t: float, s: float
) -> JointState:
    """Back from s to t, so that another pass can make guests and host agree (RePaint)."""
    gained = _sigma(run, t) ** 2 - _sigma(run, s) ** 2
    noise = run.constraints.project(run.normal(columns=3))
    time = torch.tensor([t, s], dtype=torch.float64)
    alpha, spread = run.process.alpha(time).tolist(), run.process.spread(time).tolist()
    ratio = alpha[0] / alpha[1]
    lost = math.sqrt(max(0.0, spread[0] ** 2 - ratio**2 * spread[1] ** 2))
    shape = ratio * after.shape + lost * run.normal(columns=6)
    numbers = torch.where(before.numbers == HIDDEN, before.numbers, after.numbers)
    return replace(after, frac=after.frac + math.sqrt(gained) * noise, shape=shape, numbers=numbers)


def sample(
    denoiser: Denoiser,
    structures: Sequence[Atoms],
    *,
    settings: JointSamplerSettings,
    rngs: Sequence[np.random.Generator],
    elements: Sequence[int] | None = None,
    callback: Callable[[JointRun, JointState, int], None] | None = None,
) -> list[Atoms]:
    """Reverse diffusion of many crystals at once; other arguments as :func:`prepare`.

    ``callback`` is called with run, state and level at the start and after every step.
    """
    run = prepare(denoiser, structures, settings=settings, rngs=rngs, elements=elements)
    state = start(run)
    for level in range(settings.steps):
        if callback is not None:
            callback(run, state, level)
        state = step(run, state, level)
    if callback is not None:
        callback(run, state, settings.steps)
    return to_atoms(run, state, structures)
