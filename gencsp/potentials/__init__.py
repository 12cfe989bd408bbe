"""Potentials by name: CHGNet by gencsp's engines, any ASE calculator by the same contract.

They are found through entry points; packages of other models are imported only when needed.
"""

from gencsp.potentials.ase_engine import AseEngine
from gencsp.potentials.registry import (
    POTENTIALS,
    ConfiguredPotential,
    PotentialContext,
    get_potential,
)

__all__ = [
    "POTENTIALS",
    "AseEngine",
    "ConfiguredPotential",
    "PotentialContext",
    "get_potential",
    "potential_names",
]

potential_names = POTENTIALS.names
