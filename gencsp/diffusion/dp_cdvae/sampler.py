"""Decoding of latent vectors into crystals: the reverse diffusion of DP-CDVAE.

The number of atoms, the lattice and the first species are read from z; coordinates begin as normal
noise, or as given ones that are noised in part (SDEdit; Meng et al., ICLR 2022). Each step moves
the coordinates by one of the rules of :mod:`gencsp.diffusion.dp_cdvae.steps`. Species stay as they
are read from z, or become at each step the likeliest that the denoiser sees (Section IV.C), see
:class:`~gencsp.diffusion.dp_cdvae.choices.DpCdvaeSampling`. Species, number of atoms and cell can
be given instead, and then stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from ase import Atoms
from ase.cell import Cell
from numpy.typing import NDArray
from torch import Tensor

from gencsp.deck import CellAtoms, check
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.dp_cdvae.choices import DpCdvaeSampling
from gencsp.diffusion.dp_cdvae.model import Array, DpCdvaeModel
from gencsp.diffusion.dp_cdvae.process import centred, noised_coordinates, wrapped
from gencsp.diffusion.dp_cdvae.steps import ancestral, modified, renewing
from gencsp.diffusion.dp_cdvae.stoichiometries import Stoichiometries
from gencsp.diffusion.noise import standard_normal
from gencsp.diffusion.wrapped import remove_mean
from gencsp.errors import RequestError


@dataclass(frozen=True, slots=True)
class DpCdvaeRun:
    """What stays the same while latent vectors are decoded.

    Attributes:
        model: the model.
        sampling: how it is sampled.
        times: time steps, descending, the last one 0.
        z: latent vectors, shape (b, latent), float64.
        cells: Å, shape (b, 3, 3), float64.
        numbers: first species of the atoms, shape (n,), int64.
        owner: crystal of each atom, shape (n,), int64, ascending.
        held: whether an atom keeps its species, shape (n,), bool.
        rngs: one generator for each crystal.
        frac: coordinates to begin from, about their middle, shape (n, 3); ``None`` to begin from
            noise alone.
    """

    model: DpCdvaeModel
    sampling: DpCdvaeSampling
    times: tuple[int, ...]
    z: Tensor
    cells: Tensor
    numbers: Tensor
    owner: Tensor
    held: Tensor
    rngs: tuple[np.random.Generator, ...]
    frac: Tensor | None = None

    @property
    def n_crystals(self) -> int:
        """Number of crystals, b."""
        return len(self.cells)

    def noise(self) -> Tensor:
        """Standard normal numbers without their mean over each crystal, shape (n, 3)."""
        sizes = torch.bincount(self.owner, minlength=self.n_crystals).tolist()
        drawn = standard_normal(self.rngs, sizes, like=self.cells)
        return remove_mean(drawn, self.owner, self.n_crystals)

    @torch.no_grad()
    def predict(self, state: DpCdvaeState, t: int) -> tuple[Tensor, Tensor]:
        """ε_θ, shape (n, 3), float64, and the likeliest species, shape (n,), at time step t."""
        parameter = next(self.model.network.parameters())
        positions = (state.frac[:, None] @ self.cells[self.owner])[:, 0]
        crystals = CrystalBatch(state.numbers, positions, self.cells, self.owner)
        noise, logits = self.model.network.denoise(
            crystals.to(dtype=parameter.dtype, device=parameter.device),
            state.frac.to(parameter),
            torch.full((self.n_crystals,), t, device=parameter.device),
            self.z.to(parameter),
        )
        return noise.double().cpu(), logits.argmax(1).cpu()


@dataclass(frozen=True, slots=True)
class DpCdvaeState:
    """Crystals on the way: coordinates about their middle, (n, 3), and atomic numbers, (n,)."""

    frac: Tensor
    numbers: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What of a crystal is not read from its latent vector.

    Attributes:
        atom_count: number of atoms.
        numbers: atomic numbers, which set it, too.
        cell: the cell, in Å.
        frac: fractional coordinates to begin from, shape (n, 3), where ``noise`` of the sampling is
            below 1; with ``numbers`` only.
    """

    atom_count: CellAtoms | None = None
    numbers: Sequence[int] | None = None
    cell: Cell | None = None
    frac: Array | None = None

    def __post_init__(self) -> None:
        check("atom_count", self.atom_count, CellAtoms | None)


