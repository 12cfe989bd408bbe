"""Potentials by name: CHGNet by our own engines, any calculator of ASE by the same contract.

Found through entry points; packages of other models are imported only when their model is asked
for.
"""

from gencsp.potentials.ase_engine import AseEngine
from gencsp.potentials.registry import PotentialRequest, get_potential, potential_names

__all__ = ["AseEngine", "PotentialRequest", "get_potential", "potential_names"]
