"""The loss of DP-CDVAE: eq. 10, 11 and S1."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gencsp.deck import Fraction, Natural, check_fields
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.dp_cdvae.choices import Angles
from gencsp.diffusion.dp_cdvae.lattice import LatticeStatistics
from gencsp.diffusion.dp_cdvae.process import (
    DpCdvaeProcess,
    centred,
    drawn_species,
    noised_coordinates,
    species_shares,
)
from gencsp.diffusion.dp_cdvae.stoichiometries import Stoichiometries
from gencsp.diffusion.networks.dp_cdvae import Decoded, DpCdvaeNetwork
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.dp_cdvae_draws import Draws
from gencsp.diffusion.training.objective import in_batches, mean_over_atoms
from gencsp.diffusion.training.settings import DpCdvaeWeights

#: Noise of fractional coordinates above which wrapping leaves hardly a trace of where they were: a
#: wrapped normal of this width has less than a tenth of its first cosine left, e^(−2π²σ²).
LOST = 0.35


class DpCdvaeLosses(NamedTuple):
    """Terms of the loss, one value for each crystal, shape (b,), before their weights."""

    coordinates: Tensor
    species: Tensor
    kl: Tensor
    lattice: Tensor
    composition: Tensor
    atom_count: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class DpCdvaeObjective:
    """What the trainer minimises.

    Attributes:
        process: the forward process.
        weights: of the terms.
        teacher_forcing: first steps, in which the noisy crystals have their true lattice, not the
            one that is read from z. The number of atoms is always the true one.
        draws: of noise for each crystal of a batch, which is encoded once for all of them; their
            time steps are stratified. With 0 nothing is denoised: encoder and heads are trained
            alone.
        late_share: share of the time steps that are drawn from those whose noise is above
            :data:`LOST`; ``None`` draws all evenly, as the paper does. Fewer of them leave more
            for those from which coordinates can be learned, which weights eq. 10 in their favour.
    """

    process: DpCdvaeProcess
    weights: DpCdvaeWeights = field(default_factory=DpCdvaeWeights)
    teacher_forcing: Natural = 0
    draws: Natural = 1
    late_share: Fraction | None = None

    kind: ClassVar[str] = "dp-cdvae"

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def fit(
        cls, crystals: CrystalSet, *, angles: Angles = "acute", **settings: Any
    ) -> DpCdvaeObjective:
        """With lattices and stoichiometries of the training crystals, whose angles are so."""
        sizes = torch.as_tensor(np.diff(crystals.offsets))
        lattice = LatticeStatistics.fit(torch.as_tensor(crystals.cells), sizes)
        process = DpCdvaeProcess(
            lattice=lattice,
            angles=angles,
            stoichiometries=Stoichiometries.fit(crystals.numbers, crystals.offsets),
        )
        return cls(process=process, **settings)

    def loss(
        self,
        network: nn.Module,
        crystals: CrystalSet,
        indices: NDArray[np.int64],
        rng: np.random.Generator,
        device: torch.device,
        *,
        step: int,
    ) -> Tensor:
        """The weighted sum (eq. S1) for the crystals of ``indices``, shape (b,)."""
        assert isinstance(network, DpCdvaeNetwork), "open_run lets no other kind through"
        forced, latent = step < self.teacher_forcing, network.config.latent
        if self.draws == 0:
            clean = crystals.batch(indices)
            noise = torch.as_tensor(rng.standard_normal((clean.n_crystals, latent)))
            return self.total(self.read(network, clean, noise, device)[0])
        if self.draws == 1 and self.late_share is None:
            clean = crystals.batch(indices)
            draws = Draws.of(clean, latent, 1, self.process.schedule.steps, rng)
            return self.total(self.terms(network, clean, draws, device, true_lattice=forced))
        copies = crystals.batch(np.tile(indices, self.draws))
        draws = Draws.spread(copies, latent, times=self.times(), copies=self.draws, rng=rng)
        once = crystals.batch(indices).to(dtype=torch.float32, device=device)
        mean, log_variance = (x.float().tile(self.draws, 1) for x in network.encode(once))
        terms = self.terms(
            network, copies, draws, device, true_lattice=forced, encoded=(mean, log_variance)
        )
        return self.total(terms).view(self.draws, -1).mean(0)

    def times(self) -> NDArray[np.float64]:
        """Probability of the time steps 1 to T in training, shape (T,)."""
        last = self.process.schedule.steps
        even = np.full(last, 1 / last)
        lost = self.process.schedule.time_of(LOST)
        if self.late_share is None or lost >= last:
            return even
        even[:lost] = (1 - self.late_share) / lost
        even[lost:] = self.late_share / (last - lost)
        return even

    def total(self, terms: DpCdvaeLosses) -> Tensor:
        """The weighted sum of the terms, shape (b,)."""
        w = self.weights
        return (
            terms.coordinates
            + w.species * terms.species
            + w.kl * terms.kl
            + w.lattice * terms.lattice
            + w.composition * terms.composition
            + w.atom_count * terms.atom_count
        )

    def terms(
        self,
        network: DpCdvaeNetwork,
        clean: CrystalBatch,
        draws: Draws,
        device: torch.device,
        *,
        true_lattice: bool,
        encoded: tuple[Tensor, Tensor] | None = None,
    ) -> DpCdvaeLosses:
        """The terms for clean crystals, each of shape (b,).

        z is μ + σ·ε'' with σ = exp(½ log σ²). Eq. 8 prints e^{log var} in its place, which would be
        the variance; the divergence, and the authors' program, need the standard deviation.

        The lattice and the composition that are read from z enter the noisy crystals without
        gradients, so that the heads learn from their own losses alone.

        Args:
            network: encoders, heads and denoiser.
            clean: the crystals.
            draws: all that is random.
            device: where the network is.
            true_lattice: whether the noisy crystals have their own lattice.
            encoded: μ and log σ² of each, where they are known already.
        """
        f32, schedule = torch.float32, self.process.schedule
        local = clean.to(dtype=f32, device=device)
        owner, sizes, numbers = local.owner, local.sizes, local.numbers
        read, z, decoded = self.read(network, clean, draws.z, device, encoded=encoded)
        cells = local.cells
        if not true_lattice:
            cells = self.process.lattice.decode(decoded.lattice.detach().float(), sizes)
        t = draws.t.to(device)
        composition = torch.softmax(decoded.composition.detach().float(), 1)[owner]
        level = schedule.species_noise(t).to(f32)[owner]
        shares = species_shares(numbers, composition, level)
        noisy_numbers = drawn_species(shares, draws.species.to(shares))
        noise = draws.noise.to(device=device, dtype=f32)
        inverse = torch.linalg.inv(clean.cells)
        frac = (clean.positions[:, None] @ inverse[clean.owner])[:, 0]
        frac = centred(frac, clean.owner, clean.n_crystals).to(noise)
        noisy = noised_coordinates(frac, noise, schedule.alpha_bar(t).to(f32)[owner])
        crystals = CrystalBatch(noisy_numbers, (noisy[:, None] @ cells[owner])[:, 0], cells, owner)
        found, logits = network.denoise(crystals, noisy, t, z)

        named = cross_entropy(logits.float(), numbers, reduction="none")
        return read._replace(
            coordinates=mean_over_atoms((found.float() - noise).square().sum(1), owner, sizes),
            species=mean_over_atoms(named, owner, sizes),
        )

    def read(
        self,
        network: DpCdvaeNetwork,
        clean: CrystalBatch,
        noise: Tensor,
        device: torch.device,
        *,
        encoded: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[DpCdvaeLosses, Tensor, Decoded]:
        """What is read from z, without the denoiser: its terms, z, and what the heads give.

        Args:
            network: encoders and heads.
            clean: the crystals.
            noise: standard normal, shape (b, latent).
            device: where the network is.
            encoded: μ and log σ² of each, where they are known already.

        Returns:
            The terms, those of the denoiser zero.
        """
        local = clean.to(dtype=torch.float32, device=device)
        owner, sizes, numbers = local.owner, local.sizes, local.numbers
        mean, log_variance = network.encode(local) if encoded is None else encoded
        mean, log_variance = mean.float(), log_variance.float()
        z = mean + torch.exp(0.5 * log_variance) * noise.to(mean)
        decoded = network.decode(z)
        target = self.process.lattice.encode(clean.cells, clean.sizes).to(mean)
        named = cross_entropy(decoded.composition.float()[owner], numbers, reduction="none")
        nothing = torch.zeros_like(mean[:, 0])
        losses = DpCdvaeLosses(
            coordinates=nothing,
            species=nothing,
            kl=divergence(mean, log_variance),
            lattice=(decoded.lattice.float() - target).square().mean(1),
            composition=mean_over_atoms(named, owner, sizes),
            atom_count=cross_entropy(decoded.atom_count.float(), sizes - 1, reduction="none"),
        )
        return losses, z, decoded

    def validate(
        self, network: nn.Module, crystals: CrystalSet, *, device: torch.device, seed: int = 0
    ) -> dict[str, float]:
        """Terms, those of the denoiser by band of t, with the lattice that is read from z.

        The same seed noises the same crystals in the same way. "mean" is what the denoiser
        minimises, eq. 11.
        """
        assert isinstance(network, DpCdvaeNetwork), "open_run lets no other kind through"
        last = self.process.schedule.steps
        edges = [round(last * k / 4) for k in range(5)]
        found: dict[str, float] = {}
        whole: dict[str, float] = dict.fromkeys(DpCdvaeLosses._fields, 0.0)
        for k, (low, high) in enumerate(pairwise(edges)):
            rng = np.random.default_rng([seed, k])
            sums = dict.fromkeys(DpCdvaeLosses._fields, 0.0)
            for indices in in_batches(len(crystals)):
                clean = crystals.batch(indices)
                draws = Draws.of(clean, network.config.latent, low + 1, max(high, low + 1), rng)
                with torch.no_grad():
                    terms = self.terms(network, clean, draws, device, true_lattice=False)
                for name, value in terms._asdict().items():
                    sums[name] += float(value.sum()) / len(crystals)
            for name in ("coordinates", "species"):
                found[f"{name}, {low}-{high}"] = sums[name]
            for name, value in sums.items():
                whole[name] += value / 4
        found |= whole
        found["mean"] = whole["coordinates"] + self.weights.species * whole["species"]
        return found

    def describe(self) -> dict[str, Any]:
        """For checkpoints; :meth:`from_description` reads it."""
        return {**asdict(self), "process": self.process.describe(), "kind": self.kind}

    @classmethod
    def from_description(cls, stored: dict[str, Any]) -> DpCdvaeObjective:
        """From what :meth:`describe` gave."""
        return cls(
            process=DpCdvaeProcess.from_description(stored["process"]),
            weights=DpCdvaeWeights(**stored["weights"]),
            teacher_forcing=stored["teacher_forcing"],
            # Runs that were begun before there was a choice.
            draws=stored.get("draws", 1),
            late_share=stored.get("late_share"),
        )


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(μ, σ²) from N(0, I), shapes (b, latent) to (b,)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
