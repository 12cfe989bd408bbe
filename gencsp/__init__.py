"""gencsp joins generative crystal models with crystal structure prediction.

``gencsp.propose``, ``gencsp.relax``, ``gencsp.refine`` and ``gencsp.hull`` do in one call what the
commands of the same names do. They load on first use, so that ``import gencsp`` stays fast and
imports no torch.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("gencsp")
except PackageNotFoundError:  # a source tree on sys.path that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
