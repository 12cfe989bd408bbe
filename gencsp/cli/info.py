"""``gencsp info``: versions, weights, engine and device."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table

PACKAGES = ("torch", "ase", "pymatgen", "spglib", "chgnet", "pyxtal", "numpy")


def info() -> None:
    """Versions, weights, relaxation engine (and why that one), device."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in _facts():
        table.add_row(key, value)
    Console().print(table, markup=False)


def _facts() -> list[tuple[str, str]]:
    from gencsp import __version__
    from gencsp.diffusion.stored_weights import shipped_weights
    from gencsp.plugins import plugin_names

    return [
        ("gencsp", __version__),
        ("python", platform.python_version()),
        *((name, _version(name)) for name in PACKAGES),
        ("score model", _score_model()),
        ("weights", ", ".join(shipped_weights())),
        ("hull", _hull()),
        ("engine", _engine()),
        ("device", _device()),
        ("proposers", ", ".join(plugin_names("gencsp.proposers"))),
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _score_model() -> str:
    from gencsp.diffusion.positions.stored import StoredScoreModel
    from gencsp.errors import WeightsError

    try:
        return f"weights {StoredScoreModel().digest}"
    except WeightsError as error:
        return f"none: {error}"


def _hull() -> str:
    # The hull itself takes longer to load than all else here.
    from gencsp.convex_hull.entries import shipped_references
    from gencsp.convex_hull.phases import Phases
    from gencsp.errors import HullReferenceError

    try:
        references = shipped_references()
    except HullReferenceError as error:
        return f"none: {error}"
    return f"{len(Phases(references.entries).lowest())} entries, {references.model}"


def _engine() -> str:
    """Which engine relaxes and samples, why, and with which instructions of the processor."""
    from gencsp.potentials.chgnet.select import engine_status

    engine = engine_status()
    if engine.name != "native":
        return f"{engine.name}: {engine.reason}"
    return f"native, {engine.isa}: {engine.reason}"


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _device() -> str:
    processor = f"cpu ({platform.machine()}, {_cores()} cores)"
    # The builds without CUDA say so, and torch takes seconds to load.
    if _version("torch").endswith("+cpu") or not Path("/dev/nvidiactl").exists():
        return processor
    import torch

    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()}); {processor}"
    return processor
