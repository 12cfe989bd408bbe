"""All registries, and where the third-party package of the docs stands."""

from __future__ import annotations

from importlib import invalidate_caches
from pathlib import Path
from typing import Any

from gencsp.dft import CODES
from gencsp.executors.named import EXECUTORS
from gencsp.exporters import EXPORTERS
from gencsp.filters import FILTERS
from gencsp.minimise.minimisers import MINIMISERS
from gencsp.plugins import Registry
from gencsp.potentials import POTENTIALS
from gencsp.proposers import PROPOSERS
from gencsp.searches.moves import MOVES
from gencsp.searches.strategy import STRATEGIES

THIRD_PARTY = Path(__file__).parent / "plugins" / "third_party"


def all_registries() -> list[Registry[Any]]:
    from gencsp.diffusion.joint.sampler import JOINT_SAMPLERS
    from gencsp.diffusion.networks import NETWORKS
    from gencsp.diffusion.positions.sampler import SAMPLERS

    return [
        CODES,
        EXECUTORS,
        EXPORTERS,
        FILTERS,
        JOINT_SAMPLERS,
        MINIMISERS,
        MOVES,
        NETWORKS,
        POTENTIALS,
        PROPOSERS,
        SAMPLERS,
        STRATEGIES,
    ]


def refresh() -> None:
    invalidate_caches()
    for registry in all_registries():
        registry.refresh()
