"""ASE calculators: CHGNet by gencsp's engines, a score as a force, and both together.

They load on first use, so that importing this package imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gencsp.calculators.mixing import MixedScoreCalculator
    from gencsp.calculators.potential import CHGNetCalculator
    from gencsp.calculators.score import ScoreCalculator

__all__ = ["CHGNetCalculator", "MixedScoreCalculator", "ScoreCalculator"]

_MODULES = MappingProxyType(
    {
        "CHGNetCalculator": "gencsp.calculators.potential",
        "MixedScoreCalculator": "gencsp.calculators.mixing",
        "ScoreCalculator": "gencsp.calculators.score",
    }
)


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
