"""Reverse diffusion of atom positions: predictor-corrector, Heun, and the batched ``sample``.

One algorithm of a paper is one short function that takes positions from noise level σ to σ_next.
They all see the crystal through a :class:`Process`, whose score and noise are already projected by
the constraints of the Atoms, so that none of them knows about symmetry. ``prepare``, ``start`` and
``step`` work on an explicit state; ``sample`` and the ASE face
:class:`~gencsp.diffusion.reverse.ReverseDiffusion` both only call these.

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
from torch import Tensor

from gencsp.diffusion.batch import CrystalBatch, ScoreModel
from gencsp.diffusion.inpainting import Host, JumpBack, jump_back_variance
from gencsp.diffusion.noise import standard_normal
from gencsp.diffusion.projection import (
    Projection,
    build_projection,
    read_constraints,
    require_crystal,
    symmetrised_positions,
)
from gencsp.diffusion.schedule import Spacing, noise_levels
from gencsp.errors import RequestError

Kind = Literal["predictor-corrector", "heun"]
LangevinLength = Literal["score-norm", "noise-level"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerSettings:
    """How to walk from noise to crystals.

    Attributes:
        kind: the ``predictor-corrector`` of CHGGen, or the second-order ``heun`` of Karras et al.
            (2022), which needs fewer calls of the model.
        steps: T, noise levels above zero.
        spacing: see :func:`~gencsp.diffusion.schedule.noise_levels`.
        sigma_max: σ_T in Å; ``None`` takes the model's. Smaller than the model's, it starts from
            the given positions as if they were data noised to this level.
        sigma_min: σ_1 in Å; ``None`` takes the model's.
        corrector_steps: M, Langevin steps after each predictor (predictor-corrector only).
        snr: δ, signal-to-noise ratio of the Langevin steps.
        langevin: where their length comes from, see :func:`langevin_length`: ``score-norm`` is the
            paper's, ``noise-level`` is free of its bias in small cells.
        churn: S_churn of Karras et al., fresh noise spread over the Heun steps; 0 follows the
            deterministic ODE.
        resampling: r, passes through each noise level where there is a host; crystals without a
            host take one pass.
        jump_back: variance of the noise that takes x_{t−1} back to x_t between passes, see
            :func:`~gencsp.diffusion.inpainting.jump_back_variance`.
    """

    kind: Kind = "predictor-corrector"
    steps: int = 100
    spacing: Spacing = "geometric"
    sigma_max: float | None = None
    sigma_min: float | None = None
    corrector_steps: int = 1
    snr: float = 0.4
    langevin: LangevinLength = "score-norm"
    churn: float = 0.0
    resampling: int = 1
    jump_back: JumpBack = "marginal"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.resampling < 1 or self.corrector_steps < 0:
            raise ValueError(
                f"steps = {self.steps}, resampling = {self.resampling}, corrector_steps = "
                f"{self.corrector_steps}: give at least one step and pass, and no negative number."
            )
        if not self.snr > 0 or self.churn < 0:
            raise ValueError(
                f"snr = {self.snr} must be above zero, churn = {self.churn} not below."
            )

    def levels(self, model: ScoreModel) -> tuple[float, ...]:
        """Noise levels in Å, descending to zero, for this model.

        Raises:
            RequestError: for levels outside the range that the model was trained on.
        """
        low = model.sigma_min if self.sigma_min is None else self.sigma_min
        high = model.sigma_max if self.sigma_max is None else self.sigma_max
        slack = 1e-6
        if low < model.sigma_min * (1 - slack) or high > model.sigma_max * (1 + slack):
            raise RequestError(
                f"Noise from {low:g} to {high:g} Å was asked for, and this model knows "
                f"{model.sigma_min:g} to {model.sigma_max:g} Å: stay within."
            )
        return noise_levels(self.steps, sigma_min=low, sigma_max=high, spacing=self.spacing)


@dataclass(frozen=True, slots=True)
class Process:
    """What stays the same during one reverse diffusion of a batch.

    Attributes:
        model: the score model.
        settings: the settings.
        levels: noise levels in Å, descending, the last one zero.
        crystals: numbers, cells and owners; its positions are those given, on the symmetric set.
        projection: projector of the constraints.
        host: atoms held by ``FixAtoms``, or ``None`` where no crystal has any.
        rngs: one generator for each crystal.
    """

    model: ScoreModel
    settings: SamplerSettings
    levels: tuple[float, ...]
    crystals: CrystalBatch
    projection: Projection
    host: Host | None
    rngs: tuple[np.random.Generator, ...]

    def score(self, positions: Tensor, sigma: float) -> Tensor:
        """Projected score of positions (n, 3) at σ, in 1/Å, shape (n, 3)."""
        sigmas = positions.new_full((self.crystals.n_crystals,), sigma)
        raw = self.model.score(self.crystals.with_positions(positions), sigmas)
        return self.projection(raw.to(positions.dtype))

    def noise(self) -> Tensor:
        """Projected standard normal noise, shape (n, 3)."""
        sizes = self.crystals.sizes.tolist()
        return self.projection(standard_normal(self.rngs, sizes, like=self.crystals.positions))


@dataclass(frozen=True, slots=True)
class State:
    """Where a reverse diffusion stands: positions at noise level ``process.levels[level]``.

    With the generators of the process this is all that a restart needs.
    """

    positions: Tensor
    level: int = 0


def ancestral(
    x: Tensor, score: Tensor, noise: Tensor, *, sigma: float, sigma_next: float
) -> Tensor:
    """Ancestral step from σ_t to σ_{t−1}: CHGGen, eq. 4."""
    gained = sigma**2 - sigma_next**2
    return x + gained * score + math.sqrt(sigma_next**2 * gained / sigma**2) * noise


def langevin(x: Tensor, score: Tensor, noise: Tensor, *, epsilon: Tensor) -> Tensor:
    """Langevin step of length ε (Å², shape (n, 1)): the corrector of CHGGen."""
    return x + epsilon * score + torch.sqrt(2 * epsilon) * noise


def langevin_length(process: Process, score: Tensor, *, sigma: float) -> Tensor:
    """Length ε of a Langevin step for each crystal, in Å², shape (n, 1) by atom.

    ``score-norm`` is CHGGen's ε = 2(√3 δ/‖g‖₂)². √3 is the length of a standard normal vector in
    three dimensions, so ‖g‖₂ is read as the root-mean-square length of the score over the atoms of
    *one crystal*. With d = 3N degrees of freedom this is Song et al. (2021), algorithm 4,
    ε = 2(δ‖z‖/‖g‖)² with E‖z‖² = d and whole vectors; under symmetry d = tr P, what may move.

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
    delta = process.settings.snr
    if process.settings.langevin == "noise-level":
        return score.new_full((len(score), 1), min(2 * delta**2, 1.0) * sigma**2)
    squared = score.new_zeros(batch.n_crystals).index_add(0, batch.owner, score.square().sum(1))
    wanted = 2 * delta**2 * process.projection.dimension
    shortest = torch.finfo(score.dtype).tiny
    epsilon = torch.clamp(wanted / squared.clamp(min=shortest), max=sigma**2)
    return epsilon[batch.owner, None]


