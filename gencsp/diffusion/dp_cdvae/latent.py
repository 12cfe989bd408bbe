"""Neighbours of a crystal, and crystals between two, in the latent space of DP-CDVAE.

Of a neighbour z = μ + s·ς·ε with ε ~ N(0, I) and ς the standard deviation of the prior in each
direction (1 unless a prior is fitted), not μ + s·σ·ε: the posterior of a crystal, N(μ, σ²), holds
what decodes to that crystal, so steps in units of σ hardly leave it, while s says how far z goes on
the way to another crystal.

Between two crystals z goes along the arc (slerp; Shoemake, SIGGRAPH 1985; White, arXiv:1609.04468)
and not along the straight line: vectors from N(0, I) of many dimensions all have about the same
length, and the middle of the line between two of them is shorter by √2, where the model has seen
nothing. z is standardised for that by mean and standard deviation of its prior.

The atoms are always those of the (first) crystal. The encoder has seen crystals of no pressure, and
a search may be under some, so that by default only the shape of the cell is read from z.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.cell import Cell

from gencsp.diffusion.dp_cdvae.choices import CellSource, DpCdvaeSampling
from gencsp.diffusion.dp_cdvae.model import Array, DpCdvaeModel
from gencsp.diffusion.dp_cdvae.sampler import Given, decode
from gencsp.errors import RequestError

#: Least sine of the angle between two vectors for which the arc between them is defined.
LEAST_SINE = 1e-6


def slerp(one: Array, other: Array, weight: float) -> Array:
    """A vector on the arc between two, of a length between theirs.

    Both direction and length go evenly from the first (``weight`` 0) to the second (1). Where the
    arc is not defined, between parallel and opposite vectors and from zero, it is the line.

    Args:
        one: shape (latent,).
        other: shape (latent,).
        weight: of the second.
    """
    lengths = np.linalg.norm(one), np.linalg.norm(other)
    if min(lengths) > 0:
        units = one / lengths[0], other / lengths[1]
        angle = np.arccos(np.clip(units[0] @ units[1], -1.0, 1.0))
        if np.sin(angle) > LEAST_SINE:
            shares = np.sin([(1 - weight) * angle, weight * angle]) / np.sin(angle)
            length = (1 - weight) * lengths[0] + weight * lengths[1]
            return np.asarray(length * (shares[0] * units[0] + shares[1] * units[1]))
    return (1 - weight) * one + weight * other


def neighbours(
    model: DpCdvaeModel,
    parents: Sequence[Atoms],
    strengths: Sequence[float],
    *,
    sampling: DpCdvaeSampling,
    cell: CellSource,
    rngs: Sequence[np.random.Generator],
) -> list[Atoms]:
    """A neighbour of each crystal, decoded from z = μ + s·ς·ε.

    At strength 0 and from noise alone it is the reconstruction of the mean, with the species kept.
    With ``noise`` below 1 in the sampling, decoding begins from the coordinates of the parent, in
    its reduced cell where another cell is read from z.

    Args:
        model: the model.
        parents: crystals.
        strengths: s of each, in standard deviations of the prior.
        sampling: how z is decoded.
        cell: where the cells come from.
        rngs: one generator for each, of ε and of decoding.

    Raises:
        RequestError: a structure is no crystal, or one that the model has no room for; or numbers
            of crystals, strengths and generators that differ.
    """
    if not len(parents) == len(strengths) == len(rngs):
        raise RequestError(
            f"{len(parents)} crystals, {len(strengths)} strengths and {len(rngs)} generators: give "
            f"one of each for every crystal."
        )
    mean, _ = model.encode(parents)
    noise = np.stack([rng.standard_normal(model.latent) for rng in rngs])
    z = mean + np.asarray(strengths)[:, None] * model.prior_width * noise
    volumes = [_volume(parent) for parent in parents]
    return _decoded(model, z, parents, volumes, sampling=sampling, cell=cell, rngs=rngs)


def interpolations(
    model: DpCdvaeModel,
    pairs: Sequence[tuple[Atoms, Atoms]],
    weights: Sequence[float],
    *,
    sampling: DpCdvaeSampling,
    cell: CellSource,
    rngs: Sequence[np.random.Generator],
) -> list[Atoms]:
    """A crystal between the two of each pair, decoded from the arc between their μ.

    The atoms are those of the first. At weight 0 it is its reconstruction, and at weight 1 that of
    the second as far as the atoms allow it.

    Args:
        model: the model.
        pairs: of crystals.
        weights: of the second one of each pair, from 0 to 1.
        sampling: how z is decoded.
        cell: where the cells come from; the volume per atom lies between those of the two.
        rngs: one generator for each, of decoding.

    Raises:
        RequestError: as :func:`neighbours`.
    """
    if not len(pairs) == len(weights) == len(rngs):
        raise RequestError(
            f"{len(pairs)} pairs, {len(weights)} weights and {len(rngs)} generators: give one of "
            f"each for every pair."
        )
    ones, others = [one for one, _ in pairs], [other for _, other in pairs]
    middle, width = model.prior_mean, model.prior_width
    x = ((model.encode(some)[0] - middle) / width for some in (ones, others))
    ends = zip(*x, weights, strict=True)
    z = middle + width * np.stack([slerp(one, other, weight) for one, other, weight in ends])
    volumes = [
        (1 - weight) * _volume(one) + weight * _volume(other)
        for (one, other), weight in zip(pairs, weights, strict=True)
    ]
    return _decoded(model, z, ones, volumes, sampling=sampling, cell=cell, rngs=rngs)


def _decoded(
    model: DpCdvaeModel,
    z: Array,
    parents: Sequence[Atoms],
    volumes: Sequence[float],
    *,
    sampling: DpCdvaeSampling,
    cell: CellSource,
    rngs: Sequence[np.random.Generator],
) -> list[Atoms]:
    """Crystals of z with the atoms of their parents; volumes are per atom, Å³."""
    given = [_given(model, parent, sampling, keep_cell=cell == "parent") for parent in parents]
    made = decode(model, z, sampling=sampling, rngs=rngs, given=given)
    if cell == "scaled":
        for atoms, volume in zip(made, volumes, strict=True):
            factor = (volume * len(atoms) / atoms.cell.volume) ** (1 / 3)
            atoms.set_cell(Cell(atoms.cell.array * factor), scale_atoms=True)
    return made


def _given(
    model: DpCdvaeModel, parent: Atoms, sampling: DpCdvaeSampling, *, keep_cell: bool
) -> Given:
    frac = None
    if sampling.noise < 1:
        # Cells that are read from z are reduced, as those that the model was trained on.
        own = np.asarray(parent.cell.array)
        own = own if keep_cell else model.process.reduced(own)
        frac = parent.positions @ np.linalg.inv(own)
    return Given(numbers=parent.numbers, cell=parent.cell if keep_cell else None, frac=frac)


def _volume(atoms: Atoms) -> float:
    """Per atom, Å³."""
    return float(atoms.cell.volume) / len(atoms)