def prepare(
    model: DpCdvaeModel,
    z: Array,
    *,
    sampling: DpCdvaeSampling,
    rngs: Sequence[np.random.Generator],
    given: Sequence[Given] | None = None,
) -> DpCdvaeRun:
    """Read number of atoms, lattice and composition from z; draws no random number.

    Args:
        model: the model.
        z: latent vectors, shape (b, latent).
        sampling: how they are decoded.
        rngs: one generator for each of them.
        given: what is not read from z, for each of them; ``None`` for nothing.

    Raises:
        RequestError: numbers of vectors, generators and given parts that differ, vectors of
            another length, or no coordinates where decoding is to begin from some.
    """
    given = [Given()] * len(z) if given is None else given
    if not len(z) or not len(z) == len(rngs) == len(given):
        raise RequestError(
            f"{len(z)} latent vectors, {len(rngs)} generators and {len(given)} given parts: give "
            f"one of each for every crystal."
        )
    if z.shape != (len(z), model.latent):
        raise RequestError(f"z has shape {z.shape}: this model has rows of {model.latent} numbers.")
    heads = model.heads(z)
    known = model.process.stoichiometries if sampling.species == "read" else None
    numbers = [
        _species(one, counts, np.exp(shares), known)
        for one, counts, shares in zip(given, heads.atom_count, heads.composition, strict=True)
    ]
    sizes = torch.tensor([len(one) for one in numbers])
    cells = model.process.lattice.decode(torch.as_tensor(heads.lattice), sizes)
    for k, one in enumerate(given):
        if one.cell is not None:
            cells[k] = torch.as_tensor(np.array(one.cell.array))
    schedule = model.process.schedule
    kept = sampling.species != "likeliest"
    held = torch.tensor([kept or one.numbers is not None for one in given])
    owner = torch.repeat_interleave(torch.arange(len(z)), sizes)
    first, frac = schedule.steps, None
    if sampling.noise < 1:
        first = schedule.time_of(sampling.noise)
        frac = centred(_begun_from(given), owner, len(z))
    return DpCdvaeRun(
        model=model,
        sampling=sampling,
        times=schedule.times(min(first, sampling.steps or first), first),
        z=torch.as_tensor(z, dtype=torch.float64),
        cells=cells,
        numbers=torch.as_tensor(np.concatenate(numbers)),
        owner=owner,
        held=held[owner],
        rngs=tuple(rngs),
        frac=frac,
    )


def _begun_from(given: Sequence[Given]) -> Tensor:
    """Coordinates of all crystals, shape (n, 3)."""
    rows = []
    for one in given:
        if one.frac is None or one.numbers is None or np.shape(one.frac) != (len(one.numbers), 3):
            raise RequestError(
                "with noise below 1 decoding begins from a crystal: give numbers and frac, one row "
                "for each atom."
            )
        rows.append(np.asarray(one.frac, dtype=np.float64))
    return torch.as_tensor(np.concatenate(rows))


def _species(
    given: Given, log_counts: Array, shares: Array, known: Stoichiometries | None
) -> NDArray[np.int64]:
    if given.numbers is not None:
        return np.asarray(given.numbers, dtype=np.int64)
    count = given.atom_count or int(log_counts.argmax()) + 1
    if known is not None:
        if given.atom_count is not None:
            log_counts = np.where(np.arange(1, count + 1) == count, 0.0, -np.inf)
        found = known.likeliest(shares, log_counts)
        if found is not None:
            return found
    return rounded_composition(shares, count)


def rounded_composition(shares: Array, count: int) -> NDArray[np.int64]:
    """Atomic numbers, shape (count,), that come nearest to shares of the elements.

    By the largest remainder: each element has the whole part of share × count, and the atoms that
    are left go to those with the largest rest.

    Args:
        shares: of each element by its atomic number, shape (95,), of sum 1.
        count: atoms.
    """
    wanted = shares * count
    whole = np.floor(wanted + 1e-9).astype(np.int64)
    rest = np.argsort(whole - wanted, kind="stable")
    whole[rest[: max(0, count - int(whole.sum()))]] += 1
    return np.repeat(np.arange(len(shares)), whole)[:count]


def start(run: DpCdvaeRun) -> DpCdvaeState:
    """The first state: the species that are read from z, and coordinates of noise.

    At t = T they are noise alone (Section IV.C), else given ones noised by eq. 2.
    """
    noise = run.noise()
    if run.frac is not None:
        level = run.model.process.schedule.alpha_bar(torch.tensor(run.times[0]))
        noise = noised_coordinates(run.frac, noise, level.expand(len(noise)))
    return DpCdvaeState(noise, run.numbers)


def step(run: DpCdvaeRun, state: DpCdvaeState, level: int) -> DpCdvaeState:
    """From time step ``times[level]`` to the next."""
    t, s = run.times[level : level + 2]
    bars = run.model.process.schedule.alpha_bar(torch.tensor([t, s])).tolist()
    rule = run.sampling.rule
    # Coordinates that were noised by eq. 2 are shrunk about their middle: wrapped, they would be
    # stretched by 1/√ᾱ_t about the wrong point.
    if rule == "modified" and (level or run.frac is None):
        state = replace(state, frac=centred(state.frac, run.owner, run.n_crystals))
    noise, numbers = run.predict(state, t)
    fresh = run.noise()
    if rule == "renewal":
        frac = renewing(state.frac, noise, fresh, *bars, share=run.sampling.renewal)
    else:
        moved = modified if rule == "modified" else ancestral
        frac = moved(state.frac, noise, fresh, *bars)
    return DpCdvaeState(frac, torch.where(run.held, state.numbers, numbers))


def to_atoms(run: DpCdvaeRun, state: DpCdvaeState) -> list[Atoms]:
    """The crystals, their coordinates within the cell."""
    positions = (wrapped(state.frac)[:, None] @ run.cells[run.owner])[:, 0]
    return CrystalBatch(state.numbers, positions, run.cells, run.owner).to_atoms()


def decode(
    model: DpCdvaeModel,
    z: Array,
    *,
    sampling: DpCdvaeSampling,
    rngs: Sequence[np.random.Generator],
    given: Sequence[Given] | None = None,
) -> list[Atoms]:
    """Crystals of latent vectors; arguments and what is raised as for :func:`prepare`."""
    run = prepare(model, z, sampling=sampling, rngs=rngs, given=given)
    state = start(run)
    for level in range(len(run.times) - 1):
        state = step(run, state, level)
    return to_atoms(run, state)
