"""Latent vectors from the prior of z: of any crystals, or of those of given species."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch

from gencsp.diffusion.dp_cdvae.model import Array, DpCdvaeModel
from gencsp.diffusion.networks.latent_prior import count_species
from gencsp.errors import RequestError

#: Steps of the flow, by Heun's method.
STEPS = 50
#: Vectors of N(0, I) of which one is taken for given species, where no prior is fitted.
CANDIDATES = 256


@torch.no_grad()
def latents(
    model: DpCdvaeModel,
    rngs: Sequence[np.random.Generator],
    numbers: Sequence[Sequence[int]] | None = None,
) -> Array:
    """Latent vectors from the prior of z, or from its posterior p(z | species, number of atoms).

    A fitted prior makes each of a vector of N(0, I) by a flow
    (:class:`~gencsp.diffusion.networks.latent_prior.LatentPrior`), which takes given species, too.
    Where none is fitted the prior is N(0, I), and for given species many are drawn from it and one
    of these with a probability proportional to what the heads of z give the species.

    Args:
        model: the model.
        rngs: one generator for each vector.
        numbers: atomic numbers of the atoms of each crystal; ``None`` for any.

    Returns:
        shape (b, latent), float64.

    Raises:
        RequestError: numbers of generators and crystals that differ, or a crystal of more atoms
            than the model has room for.
    """
    if numbers is not None:
        _check(model, rngs, numbers)
    prior = model.network.prior
    if not prior.fitted:
        if numbers is None:
            return np.stack([rng.standard_normal(model.latent) for rng in rngs])
        return np.stack(
            [_likely(model, some, rng) for some, rng in zip(numbers, rngs, strict=True)]
        )
    noise = np.stack([rng.standard_normal(model.latent) for rng in rngs])
    x = torch.as_tensor(noise).to(prior.mean)
    species = None if numbers is None else prior.known_species(count_species(numbers).to(x))
    active = x[:, prior.active]
    for now, then in pairwise(np.linspace(0, 1, STEPS + 1).tolist()):
        first = prior(active, x.new_full((len(x),), now), species)
        ahead = active + (then - now) * first
        second = prior(ahead, x.new_full((len(x),), then), species)
        active = active + (then - now) * 0.5 * (first + second)
    # What is not active is normal, and stays as it is.
    x = x.index_copy(1, prior.active, active)
    return np.asarray((prior.mean + prior.scale * x).double().cpu().numpy())


def _likely(model: DpCdvaeModel, numbers: Sequence[int], rng: np.random.Generator) -> Array:
    z = rng.standard_normal((CANDIDATES, model.latent))
    heads = model.heads(z)
    # Impossible in one candidate, an element is so in all.
    logs = heads.atom_count[:, len(numbers) - 1] + heads.composition[:, list(numbers)].sum(1)
    weights = np.exp(logs - logs.max())
    return np.asarray(z[rng.choice(len(z), p=weights / weights.sum())])


def _check(
    model: DpCdvaeModel,
    rngs: Sequence[np.random.Generator],
    numbers: Sequence[Sequence[int]],
) -> None:
    if len(numbers) != len(rngs):
        raise RequestError(
            f"{len(rngs)} generators and {len(numbers)} crystals: give one for each crystal."
        )
    largest = max(map(len, numbers), default=0)
    if largest > model.most_atoms:
        raise RequestError(
            f"a crystal has {largest} atoms, and this model knows up to {model.most_atoms}: give "
            f"smaller cells."
        )
