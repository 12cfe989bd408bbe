"""Named sizes of DP-CDVAE's networks; importing them loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

#: The paper's own, one that a core can train, and one for tests.
Size = Literal["paper", "small", "tiny"]

#: Those of the authors' program; the prior of z, which it does not fit, is gencsp's own.
PAPER: Mapping[str, int] = MappingProxyType(
    {
        "latent": 256,
        "neighbours": 20,
        "n_spherical": 7,
        "n_radial": 6,
        "encoder_channels": 128,
        "encoder_blocks": 4,
        "encoder_triplets": 64,
        "encoder_basis": 8,
        "encoder_hidden": 256,
        "gine_channels": 128,
        "gine_layers": 3,
        "head_channels": 256,
        "channels": 128,
        "atom_channels": 548,
        "blocks": 3,
        "triplets": 64,
        "basis": 16,
        "radial": 128,
        "atom_layers": 3,
        "time_channels": 128,
        "prior_channels": 256,
        "prior_blocks": 4,
    }
)
_SMALL = {
    "latent": 128,
    "neighbours": 12,
    "encoder_channels": 64,
    "encoder_blocks": 2,
    "encoder_triplets": 32,
    "encoder_hidden": 128,
    "gine_channels": 64,
    "head_channels": 128,
    "channels": 64,
    "atom_channels": 128,
    "blocks": 2,
    "triplets": 32,
    "basis": 8,
    "radial": 32,
    "atom_layers": 1,
    "time_channels": 64,
}
_TINY = {
    "latent": 8,
    "neighbours": 4,
    "n_spherical": 3,
    "n_radial": 3,
    "encoder_channels": 8,
    "encoder_blocks": 1,
    "encoder_triplets": 4,
    "encoder_basis": 4,
    "encoder_hidden": 8,
    "gine_channels": 8,
    "gine_layers": 1,
    "head_channels": 8,
    "channels": 8,
    "atom_channels": 16,
    "blocks": 1,
    "triplets": 4,
    "basis": 4,
    "radial": 6,
    "atom_layers": 1,
    "time_channels": 8,
    "prior_channels": 16,
    "prior_blocks": 1,
}

#: All settings of the network that a name stands for.
SIZES: Mapping[Size, Mapping[str, int]] = MappingProxyType(
    {"paper": PAPER, "small": {**PAPER, **_SMALL}, "tiny": {**PAPER, **_TINY}}
)
