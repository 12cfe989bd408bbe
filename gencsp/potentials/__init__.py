"""Potentials by name: CHGNet by gencsp's engines, any ASE calculator by the same contract.

They are found through entry points; packages of other models are imported only when needed, and so
is what relaxes: which engine there is can be asked without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gencsp.potentials.registry import (
    POTENTIALS,
    ConfiguredPotential,
    PotentialContext,
    get_potential,
)

if TYPE_CHECKING:
    from gencsp.potentials.ase_engine import AseEngine

__all__ = [
    "POTENTIALS",
    "AseEngine",
    "ConfiguredPotential",
    "PotentialContext",
    "get_potential",
    "potential_names",
]

potential_names = POTENTIALS.names


def __getattr__(name: str) -> object:
    if name == "AseEngine":
        from gencsp.potentials.ase_engine import AseEngine

        return AseEngine
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
