"""Several decodings of one latent vector, of which the encoder chooses.

A decoding begins with other noise each time and may miss what z holds, such as which of two cations
is at the centre. The encoder sees that: of a structure x that is what z stands for, its
distribution q(z | x) = N(μ(x), σ(x)²) gives z a high density. The paper decodes once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from gencsp.diffusion.dp_cdvae.choices import DpCdvaeSampling
from gencsp.diffusion.dp_cdvae.model import Array, DpCdvaeModel
from gencsp.diffusion.dp_cdvae.sampler import Given, decode
from gencsp.errors import RequestError


def log_posterior(model: DpCdvaeModel, structures: Sequence[Atoms], z: Array) -> Array:
    """log q(z | x) of structures under the encoder (eq. 8), up to a constant, shape (b,).

    Args:
        model: the model.
        structures: x, b of them.
        z: a latent vector for each, shape (b, latent).

    Returns:
        −∞ where a structure cannot be encoded.
    """
    found = np.full(len(structures), -np.inf)
    usable = [k for k, atoms in enumerate(structures) if _can_be_encoded(model, atoms)]
    if usable:
        mean, spread = model.encode([structures[k] for k in usable])
        density = -(0.5 * ((z[usable] - mean) / spread) ** 2 + np.log(spread)).sum(axis=1)
        found[usable] = np.where(np.isfinite(density), density, -np.inf)
    return found


def _can_be_encoded(model: DpCdvaeModel, atoms: Atoms) -> bool:
    try:
        model.require(atoms)
    except RequestError:
        return False
    return True


def likeliest_decoding(
    model: DpCdvaeModel,
    z: Array,
    *,
    attempts: int,
    sampling: DpCdvaeSampling,
    rngs: Sequence[np.random.Generator],
    given: Sequence[Given] | None = None,
) -> list[Atoms]:
    """Of some decodings of each latent vector that under which the encoder finds z likeliest.

    Args:
        model: the model.
        z: latent vectors, shape (b, latent).
        attempts: decodings of each; one is :func:`~gencsp.diffusion.dp_cdvae.sampler.decode`.
        sampling: how they are decoded.
        rngs: one generator for each of them; the attempts follow one another.
        given: what is not read from z, for each of them; ``None`` for nothing.

    Raises:
        RequestError: as :func:`~gencsp.diffusion.dp_cdvae.sampler.prepare`.
    """
    best = decode(model, z, sampling=sampling, rngs=rngs, given=given)
    if attempts == 1:
        return best
    highest = log_posterior(model, best, z)
    for _ in range(1, attempts):
        others = decode(model, z, sampling=sampling, rngs=rngs, given=given)
        density = log_posterior(model, others, z)
        for k in np.flatnonzero(density > highest):
            best[k], highest[k] = others[k], density[k]
    return best
