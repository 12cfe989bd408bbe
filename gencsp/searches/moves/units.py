"""Moves of rigid units: turn one, move one, exchange two of different kinds, flip one.

They act on structures that name their units (:mod:`gencsp.units.members`) and leave every unit as
it is inside.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import Field
from scipy.spatial.transform import Rotation

from gencsp.deck import Displacement, Fraction, Share
from gencsp.searches.moves.base import ConfiguredMove, MoveWithLimits, Tools, bare
from gencsp.searches.moves.void import hole
from gencsp.units.members import Members, require_units

Array = NDArray[np.float64]


class UnitMove(ConfiguredMove):
    """What the moves of units have in common.

    A structure that names no units is refused with :class:`~gencsp.errors.UnitError`.
    """

    keeps_units = True

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """True where there is a unit that the move can change.

        Raises:
            UnitError: the parent names no units.
        """
        require_units(parents[0], f"the move '{self.name}'")
        return self._applies(Members.of(parents[0]))

    def _applies(self, members: Members) -> bool:
        """By default, where a unit has several atoms and so an orientation."""
        return len(members.molecules) > 0

    def __call__(
        self,
        parents: Sequence[Atoms],
        *,
        rng: np.random.Generator,
        tools: Tools,  # noqa: ARG002
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`.

        Raises:
            UnitError: the parent names no units.
        """
        parent = parents[0]
        require_units(parent, f"the move '{self.name}'")
        members = Members.of(parent)
        if not self._applies(members):
            return None
        centres, arms = self._moved(parent, members, rng)
        return members.placed(parent, centres=centres, arms=arms, cell=parent.cell.array)

    def _moved(
        self, parent: Atoms, members: Members, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """New centres (u, 3) and arms (n, 3), Å."""
        raise NotImplementedError


class RotateUnit(MoveWithLimits, UnitMove):
    """Turns one unit about its centre, and another with probability ``more`` each time.

    The axis is uniform over the sphere, the angle uniform between two limits.
    """

    name = "rotate-unit"

    least: float = Field(default=20.0, ge=0, le=180, description="Least angle, degrees.")
    most: float = Field(default=180.0, gt=0, le=180, description="Greatest angle, degrees.")
    more: Fraction = Field(default=0.4, description="Probability of another unit, each time.")

    def _moved(
        self,
        parent: Atoms,  # noqa: ARG002
        members: Members,
        rng: np.random.Generator,
    ) -> tuple[Array, Array]:
        arms = members.arms.copy()
        while True:
            rows = members.atoms[int(rng.choice(members.molecules))]
            axis = rng.normal(size=3)
            angle = np.radians(rng.uniform(self.least, self.most))
            turn = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis))
            arms[rows] = turn.apply(arms[rows])
            if rng.random() >= self.more:
                return members.centres, arms


class TranslateUnit(MoveWithLimits, UnitMove):
    """Moves one unit by a normal displacement, or into one of the largest holes (:func:`.hole`).

    The standard deviation is drawn between two limits. Single atoms are units, too.
    """

    name = "translate-unit"

    least: Displacement = Field(default=0.2, description="Least standard deviation, Å.")
    most: Displacement = Field(default=1.0, description="Greatest standard deviation, Å.")
    holes: Share = Field(default=0.3, description="Share of the moves that go into a hole.")

    def _applies(self, members: Members) -> bool:
        """True for two units or more: to move a single one changes nothing."""
        return len(members.names) > 1

    def _moved(
        self, parent: Atoms, members: Members, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        centres = members.centres.copy()
        chosen = int(rng.integers(len(centres)))
        if rng.random() < self.holes:
            centres[chosen] = hole(bare(parent)[members.unit != chosen], rng=rng)
        else:
            centres[chosen] += rng.normal(scale=rng.uniform(self.least, self.most), size=3)
        return centres, members.arms


class ExchangeUnits(UnitMove):
    """Two units of different kinds change places, and others with probability ``more`` each time.

    Each keeps its orientation.
    """

    name = "exchange-units"

    more: Fraction = Field(default=0.4, description="Probability of another exchange, each time.")

    def _applies(self, members: Members) -> bool:
        """True for two kinds or more."""
        return len(set(members.names)) > 1

    def _moved(
        self,
        parent: Atoms,  # noqa: ARG002
        members: Members,
        rng: np.random.Generator,
    ) -> tuple[Array, Array]:
        centres, names = members.centres.copy(), np.array(members.names)
        while True:
            i = int(rng.integers(len(names)))
            j = int(rng.choice(np.flatnonzero(names != names[i])))
            centres[[i, j]] = centres[[j, i]]
            if rng.random() >= self.more:
                return centres, members.arms


class FlipUnit(UnitMove):
    """Inverts one unit at its centre, or reverses its axis, each in half of the cases.

    The axis is that along which its atoms spread most; it is reversed by half a turn about a random
    direction across it. An inversion makes the mirror image of a chiral unit: give
    ``inversion=false`` where the other hand is another compound.
    """

    name = "flip-unit"

    inversion: bool = Field(default=True, description="Whether units may be inverted.")

    def _moved(
        self,
        parent: Atoms,  # noqa: ARG002
        members: Members,
        rng: np.random.Generator,
    ) -> tuple[Array, Array]:
        arms = members.arms.copy()
        rows = members.atoms[int(rng.choice(members.molecules))]
        if rng.random() < 0.5 and self.inversion:
            arms[rows] = -arms[rows]
            return members.centres, arms
        axis = np.linalg.svd(arms[rows])[2][0]
        across = np.cross(axis, rng.normal(size=3))
        half_turn = Rotation.from_rotvec(np.pi * across / np.linalg.norm(across))
        arms[rows] = half_turn.apply(arms[rows])
        return members.centres, arms
