"""Potentials by name: CHGNet by our own engines, any calculator of ASE by the same contract.

Found through entry points; packages of other models are imported only when their model is asked
for.
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
