"""A joint model of random weights, which samples in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gencsp.diffusion.joint.conditions import PropertyScale
from gencsp.diffusion.joint.model import save_joint_model
from gencsp.diffusion.joint.process import JointProcess
from gencsp.diffusion.joint.shape import LatticeScale
from gencsp.diffusion.joint.sizes import CellSizes
from gencsp.diffusion.networks import build_network
from gencsp.diffusion.training.joint_objective import JointObjective

#: The proposer with settings under which such a network makes anything at all.
TINY: dict[str, Any] = {
    "name": "pigen",
    "separation": 0.1,
    "attempts": 50,
    "sampler": {"steps": 5},
}


def write_tiny_joint(path: Path) -> Path:
    """Write its weights; returns the path."""
    scale = LatticeScale((0.0,) * 3 + (-0.1, 0.2, 1.8), (0.2, 0.2, 0.2, 0.15, 0.3, 0.2))
    objective = JointObjective(
        process=JointProcess(scale=scale),
        properties=PropertyScale((0.64, 8.0, 0.01, 1.8), (0.18, 0.9, 0.03, 0.6)),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network("joint", {"channels": 8, "layers": 1, "n_radial": 4})
    save_joint_model(network.eval(), objective, CellSizes({2: 3, 4: 2, 8: 1}), path)
    return path
