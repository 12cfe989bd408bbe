"""A potential: ASE's Morse potential, the same for all elements."""

from hashlib import sha256

from ase.calculators.morse import MorsePotential
from pydantic import Field

from gencsp.potentials import AseEngine, ConfiguredPotential, PotentialContext


class Morse(ConfiguredPotential):
    """``morse``, or ``morse:2.6`` for another distance at the minimum."""

    name = "morse"
    main = "distance"

    distance: float = Field(default=2.8, gt=0, description="Of two atoms at the minimum, Å.")
    depth: float = Field(default=0.5, gt=0, description="Of the minimum, eV.")

    def build(self, context: PotentialContext) -> AseEngine:
        calculator = MorsePotential(
            epsilon=self.depth, r0=self.distance, rho0=5.0, rcut1=1.5, rcut2=2.0
        )
        digest = sha256(self.text.encode()).hexdigest()[:12]
        return AseEngine(calculator, model=f"morse-{digest}", digest=digest)
