"""A prior of z that is fitted to the posteriors of crystals: a flow from N(0, I).

With little weight on the divergence, as good reconstructions need, the posteriors of all crystals
together are not N(0, I), and what is decoded from N(0, I) is not like the crystals of the training.
Fitting a prior afterwards is the way of latent diffusion (Rombach et al., CVPR 2022), here by flow
matching (Lipman et al., arXiv:2210.02747, eq. 20-23 with σ_min = 0). The species can be given: then
it is the prior of z among crystals of that composition.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gencsp.diffusion.networks.layers import N_ELEMENTS, time_features

#: Features of the time of the flow.
TIME_FEATURES = 64


class LatentPrior(nn.Module):
    """The velocity of the flow, dx/dτ at τ from 0 (noise) to 1 (data), of standardised x.

    z is mean + scale·x. In most directions z carries nothing of a crystal, and x is normal. In the
    others, the active ones, a perceptron of residual blocks gives the velocity.

    Attributes:
        mean, scale: of z, shape (latent,).
        active: directions in which z carries something, shape (directions,), int64.

    Args:
        latent: length of z.
        directions: how many are active; with 0 the prior is N(0, I).
        most_atoms: most atoms of a crystal.
        channels: features of the perceptron.
        blocks: residual blocks.
    """

    mean: Tensor
    scale: Tensor
    active: Tensor

    def __init__(
        self, *, latent: int, directions: int, most_atoms: int, channels: int, blocks: int
    ) -> None:
        super().__init__()
        self.most_atoms = most_atoms
        # N(0, I) needs no numbers in a file.
        kept = directions > 0
        self.register_buffer("mean", torch.zeros(latent), persistent=kept)
        self.register_buffer("scale", torch.ones(latent), persistent=kept)
        self.register_buffer("active", torch.arange(directions), persistent=kept)
        if kept:
            known = directions + TIME_FEATURES + N_ELEMENTS + most_atoms
            self.start = nn.Linear(known, channels)
            self.blocks = nn.ModuleList(_residual(channels) for _ in range(blocks))
            self.out = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, directions))

    @property
    def fitted(self) -> bool:
        """Whether it is another than N(0, I)."""
        return len(self.active) > 0

    def forward(self, x: Tensor, time: Tensor, species: Tensor | None = None) -> Tensor:
        """Velocity in the active directions.

        Args:
            x: there, shape (b, directions).
            time: τ, shape (b,).
            species: what :meth:`known_species` gives; rows of zeros, or ``None``, where nothing is
                known.
        """
        if species is None:
            species = x.new_zeros(len(x), N_ELEMENTS + self.most_atoms)
        known = torch.cat((x, time_features(1000 * time, TIME_FEATURES), species), 1)
        hidden = self.start(known)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        out: Tensor = self.out(hidden)
        return out

    def known_species(self, counts: Tensor) -> Tensor:
        """Features of given species: the share of each element, and the number of atoms.

        Args:
            counts: atoms of each element, by atomic number, shape (b, 95), at most ``most_atoms``
                in a row.
        """
        sizes = counts.sum(1)
        number = nn.functional.one_hot(sizes.long() - 1, self.most_atoms)
        return torch.cat((counts / sizes[:, None], number.to(counts)), 1)


def count_species(numbers: Sequence[Sequence[int]]) -> Tensor:
    """Atoms of each element, by atomic number, of crystals; shape (b, 95)."""
    counts = torch.zeros(len(numbers), N_ELEMENTS)
    for row, some in zip(counts, numbers, strict=True):
        row += torch.bincount(torch.as_tensor(some), minlength=N_ELEMENTS)
    return counts


def _residual(channels: int) -> nn.Sequential:
    """What a block adds, which is nothing at first."""
    last = nn.Linear(channels, channels)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, channels), nn.SiLU(), last)
