"""A minimiser: steepest descent, for structures that come and go."""

import numpy as np
from pydantic import Field

from gencsp.minimise.minimisers import ConfiguredMinimiser
from gencsp.minimise.quasi_newton import Point


class Descent(ConfiguredMinimiser):
    """Options of the minimiser; ``build`` makes one without structures yet."""

    name = "descent"

    rate: float = Field(default=0.02, gt=0, description="Displacement for a force, Å²/eV.")
    longest: float = Field(default=0.1, gt=0, description="Longest displacement of an atom, Å.")

    def build(self, context: None) -> "SteepestDescent":
        return SteepestDescent(self)


class SteepestDescent:
    """Every structure has a row of three for each atom and three rows for its cell."""

    def __init__(self, options: Descent) -> None:
        self.options = options
        self.rows = np.zeros(0, dtype=int)
        self.forces = np.zeros((0, 3))

    def join(self, sizes: np.ndarray, volumes: np.ndarray) -> None:
        self.rows = np.concatenate([self.rows, sizes + 3])

    def judge(self, forces: np.ndarray, enthalpies: np.ndarray) -> list[Point]:
        self.forces = forces
        return [Point.ACCEPTED if np.isfinite(e) else Point.DEAD_END for e in enthalpies]

    def take(self, chosen: np.ndarray) -> None:
        self.forces = self.forces[np.repeat(chosen, self.rows)]
        self.rows = self.rows[chosen]

    def step(self) -> np.ndarray:
        moves = self.options.rate * self.forces
        lengths = np.linalg.norm(moves, axis=1, keepdims=True)
        share = np.minimum(1, self.options.longest / np.maximum(lengths, 1e-12))
        return np.asarray(moves * share)
