"""The population of a genetic search: structures of low energy that differ from each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp import records
from gencsp.composition import Composition
from gencsp.deck import Count, check
from gencsp.similarity import fingerprint
from gencsp.similarity.index import NICHE

FloatArray = NDArray[np.float64]

#: A member is chosen e times less often than one that is better by this share of the ranks.
PRESSURE = 0.4


class Population:
    """The lowest structures, of each niche at most one.

    Args:
        size: how many.
        fitness: of a structure, eV/atom; computed again whenever the order matters, since it
            changes with a live hull.
        alike: whether two structures share a niche.
    """

    def __init__(
        self,
        *,
        size: int,
        fitness: Callable[[Atoms], float],
        alike: Callable[[Atoms, Atoms], bool],
    ) -> None:
        check("size", size, Count)
        self.size = size
        self.fitness = fitness
        self.alike = alike
        self.members: list[Atoms] = []

    def __len__(self) -> int:
        return len(self.members)

    def add(self, atoms: Atoms) -> bool:
        """Whether a new structure enters the population.

        It enters where there is room or it is lower than the highest member, unless a lower member
        shares its niche. It replaces the members of its niche, or else the highest one.
        """
        self.members.sort(key=self.fitness)
        fitness = self.fitness(atoms)
        if len(self) >= self.size and fitness >= self.fitness(self.members[-1]):
            return False
        near = [member for member in self.members if self.alike(member, atoms)]
        if any(self.fitness(member) <= fitness for member in near):
            return False
        self.members = [member for member in self.members if all(member is not n for n in near)]
        self.members.append(atoms)
        self.members.sort(key=self.fitness)
        del self.members[self.size :]
        return True

    def choose(self, n: int, *, rng: np.random.Generator) -> tuple[Atoms, ...]:
        """Choose n different members with a probability that falls exponentially with the rank."""
        self.members.sort(key=self.fitness)
        ranks = np.arange(len(self.members))
        weights = np.exp(-ranks / (PRESSURE * len(self.members)))
        picks = rng.choice(len(self.members), size=n, replace=False, p=weights / weights.sum())
        return tuple(self.members[int(k)] for k in picks)


class Niches:
    """Same niche: fingerprints of one reduced formula that are near each other.

    Args:
        radius: how near, in units of (V/N)^(1/3). Of different crystals of relaxed TiO2 one pair in
            twenty is as near as the default.
    """

    def __init__(self, *, radius: float = NICHE) -> None:
        self.radius = radius
        self._known: dict[str, tuple[Composition, FloatArray]] = {}

    def __call__(self, one: Atoms, other: Atoms) -> bool:
        """Whether two structures lie in the same niche."""
        (formula, vector), (other_formula, other_vector) = self._of(one), self._of(other)
        return formula == other_formula and bool(
            np.linalg.norm(vector - other_vector) < self.radius
        )

    def _of(self, atoms: Atoms) -> tuple[Composition, FloatArray]:
        identity = str(atoms.info[records.STRUCTURE_ID])
        if identity not in self._known:
            self._known[identity] = Composition.of(atoms), fingerprint(atoms)
        return self._known[identity]
