"""Space groups and Wyckoff positions for a number of atoms whose species are not known yet.

A crystal that is generated de novo under a symmetry needs its orbits before its species. They are
drawn as often as known crystals with this number of atoms in the primitive cell have them (the
crystals of :mod:`gencsp.proposers.crystals.symmetry_prior`), given the complexity aimed at: K of a
crystal is the entropy of its orbits and of nothing else (Krivovichev & Krivovichev, 2020), so that
p(K | orbits) is known. As in classifier-free guidance (PIGEN, eq. 7) with weight w,

    p(orbits | N, K*) ∝ p(orbits | N) · exp(−w (K − K*)² / 2 h²),

h being :data:`WIDTH`. What is drawn is the K that the orbits have if all of them differ; where two
of them end with the same species in places that a larger group exchanges, the crystal has less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gencsp.composition import Composition
from gencsp.proposers.crystals.symmetry_prior import SymmetryPrior, symmetry_prior
from gencsp.proposers.crystals.wyckoff import sites

#: h, bits/atom: complexities nearer than this to the target count as nearly met.
WIDTH = 0.25
#: Attempts to fill a space group without statistics with a number of atoms.
ATTEMPTS = 50


@dataclass(frozen=True, slots=True, order=True)
class Orbits:
    """A space group and the Wyckoff letter of every orbit, species left open.

    Attributes:
        space_group: number.
        letters: in ascending order, one for each orbit.
    """

    space_group: int
    letters: tuple[str, ...]

    @property
    def multiplicities(self) -> tuple[int, ...]:
        """Atoms of each orbit in the primitive cell."""
        table = sites(self.space_group)
        return tuple(table[letter].multiplicity for letter in self.letters)

    @property
    def complexity(self) -> float:
        """K in bits/atom, if no two orbits are equivalent."""
        counts = np.array(self.multiplicities, dtype=np.float64)
        shares = counts / counts.sum()
        return float(abs(np.sum(shares * np.log2(shares))))


class OrbitStatistics:
    """How often known crystals have which orbits, by the atoms in their primitive cell."""

    def __init__(self, prior: SymmetryPrior) -> None:
        self._prior = prior
        counts: Counter[Orbits] = Counter()
        for family in prior.families.values():
            for template in family.templates:
                letters = sorted(letter for _, role in template.roles for letter in role)
                counts[Orbits(template.space_group, tuple(letters))] += 1
        self._of_size: dict[int, list[tuple[Orbits, int]]] = {}
        for orbits, count in sorted(counts.items()):
            self._of_size.setdefault(sum(orbits.multiplicities), []).append((orbits, count))

    def shares(
        self,
        n: int,
        *,
        complexity: float | None = None,
        weight: float = 1.0,
        space_groups: Collection[int] | None = None,
    ) -> dict[Orbits, float]:
        """Probability of each choice of orbits for n atoms; empty where none is known.

        Args:
            n: atoms in the primitive cell.
            complexity: K* in bits/atom; ``None`` leaves it open.
            weight: w of the module; 0 leaves K open, too.
            space_groups: numbers that are allowed; ``None`` for all.
        """
        known = [
            (orbits, count)
            for orbits, count in self._of_size.get(n, ())
            if space_groups is None or orbits.space_group in space_groups
        ]
        if not known:
            return {}
        logs: NDArray[np.float64] = np.log([count for _, count in known])
        if complexity is not None:
            off = np.array([orbits.complexity for orbits, _ in known]) - complexity
            logs = logs - weight * off**2 / (2 * WIDTH**2)
        chances = np.exp(logs - logs.max())
        chances /= chances.sum()
        return {orbits: float(p) for (orbits, _), p in zip(known, chances, strict=True)}

    def draw(
        self,
        n: int,
        *,
        rng: np.random.Generator,
        complexity: float | None = None,
        weight: float = 1.0,
        space_groups: Collection[int] | None = None,
    ) -> Orbits | None:
        """Orbits for n atoms with the probabilities of :meth:`shares`.

        Where no known crystal has them, they are put together from the frequencies of the single
        Wyckoff positions; ``None`` where that finds no way either.
        """
        known = self.shares(n, complexity=complexity, weight=weight, space_groups=space_groups)
        if known:
            return list(known)[int(rng.choice(len(known), p=list(known.values())))]
        allowed = sorted(space_groups) if space_groups is not None else list(range(1, 231))
        alike = Composition((("H", n),))
        for _ in range(ATTEMPTS):
            group = allowed[int(rng.integers(len(allowed)))]
            occupied = self._prior.occupy(group, alike, 1, rng)
            if occupied is not None:
                return Orbits(group, tuple(sorted(letter for _, letter in occupied)))
        return None


@cache
def orbit_statistics() -> OrbitStatistics:
    """Those of the crystals that ship with gencsp."""
    return OrbitStatistics(symmetry_prior())
