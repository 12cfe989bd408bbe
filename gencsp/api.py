"""The commands as calls, for scripts; ``import gencsp`` gives each of them on first use.

What the structures that they return say of themselves stands in ``info``, under the keys of
:mod:`gencsp.records`.
"""

from __future__ import annotations

from gencsp.diffusion.training.dp_cdvae import train_dp_cdvae
from gencsp.diffusion.training.joint import train_joint
from gencsp.diffusion.training.score import train_score
from gencsp.proposers import propose
from gencsp.runs.analysing import analyse
from gencsp.runs.calls import cycle, search
from gencsp.runs.discover import discover
from gencsp.runs.estimating import estimate
from gencsp.runs.intercalating import intercalate
from gencsp.runs.latent import interpolate, neighbours
from gencsp.runs.making_data import make_data
from gencsp.runs.ordering import order
from gencsp.runs.pools import dedup, export, filter, hull, hull_of_formula, hull_of_system
from gencsp.runs.reconstructing import reconstruct
from gencsp.runs.refining import refine
from gencsp.runs.relaxing import relax
from gencsp.runs.synergy import synergy
from gencsp.suites.run import bench

__all__ = [
    "analyse",
    "bench",
    "cycle",
    "dedup",
    "discover",
    "estimate",
    "export",
    "filter",
    "hull",
    "hull_of_formula",
    "hull_of_system",
    "intercalate",
    "interpolate",
    "make_data",
    "neighbours",
    "order",
    "propose",
    "reconstruct",
    "refine",
    "relax",
    "search",
    "synergy",
    "train_dp_cdvae",
    "train_joint",
    "train_score",
]
