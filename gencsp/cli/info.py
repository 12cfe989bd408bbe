"""``gencsp info``: versions, weights, engine and device."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

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
    import torch

    from gencsp import __version__
    from gencsp.potentials.chgnet.select import engine_status
    from gencsp.proposers import proposer_names

    engine = engine_status()
    return [
        ("gencsp", __version__),
        ("python", platform.python_version()),
        *((name, _version(name)) for name in PACKAGES),
        ("score model", _score_model()),
        ("hull", _hull()),
        ("engine", f"{engine.name}: {engine.reason}"),
        ("device", _device(torch.cuda.is_available())),
        ("proposers", ", ".join(proposer_names())),
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _score_model() -> str:
    from gencsp.diffusion.positions.model import load_score_model
    from gencsp.errors import WeightsError

    try:
        return f"weights {load_score_model().digest}"
    except WeightsError as error:
        return f"none: {error}"


def _hull() -> str:
    from gencsp.convex_hull.hull import Hull
    from gencsp.errors import HullReferenceError

    try:
        hull = Hull.load(None)
    except HullReferenceError as error:
        return f"none: {error}"
    return f"{len(hull)} entries, {hull.model}"


def _device(cuda: bool) -> str:
    import torch

    if cuda:
        return f"cuda ({torch.cuda.get_device_name()})"
    return f"cpu ({platform.machine()}, {torch.get_num_threads()} threads)"
