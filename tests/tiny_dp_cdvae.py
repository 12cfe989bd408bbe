"""A DP-CDVAE of random weights, which decodes in a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gencsp.diffusion.dp_cdvae.lattice import LatticeStatistics
from gencsp.diffusion.dp_cdvae.model import save_dp_cdvae
from gencsp.diffusion.dp_cdvae.process import DpCdvaeProcess
from gencsp.diffusion.dp_cdvae.schedule import NoiseSchedule
from gencsp.diffusion.dp_cdvae.sizes import SIZES
from gencsp.diffusion.networks import build_network
from gencsp.diffusion.networks.dimenet import OutputBlock
from gencsp.diffusion.networks.dp_cdvae import DpCdvaeNetwork

LATTICE = LatticeStatistics(
    mean=(2.3, 2.4, 2.5, 88.0, 90.0, 92.0),
    std=(0.3, 0.3, 0.3, 8.0, 8.0, 8.0),
    low=(1.9, 1.9, 1.9, 70.0, 70.0, 70.0),
    high=(3.2, 3.2, 3.2, 110.0, 110.0, 110.0),
)


def tiny_network(
    *, atom_count: bool = False, gine: bool = False, encoder_blocks: int = 1
) -> DpCdvaeNetwork:
    """Random weights, those of the readout of DimeNet++ included, which begin at zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = {
            **SIZES["tiny"],
            "atom_count": atom_count,
            "gine": gine,
            "encoder_blocks": encoder_blocks,
        }
        network = build_network("dp-cdvae", config)
        assert isinstance(network, DpCdvaeNetwork)
        for block in network.dimenet.output_blocks:
            assert isinstance(block, OutputBlock)
            torch.nn.init.normal_(block.lin.weight)
    return network.eval().requires_grad_(False)


def write_tiny_dp_cdvae(path: Path, *, steps: int = 50) -> Path:
    """Write the weights of one that has so many time steps; returns the path."""
    process = DpCdvaeProcess(lattice=LATTICE, schedule=NoiseSchedule(steps=steps, beta_max=0.2))
    save_dp_cdvae(tiny_network(atom_count=True, gine=True), process, path)
    return path


def rotation(seed: int) -> NDArray[np.float64]:
    """A random rotation, shape (3, 3)."""
    matrix: NDArray[np.float64] = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    return matrix
