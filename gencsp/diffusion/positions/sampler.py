"""Reverse diffusion of atom positions: its samplers, and the batched ``sample``.

A sampler is the algorithm of a paper: one short ``step`` that takes positions from noise level σ to
σ_next, with options of its own as fields. They all see the crystal through a
:class:`~gencsp.diffusion.positions.run.Run`, whose score and noise are already projected by the
constraints of the Atoms, so that none of them knows about symmetry. ``prepare``, ``start`` and
``step`` work on an explicit state; ``sample`` and the dynamics
:class:`~gencsp.diffusion.positions.reverse.ReverseDiffusion` both only call these.

Everything here is float64 on the CPU; a model converts to what it computes in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from ase import Atoms
from pydantic import Field
from torch import Tensor

from gencsp.deck import Natural, NonNegative, Positive, Share
from gencsp.diffusion.batch import ScoreModel
from gencsp.diffusion.noise import renewed
from gencsp.diffusion.positions.inpainting import Host, jump_back_variance, jumps_back
from gencsp.diffusion.positions.run import Run, prepare
from gencsp.diffusion.positions.settings import (
    PREDICTOR_CORRECTOR,
    SAMPLERS,
    ConfiguredSampler,
    SamplerSettings,
)
from gencsp.diffusion.projection import read_constraints
from gencsp.errors import RequestError

__all__ = [
    "SAMPLERS",
    "ConfiguredSampler",
    "Ddim",
    "Heun",
    "LangevinLength",
    "PredictorCorrector",
    "Run",
    "SamplerSettings",
    "State",
    "ancestral",
    "inpaint",
    "langevin",
    "langevin_length",
    "prepare",
    "renewing",
    "sample",
    "start",
    "step",
]

#: Where the length of a Langevin step comes from, see :func:`langevin_length`.
LangevinLength = Literal["score-norm", "noise-level"]


@dataclass(frozen=True, slots=True)
class State:
    """State of a reverse diffusion: positions at noise level ``process.levels[level]``.

    Together with the random generators this is all that a restart needs.
    """

    positions: Tensor
    level: int = 0


def ancestral(
    x: Tensor, score: Tensor, noise: Tensor, *, sigma: float, sigma_next: float
) -> Tensor:
    """Ancestral step from σ_t to σ_{t−1}: CHGGen, eq. 4."""
    gained = sigma**2 - sigma_next**2
    return x + gained * score + math.sqrt(sigma_next**2 * gained / sigma**2) * noise


def renewing(
    x: Tensor, score: Tensor, noise: Tensor, *, sigma: float, sigma_next: float, renewal: float
) -> Tensor:
    """To the denoised positions under noise σ_next, a share of it drawn anew: DDIM's family.

    Song et al. (2021, DDIM), eq. 12, for variance-exploding noise: x̂_0 = x + σ²·score, the noise
    found in x is −σ·score, and √renewal of the new noise is fresh. 0 is the Euler step of the
    probability-flow ODE; 1 − (σ_next/σ)² is :func:`ancestral`; 1 forgets all noise found, and with
    it the errors of earlier steps, but narrows what is broader than the noise (by up to 1/√2 in
    the limit of many steps), so that it finds modes rather than draws from the distribution.
    """
    return x + sigma**2 * score + sigma_next * renewed(-sigma * score, noise, share=renewal)


def langevin(x: Tensor, score: Tensor, noise: Tensor, *, epsilon: Tensor) -> Tensor:
    """Langevin step of length ε (Å², shape (n, 1)): the corrector of CHGGen."""
    return x + epsilon * score + torch.sqrt(2 * epsilon) * noise


def langevin_length(
    process: Run, score: Tensor, *, sigma: float, snr: float, source: LangevinLength
) -> Tensor:
    """Length ε of a Langevin step for each crystal, in Å², shape (n, 1) by atom.

    With δ for ``snr``, ``score-norm`` is CHGGen's ε = 2(√3 δ/‖g‖₂)². √3 is the length of a standard
    normal vector in three dimensions, so ‖g‖₂ is read as the root-mean-square length of the score
    over the atoms of *one crystal*. With d = 3N degrees of freedom this is Song et al. (2021),
    algorithm 4, ε = 2(δ‖z‖/‖g‖)² with E‖z‖² = d and whole vectors; under symmetry d = tr P, what
    may move.

    Such a step is longer where the score is short, and a Langevin walk whose step depends on where
    it is draws from p·‖g‖² instead of p when δ is small: too wide by √((d + 2)/d), which is 15 %
    for two atoms and 2 % for sixteen. (Song et al. average ‖g‖ over the batch; then a crystal's
    result would depend on its neighbours in the batch.) ``noise-level`` takes ε = 2δ²σ², the same
    length where ‖g‖ has its mean value √d/σ, and is right in the limit of small δ. At any δ a
    discrete Langevin step of this length widens a Gaussian of width σ by 1/√(1 − δ²): 9 % for
    δ = 0.4.

    ε is at most σ²: p_σ is data smoothed by N(0, σ²), so −∇² log p_σ ≤ 1/σ² and a longer step would
    overshoot. The bound matters only where the score vanishes: far above the size of the cell, for
    one atom alone in a cell, for positions that symmetry fixes.
    """
    batch = process.crystals
    if source == "noise-level":
        return score.new_full((len(score), 1), min(2 * snr**2, 1.0) * sigma**2)
    squared = score.new_zeros(batch.n_crystals).index_add(0, batch.owner, score.square().sum(1))
    wanted = 2 * snr**2 * process.projection.dimension
    shortest = torch.finfo(score.dtype).tiny
    epsilon = torch.clamp(wanted / squared.clamp(min=shortest), max=sigma**2)
    return epsilon[batch.owner, None]


class PredictorCorrector(ConfiguredSampler):
    """CHGGen's algorithm "Unconditional Generation": an ancestral step, then M Langevin steps."""

    name = PREDICTOR_CORRECTOR

    corrector_steps: Natural = Field(
        default=1, description="Langevin steps after each ancestral one, M."
    )
    snr: Positive = Field(default=0.4, description="Signal-to-noise ratio of a Langevin step, δ.")
    langevin: LangevinLength = Field(
        default="score-norm",
        description="Source of its length: score-norm (CHGGen), or noise-level (no bias).",
    )

    def step(self, process: Run, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        """See :class:`~gencsp.diffusion.positions.settings.ConfiguredSampler`."""
        score = process.score(x, sigma)
        x = ancestral(x, score, process.noise(), sigma=sigma, sigma_next=sigma_next)
        for _ in range(self.corrector_steps if sigma_next > 0 else 0):
            g = process.score(x, sigma_next)
            epsilon = langevin_length(
                process, g, sigma=sigma_next, snr=self.snr, source=self.langevin
            )
            x = langevin(x, g, process.noise(), epsilon=epsilon)
        return x


class Ddim(ConfiguredSampler):
    """Denoised, and noised again to the next level: DDIM (Song et al., 2021); :func:`renewing`."""

    name = "ddim"

    renewal: Share = Field(
        default=1.0, description="Share of the noise (of its variance) that a step draws anew."
    )

    def step(self, process: Run, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        """See :class:`~gencsp.diffusion.positions.settings.ConfiguredSampler`."""
        score, noise = process.score(x, sigma), process.noise()
        return renewing(x, score, noise, sigma=sigma, sigma_next=sigma_next, renewal=self.renewal)


class Heun(ConfiguredSampler):
    """Karras et al. (2022), algorithm 2, for dx/dσ = −σ·score(x, σ).

    With ``churn`` 0 it is their deterministic algorithm 1. S_noise is 1 and churning has no window;
    it never lifts σ above what the model was trained on.

    Under symmetry the noiseless flow from uniform positions spreads every atom by σ, as if it were
    alone, where samplers with noise spread an orbit of m atoms by σ/√m, as the restricted p_σ does.
    Both end on the same crystals where these are sharp.
    """

    name = "heun"

    churn: NonNegative = Field(
        default=0.0, description="Fresh noise spread over all steps, S_churn; 0 adds none."
    )

    def step(self, process: Run, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        """See :class:`~gencsp.diffusion.positions.settings.ConfiguredSampler`."""
        gamma = min(self.churn / process.settings.steps, math.sqrt(2) - 1)
        lifted = min(sigma * (1 + gamma), max(sigma, process.model.sigma_max))
        if lifted > sigma:
            x = x + math.sqrt(lifted**2 - sigma**2) * process.noise()
        slope = -lifted * process.score(x, lifted)
        euler = x + (sigma_next - lifted) * slope
        if sigma_next == 0:
            return euler
        slope_next = -sigma_next * process.score(euler, sigma_next)
        return x + (sigma_next - lifted) * (slope + slope_next) / 2


def inpaint(process: Run, host: Host, x: Tensor, level: int) -> Tensor:
    """One level of CHGGen's algorithm "Inpainting Generation": passes with jumps back (RePaint).

    A pass steps all atoms, then puts the host back at its own noise (eq. 7, 8). Where a jump back
    begins (:func:`~gencsp.diffusion.positions.inpainting.jumps_back`), the last ``jump_length``
    levels are passed again, r times in all.
    """
    settings = process.settings
    y = _pass(process, host, x, level)
    below, length = level + 1, settings.jump_length
    if jumps_back(below, steps=settings.steps, length=length):
        above = below - length
        kind = settings.jump_back
        variance = jump_back_variance(process.levels, above, kind, length=length)
        for _ in range(settings.resampling - 1):
            y = y + math.sqrt(variance) * process.noise()
            for k in range(above, below):
                y = _pass(process, host, y, k)
    return y


def _pass(process: Run, host: Host, x: Tensor, level: int) -> Tensor:
    """One step of all atoms, and the host put back at the noise that it leads to."""
    sigma, sigma_next = process.levels[level : level + 2]
    stepped = process.sampler.step(process, x, sigma, sigma_next)
    return host.put_back(stepped, process.noise(), sigma_next)


def start(process: Run) -> State:
    """x_T: the positions given, with any host noised to σ_T (eq. 7, 8 at t = T)."""
    x = process.crystals.positions
    if process.host is not None:
        x = process.host.put_back(x, process.noise(), process.levels[0])
    return State(x)


def step(process: Run, state: State) -> State:
    """The next noise level down, for every crystal of the batch."""
    if process.host is None:
        sigma, sigma_next = process.levels[state.level : state.level + 2]
        x = process.sampler.step(process, state.positions, sigma, sigma_next)
    else:
        x = inpaint(process, process.host, state.positions, state.level)
    return State(x, state.level + 1)


def sample(
    model: ScoreModel,
    structures: Sequence[Atoms],
    *,
    settings: SamplerSettings,
    rngs: Sequence[np.random.Generator],
    callback: Callable[[Run, State], None] | None = None,
) -> list[Atoms]:
    """Reverse diffusion of many crystals at once, from the positions that they have.

    Start from noise with :func:`~gencsp.diffusion.noise.randomise`. ``FixAtoms`` makes it an
    inpainting around the fixed atoms, ``FixSymmetry`` keeps the space group at every step, both
    together do both. Cells stay.

    Args:
        model: the score model.
        structures: fully periodic; they are not changed.
        settings: how to sample.
        rngs: one generator for each structure: the result of a structure depends on its own alone,
            up to the rounding of a model that computes in float32.
        callback: called with the process and its state at the start and after every noise level;
            where structures with and without host are mixed, first for those without.

    Returns:
        Copies with constraints, ``info`` and arrays kept and the calculator left out; positions are
        not wrapped into the cell.

    Raises:
        RequestError, ConstraintError: as :func:`prepare`.
    """
    if len(structures) != len(rngs):
        raise RequestError(
            f"{len(structures)} structures and {len(rngs)} generators: give one for each."
        )
    hosted = [bool(read_constraints(atoms).fixed.any()) for atoms in structures]
    results = [atoms.copy() for atoms in structures]
    for kind in (False, True):
        chosen = [k for k, has_host in enumerate(hosted) if has_host is kind]
        if not chosen:
            continue
        process = prepare(
            model,
            [structures[k] for k in chosen],
            settings=settings,
            rngs=[rngs[k] for k in chosen],
        )
        state = _run(process, callback)
        split = torch.split(state.positions, process.crystals.sizes.tolist())
        for k, positions in zip(chosen, split, strict=True):
            results[k].set_positions(positions.numpy(), apply_constraint=False)
    return results


def _run(process: Run, callback: Callable[[Run, State], None] | None) -> State:
    with torch.no_grad():
        state = start(process)
        if callback is not None:
            callback(process, state)
        while state.level < process.settings.steps:
            state = step(process, state)
            if callback is not None:
                callback(process, state)
    return state