def predictor_corrector(process: Process, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    """One t of CHGGen's algorithm "Unconditional Generation": predictor, then M correctors."""
    x = ancestral(x, process.score(x, sigma), process.noise(), sigma=sigma, sigma_next=sigma_next)
    if sigma_next > 0:
        for _ in range(process.settings.corrector_steps):
            g = process.score(x, sigma_next)
            epsilon = langevin_length(process, g, sigma=sigma_next)
            x = langevin(x, g, process.noise(), epsilon=epsilon)
    return x


def heun(process: Process, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    """One step of Karras et al. (2022), algorithm 2, for dx/dσ = −σ·score(x, σ).

    With ``churn`` 0 it is their deterministic algorithm 1. S_noise is 1 and churning has no window;
    it never lifts σ above what the model was trained on.

    Under symmetry the noiseless flow from uniform positions spreads every atom by σ, as if it were
    alone, where samplers with noise spread an orbit of m atoms by σ/√m, as the restricted p_σ asks.
    Both end on the same crystals where these are sharp.
    """
    gamma = min(process.settings.churn / process.settings.steps, math.sqrt(2) - 1)
    lifted = min(sigma * (1 + gamma), max(sigma, process.model.sigma_max))
    if lifted > sigma:
        x = x + math.sqrt(lifted**2 - sigma**2) * process.noise()
    slope = -lifted * process.score(x, lifted)
    euler = x + (sigma_next - lifted) * slope
    if sigma_next == 0:
        return euler
    slope_next = -sigma_next * process.score(euler, sigma_next)
    return x + (sigma_next - lifted) * (slope + slope_next) / 2


STEPS: dict[Kind, Callable[[Process, Tensor, float, float], Tensor]] = {
    "predictor-corrector": predictor_corrector,
    "heun": heun,
}


def inpaint(process: Process, host: Host, x: Tensor, level: int) -> Tensor:
    """One t of CHGGen's algorithm "Inpainting Generation": r passes with jumps back (RePaint).

    Each pass steps all atoms, then puts the host back at its own noise (eq. 7, 8). The last level
    has no noise to jump back with, so one pass does there.
    """
    advance = STEPS[process.settings.kind]
    sigma, sigma_next = process.levels[level : level + 2]
    passes = process.settings.resampling if sigma_next > 0 else 1
    variance = jump_back_variance(process.levels, level, process.settings.jump_back)
    for n in range(passes):
        y = host.put_back(advance(process, x, sigma, sigma_next), process.noise(), sigma_next)
        if n + 1 < passes:
            x = y + math.sqrt(variance) * process.noise()
    return y


def prepare(
    model: ScoreModel,
    structures: Sequence[Atoms],
    *,
    settings: SamplerSettings,
    rngs: Sequence[np.random.Generator],
) -> Process:
    """Gather crystals and their constraints; draws no random number.

    Args:
        model: the score model.
        structures: fully periodic; either all of them have ``FixAtoms`` or none (``sample`` sorts
            them).
        settings: how to sample.
        rngs: one generator for each structure.

    Raises:
        RequestError: for a structure without a periodic cell, for a mixture of structures with and
            without host, and for noise levels that the model does not know.
        ConstraintError: for constraints that cannot be honoured.
    """
    if not structures or len(structures) != len(rngs):
        raise RequestError(
            f"{len(structures)} structures and {len(rngs)} generators: give one for each."
        )
    for atoms in structures:
        require_crystal(atoms)
    constraints = [read_constraints(atoms) for atoms in structures]
    hosted = [bool(c.fixed.any()) for c in constraints]
    if any(hosted) and not all(hosted):
        raise RequestError("Structures with and without a host go in separate batches.")
    batch = CrystalBatch.from_atoms(structures).with_positions(
        torch.from_numpy(
            np.concatenate(
                [symmetrised_positions(a, c) for a, c in zip(structures, constraints, strict=True)]
            )
        )
    )
    mask = torch.from_numpy(np.concatenate([c.fixed for c in constraints]))
    return Process(
        model=model,
        settings=settings,
        levels=settings.levels(model),
        crystals=batch,
        projection=build_projection(structures, constraints),
        host=Host(mask, batch.positions) if all(hosted) else None,
        rngs=tuple(rngs),
    )


def start(process: Process) -> State:
    """x_T: the positions given, with any host noised to σ_T (eq. 7, 8 at t = T)."""
    x = process.crystals.positions
    if process.host is not None:
        x = process.host.put_back(x, process.noise(), process.levels[0])
    return State(x)


def step(process: Process, state: State) -> State:
    """The next noise level down, for every crystal of the batch."""
    if process.host is None:
        sigma, sigma_next = process.levels[state.level : state.level + 2]
        x = STEPS[process.settings.kind](process, state.positions, sigma, sigma_next)
    else:
        x = inpaint(process, process.host, state.positions, state.level)
    return State(x, state.level + 1)


def sample(
    model: ScoreModel,
    structures: Sequence[Atoms],
    *,
    settings: SamplerSettings,
    rngs: Sequence[np.random.Generator],
    callback: Callable[[Process, State], None] | None = None,
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


def _run(process: Process, callback: Callable[[Process, State], None] | None) -> State:
    with torch.no_grad():
        state = start(process)
        if callback is not None:
            callback(process, state)
        while state.level < process.settings.steps:
            state = step(process, state)
            if callback is not None:
                callback(process, state)
    return state
