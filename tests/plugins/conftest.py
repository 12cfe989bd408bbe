"""The third-party package of the docs, installed as a user would install it, without a network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest

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

THIRD_PARTY = Path(__file__).parent / "third_party"


def all_registries() -> list[Registry]:  # type: ignore[type-arg]
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


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip installed the package into."""
    source = tmp_path_factory.mktemp("source") / "their-crystals"
    shutil.copytree(THIRD_PARTY, source)
    target = tmp_path_factory.mktemp("site")
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--target"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, str(target), str(source)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package, found by this process."""
    monkeypatch.syspath_prepend(site)
    refresh()
    yield
    monkeypatch.undo()
    refresh()


def refresh() -> None:
    invalidate_caches()
    for registry in all_registries():
        registry.refresh()
