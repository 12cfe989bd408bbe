"""The networks of DP-CDVAE: encoders of a crystal, heads of its latent vector, and the denoiser.

The encoder is DimeNet++, alone or with an embedding of the number of atoms, GINE, or both; one
linear layer joins their features to μ and log σ² (paper, Fig. S1). From z, a perceptron each reads
lattice, number of atoms and composition. The denoiser is GemNet-T on crystals of lattice L_z,
coordinates r_t and species Z_t, whose atoms also know z, t and Fourier features of r_t (S3).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from gencsp.deck import Count, Natural, Positive
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.dp_cdvae.sizes import PAPER
from gencsp.diffusion.networks.base import ConfiguredNetwork
from gencsp.diffusion.networks.dimenet import DimeNetPlusPlus
from gencsp.diffusion.networks.gemnet import GemNetT
from gencsp.diffusion.networks.gine import GineEncoder, perceptron
from gencsp.diffusion.networks.latent_prior import LatentPrior
from gencsp.diffusion.networks.layers import N_ELEMENTS, time_features
from gencsp.diffusion.networks.nearest import nearest_graph
from gencsp.diffusion.wrapped import remove_mean

#: Exponents of the Fourier features sin and cos of 2ⁿπ r (S3).
FOURIER = range(3, 9)
#: Least and largest log σ² of z. Latent diffusion (Rombach et al., CVPR 2022) has 20 in place of 4,
#: which let the loss of a crystal reach 10⁹; of 3,000 crystals of a trained network 2.1 was most.
LOG_VARIANCES = (-30.0, 4.0)


class DpCdvaeConfig(ConfiguredNetwork):
    """Sizes of :class:`DpCdvaeNetwork`; the defaults are those of the paper's program."""

    name = "dp-cdvae"

    atom_count: bool = Field(default=False, description="Encode the number of atoms: +N_a.")
    gine: bool = Field(default=False, description="Encode distances by GINE, too: +GINE.")
    most_atoms: Count = Field(default=24, description="Most atoms in a cell.")
    latent: Count = Field(default=PAPER["latent"], description="Length of z.")
    cutoff: Positive = Field(default=7.0, description="Longest edge, Å.")
    neighbours: Count = Field(
        default=PAPER["neighbours"], description="Nearest neighbours that an atom counts."
    )
    n_spherical: int = Field(
        default=PAPER["n_spherical"], ge=2, description="Functions of an angle."
    )
    n_radial: Count = Field(
        default=PAPER["n_radial"], description="Functions of a distance in the encoder."
    )
    encoder_channels: Count = Field(
        default=PAPER["encoder_channels"], description="Features of an edge in DimeNet++."
    )
    encoder_blocks: Natural = Field(
        default=PAPER["encoder_blocks"], description="Rounds of DimeNet++."
    )
    encoder_triplets: Count = Field(
        default=PAPER["encoder_triplets"], description="Features of an edge in its triplets."
    )
    encoder_basis: Count = Field(
        default=PAPER["encoder_basis"], description="Features of its bases."
    )
    encoder_hidden: Count = Field(
        default=PAPER["encoder_hidden"], description="Features of its readout."
    )
    gine_channels: Count = Field(default=PAPER["gine_channels"], description="Features in GINE.")
    gine_layers: Count = Field(default=PAPER["gine_layers"], description="Rounds of GINE.")
    head_channels: Count = Field(
        default=PAPER["head_channels"], description="Features in the heads of z."
    )
    channels: Count = Field(
        default=PAPER["channels"], description="Features of an edge in GemNet-T."
    )
    atom_channels: Count = Field(
        default=PAPER["atom_channels"], description="Features of an atom in GemNet-T."
    )
    blocks: Count = Field(default=PAPER["blocks"], description="Rounds of GemNet-T.")
    triplets: Count = Field(
        default=PAPER["triplets"], description="Features of an edge in its triplets."
    )
    basis: Count = Field(default=PAPER["basis"], description="Features of its bases.")
    radial: int = Field(
        default=PAPER["radial"], ge=2, description="Functions of a distance in GemNet-T."
    )
    atom_layers: Count = Field(
        default=PAPER["atom_layers"], description="Residual layers on atoms and in readouts."
    )
    time_channels: int = Field(
        default=PAPER["time_channels"], ge=4, multiple_of=2, description="Features of t."
    )
    prior: Natural = Field(
        default=0, description="Directions of z with a fitted prior; 0 for N(0, I) in all."
    )
    prior_channels: Count = Field(
        default=PAPER["prior_channels"], description="Features in the fitted prior."
    )
    prior_blocks: Count = Field(
        default=PAPER["prior_blocks"], description="Residual blocks in the fitted prior."
    )

    def build(self, context: None) -> DpCdvaeNetwork:  # noqa: ARG002
        """See :class:`~gencsp.diffusion.networks.base.ConfiguredNetwork`."""
        return DpCdvaeNetwork(self)

    def new_prior(self, directions: int) -> LatentPrior:
        """A prior of z, not fitted yet, with so many active directions."""
        return LatentPrior(
            latent=self.latent,
            directions=directions,
            most_atoms=self.most_atoms,
            channels=self.prior_channels,
            blocks=self.prior_blocks,
        )


