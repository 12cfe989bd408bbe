"""Fitting the prior of z to the posteriors of crystals, after DP-CDVAE itself is trained."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gencsp.diffusion.networks.dp_cdvae import DpCdvaeNetwork, with_prior
from gencsp.diffusion.networks.latent_prior import LatentPrior
from gencsp.diffusion.networks.layers import N_ELEMENTS
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.objective import in_batches
from gencsp.diffusion.training.settings import TrainSettings
from gencsp.diffusion.training.state import state_of
from gencsp.diffusion.training.trainer import TrainingProgress, train_step

#: Variance of μ over the crystals, in units of the prior's, above which a direction is active.
ACTIVE = 0.05
#: Share of the crystals whose species are given.
GIVEN = 0.35
#: Vectors of a step.
BATCH = 256


@dataclass(frozen=True, slots=True)
class Posteriors:
    """What a prior is fitted to.

    Attributes:
        mean, std: μ and σ of z of each crystal, shape (n, latent).
        counts: its atoms of each element, by atomic number, shape (n, 95).
    """

    mean: Tensor
    std: Tensor
    counts: Tensor

    def __len__(self) -> int:
        return len(self.mean)

    @classmethod
    @torch.no_grad()
    def of(cls, network: DpCdvaeNetwork, crystals: CrystalSet) -> Posteriors:
        """Encode crystals."""
        parameter = next(network.parameters())
        found = []
        for indices in in_batches(len(crystals)):
            batch = crystals.batch(indices)
            batch = batch.to(dtype=parameter.dtype, device=parameter.device)
            mean, log_variance = network.encode(batch)
            counts = mean.new_zeros(batch.n_crystals, N_ELEMENTS)
            counts.index_put_((batch.owner, batch.numbers), counts.new_ones(()), accumulate=True)
            found.append((mean, torch.exp(0.5 * log_variance), counts))
        return cls(*(torch.cat(some) for some in zip(*found, strict=True)))


class FlowMatching:
    """Flow matching (Lipman et al., arXiv:2210.02747, eq. 23 with σ_min = 0).

    The velocity at x_τ = (1 − τ) x_0 + τ x_1 is fitted to x_1 − x_0, x_0 normal and x_1 a
    standardised draw from the posterior of a crystal, whose species are given or not (Ho and
    Salimans, arXiv:2207.12598). τ is logit-normal (Esser et al.,
    arXiv:2403.03206, eq. 19): its middle is where most is to be learned.
    """

    @staticmethod
    def times(n: int, rng: np.random.Generator) -> Tensor:
        """τ of a batch, shape (n,), stratified: one in each of n parts of equal probability."""
        place = (rng.permutation(n) + rng.random(n)) / n
        return torch.sigmoid(torch.special.ndtri(torch.as_tensor(place)))

    def loss(
        self,
        network: nn.Module,
        posteriors: Posteriors,
        indices: NDArray[np.int64],
        rng: np.random.Generator,
        device: torch.device,
        *,
        step: int,  # noqa: ARG002
    ) -> Tensor:
        """Mean squared error of the velocity in the active directions, shape (b,)."""
        assert isinstance(network, LatentPrior), "fit_prior trains no other"
        some = torch.as_tensor(indices, device=device)
        mean, std = posteriors.mean[some], posteriors.std[some]
        b, n = mean.shape

        def normal(*shape: int) -> Tensor:
            return torch.as_tensor(rng.standard_normal(shape)).to(mean)

        z = mean + std * normal(b, n)
        data = ((z - network.mean) / network.scale)[:, network.active]
        noise, time = normal(*data.shape), self.times(b, rng).to(mean)
        x = noise + time[:, None] * (data - noise)
        known = torch.as_tensor(rng.random((b, 1)) < GIVEN).to(mean)
        species = known * network.known_species(posteriors.counts[some])
        found: Tensor = network(x, time, species)
        return (found - (data - noise)).square().mean(1)


def fit_prior(
    network: DpCdvaeNetwork,
    posteriors: Posteriors,
    *,
    steps: int,
    seed: int,
    report: Callable[[TrainingProgress], None] | None = None,
) -> DpCdvaeNetwork:
    """The network with a prior of z that is fitted to the posteriors of crystals.

    A direction is active if μ varies in it; in the others z has nothing of a crystal, and stays
    normal, with the mean and the standard deviation of all posteriors together.

    Args:
        network: a trained one, without a fitted prior; it is left as it is.
        posteriors: of the crystals of the training.
        steps: of the fit, of 256 vectors each.
        seed: of every random choice.
        report: called after each step.
    """
    mean, variance = posteriors.mean.mean(0), posteriors.mean.var(0, correction=0)
    scale = (variance + posteriors.std.square().mean(0)).sqrt()
    active = torch.nonzero(variance > ACTIVE)[:, 0]
    if not len(active):
        return network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        prior = network.config.new_prior(len(active)).to(mean)
    for name, value in (("mean", mean), ("scale", scale), ("active", active)):
        getattr(prior, name).copy_(value)
    settings = TrainSettings.make(steps=steps, batch_size=BATCH, seed=seed)
    state = state_of(prior)
    begun = time.monotonic()
    while state.step < steps:
        train_step(state, settings, FlowMatching(), posteriors, mean.device)
        if report is not None:
            seconds = time.monotonic() - begun
            report(TrainingProgress(state.step, steps, state.loss, seconds, stage="prior"))
    assert isinstance(state.average, LatentPrior), "a copy of the prior"
    return with_prior(network, state.average)
