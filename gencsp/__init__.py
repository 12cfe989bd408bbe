"""gencsp joins generative crystal models with crystal structure prediction.

What the commands do, a script does in one call: ``gencsp.propose(...)``, ``gencsp.relax(...)``,
``gencsp.search(...)`` and the others of ``gencsp.__all__``. They load on first use, so that
``import gencsp`` stays fast and imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gencsp.api import *

try:
    __version__ = version("gencsp")
except PackageNotFoundError:  # a source tree on sys.path that was never installed
    __version__ = "0+unknown"

# Only names that no module of the package has: importing a sub-module binds its name here, and
# would silently take the place of a function of the same name.
__all__ = [
    "__version__",
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


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module("gencsp.api"), name)
    raise AttributeError(f"module 'gencsp' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