class Decoded(NamedTuple):
    """What the heads read from z.

    Attributes:
        lattice: standardised lengths and angles, shape (b, 6).
        atom_count: logits of the number of atoms from 1 on, shape (b, most_atoms).
        composition: logits A_z of the species, by atomic number, shape (b, 95); −∞ for number 0.
    """

    lattice: Tensor
    atom_count: Tensor
    composition: Tensor


class DpCdvaeNetwork(nn.Module):
    """Encoders, heads and denoiser of DP-CDVAE, see the module."""

    Config = DpCdvaeConfig

    def __init__(self, config: DpCdvaeConfig) -> None:
        super().__init__()
        self.config = config
        c, latent = config, config.latent
        self.dimenet = DimeNetPlusPlus(
            channels=c.encoder_channels,
            out_channels=latent,
            blocks=c.encoder_blocks,
            triplet_channels=c.encoder_triplets,
            basis_channels=c.encoder_basis,
            output_channels=c.encoder_hidden,
            n_spherical=c.n_spherical,
            n_radial=c.n_radial,
            cutoff=c.cutoff,
        )
        if c.gine:
            self.gine = GineEncoder(
                channels=c.gine_channels, out_channels=latent, layers=c.gine_layers
            )
        if c.atom_count:
            self.atom_count = perceptron(c.most_atoms, latent, latent)
        self.join = nn.Linear((1 + c.gine + c.atom_count) * latent, 2 * latent)
        self.lattice_head = perceptron(latent, c.head_channels, 6)
        self.atom_count_head = perceptron(latent, c.head_channels, c.most_atoms)
        self.composition_head = perceptron(latent, c.head_channels, N_ELEMENTS)
        self.element = nn.Embedding(N_ELEMENTS, c.channels)
        self.time = perceptron(c.time_channels, 4 * c.time_channels, c.time_channels)
        known = c.channels + latent + c.time_channels + 6 * len(FOURIER)
        self.start = perceptron(known, c.atom_channels, c.atom_channels)
        self.gemnet = GemNetT(
            atom_channels=c.atom_channels,
            channels=c.channels,
            blocks=c.blocks,
            triplet_channels=c.triplets,
            basis_channels=c.basis,
            atom_layers=c.atom_layers,
            n_spherical=c.n_spherical,
            n_radial=c.radial,
            cutoff=c.cutoff,
            neighbours=c.neighbours,
        )
        self.species = nn.Linear(c.atom_channels, N_ELEMENTS)
        self.prior = c.new_prior(c.prior)

    def encode(self, batch: CrystalBatch) -> tuple[Tensor, Tensor]:
        """μ and log σ² of z for crystals, both (b, latent).

        log σ² is kept within ``LOG_VARIANCES``: in a training a single unusual crystal can have one
        whose exponential outweighs all other losses by many powers of ten.
        """
        config = self.config
        graph = nearest_graph(batch, cutoff=config.cutoff, neighbours=config.neighbours)
        parts = [self.dimenet(batch, graph)]
        if config.gine:
            parts.append(self.gine(batch, graph))
        if config.atom_count:
            counts = nn.functional.one_hot(batch.sizes - 1, config.most_atoms)
            parts.append(self.atom_count(counts.to(parts[0])))
        mean, log_variance = self.join(torch.cat(parts, 1)).chunk(2, 1)
        return mean, log_variance.clamp(*LOG_VARIANCES)

    def decode(self, z: Tensor) -> Decoded:
        """What the heads read from latent vectors, shape (b, latent)."""
        return Decoded(
            self.lattice_head(z),
            self.atom_count_head(z),
            without_hidden(self.composition_head(z)),
        )

    def denoise(
        self, crystals: CrystalBatch, frac: Tensor, t: Tensor, z: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The noise ε_θ of fractional coordinates, (n, 3), and logits A_θ of species, (n, 95).

        ε_θ is the vectors of GemNet-T in the frame of the cell, C⁻¹·V^(1/3), so that it does not
        depend on how the crystal is turned, and has no mean over a crystal, like ε.

        Args:
            crystals: species Z_t, positions L_z·r_t and cells L_z.
            frac: r_t about the middle of the crystal, shape (n, 3).
            t: time steps, shape (b,).
            z: latent vectors, shape (b, latent).
        """
        config, owner = self.config, crystals.owner
        graph = nearest_graph(crystals, cutoff=config.cutoff, neighbours=config.neighbours)
        time = self.time(time_features(t.to(z), config.time_channels))
        of_crystal = torch.cat((z, time), 1)[owner]
        known = (self.element(crystals.numbers), of_crystal, fourier_features(frac))
        atoms, vectors = self.gemnet(self.start(torch.cat(known, 1)), graph)
        length = torch.linalg.det(crystals.cells).abs().pow(1 / 3)[:, None, None]
        into_cell = torch.linalg.inv(crystals.cells) * length
        noise = (vectors[:, None] @ into_cell[owner])[:, 0]
        return (
            remove_mean(noise, owner, crystals.n_crystals),
            without_hidden(self.species(atoms)),
        )


def with_encoders(
    network: DpCdvaeNetwork, *, atom_count: bool = False, gine: bool = False, blocks: int = 0
) -> DpCdvaeNetwork:
    """A network with further encoders, which gives what the one without them gives.

    What the new encoders and rounds of DimeNet++ find enters μ and log σ² with weight zero at
    first. So the variants of DP-CDVAE can be trained on from one network, and what sets them apart
    is what an encoder brings; and what needs no angles, as the composition, can be learned first by
    DimeNet++ without a round, many times as fast.

    Args:
        network: is left as it is.
        atom_count: whether it is to encode the number of atoms, if it does not.
        gine: whether it is to have GINE, likewise.
        blocks: rounds that DimeNet++ is to have, if it has fewer.

    Returns:
        The new encoders have random weights, from torch's generator.
    """
    old = network.config
    config = old.model_copy(
        update={
            "atom_count": old.atom_count or atom_count,
            "gine": old.gine or gine,
            "encoder_blocks": max(old.encoder_blocks, blocks),
        }
    )
    grown = DpCdvaeNetwork(config).to(network.join.weight)
    weights = {**grown.state_dict(), **network.state_dict()}
    # Features of DimeNet++, of GINE and of the number of atoms come in this order.
    columns = torch.zeros_like(grown.join.weight).view(2 * config.latent, -1, config.latent)
    joined = network.join.weight.detach().view(2 * config.latent, -1, config.latent)
    columns[:, 0] = joined[:, 0]
    if old.gine:
        columns[:, 1] = joined[:, 1]
    if old.atom_count:
        columns[:, -1] = joined[:, -1]
    join = columns.flatten(1)
    grown.load_state_dict({**weights, "join.weight": join})
    return grown


def with_prior(network: DpCdvaeNetwork, prior: LatentPrior | None) -> DpCdvaeNetwork:
    """A network with another prior of z, ``None`` for N(0, I); the given ones are left as they are.

    Args:
        network: with encoders, heads and denoiser.
        prior: made by :meth:`DpCdvaeConfig.new_prior` of its configuration.
    """
    directions = 0 if prior is None else len(prior.active)
    made = DpCdvaeNetwork(network.config.model_copy(update={"prior": directions}))
    kept = {k: v for k, v in network.state_dict().items() if not k.startswith("prior.")}
    new = {} if prior is None else prior.state_dict()
    made.to(network.join.weight).load_state_dict(kept | {f"prior.{k}": v for k, v in new.items()})
    return made


def without_hidden(logits: Tensor) -> Tensor:
    """Logits by atomic number, shape (n, 95), of which number 0 is impossible."""
    return torch.cat((torch.full_like(logits[:, :1], -torch.inf), logits[:, 1:]), 1)


def fourier_features(frac: Tensor) -> Tensor:
    """sin and cos of 2ⁿπ r for n in :data:`FOURIER` (S3), shape (n, 3) to (n, 36)."""
    factors = frac.new_tensor([2.0**n * math.pi for n in FOURIER])
    phase = (frac[:, :, None] * factors).flatten(1)
    return torch.cat((torch.sin(phase), torch.cos(phase)), 1)
