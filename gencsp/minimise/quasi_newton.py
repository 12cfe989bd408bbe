"""A trust-region quasi-Newton for one structure, the same as the native engine's.

Damped BFGS updates (Nocedal & Wright, Numerical Optimization, 2nd ed., procedure 18.2) keep a dense
model of the Hessian positive definite; the step is the model's minimum within a radius, found by
shifting the diagonal (section 4.3 there), and the radius follows how well the model predicted the
enthalpy. A step that climbs is taken back.
"""

from __future__ import annotations

from enum import Enum, auto

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from gencsp.minimise.crystals import FloatArray
from gencsp.minimise.settings import TRUST_REGION, TrustRegionSettings

#: Least share of the modelled curvature that an update keeps.
DAMPING = 0.2
#: eV/Å². Least curvature along a step that is learnt: over a slope without end it would vanish.
SOFTEST = 1e-4
#: Solutions for the shift, at most, per step.
SHIFTS = 20
#: Of the radius: least length of a step that is cut, and the one aimed at.
NARROWEST, AIM = 0.8, 0.92
#: Trial points in a row without numbers before the structure is given up.
FAILURES = 8


class Point(Enum):
    """How a minimiser judges a point that it moved to."""

    ACCEPTED = auto()
    TAKEN_BACK = auto()
    DEAD_END = auto()


class TrustRegion:
    """The state of one minimisation: last accepted point, Hessian and trust radius.

    Args:
        atoms: number of atoms, whose rows precede the three of the cell.
        volume: of the start, Å³.
        settings: constants.
    """

    def __init__(
        self, atoms: int, volume: float, settings: TrustRegionSettings = TRUST_REGION
    ) -> None:
        self.rows = atoms + 3
        self._atoms = atoms
        self._settings = settings
        # A coordinate of the cell is n times a strain, which moves atoms a cell's edge apart by
        # that strain of an edge.
        self._cell_length = volume ** (1 / 3) / atoms
        stiffness = np.full(3 * self.rows, settings.atom_stiffness)
        stiffness[3 * atoms :] = settings.cell_stiffness * volume / atoms**2
        self._hessian = np.diag(stiffness)
        self._radius = settings.first_radius
        self._forces: FloatArray | None = None
        self._value = 0.0
        self._move = np.zeros(3 * self.rows)
        self._back = np.zeros(3 * self.rows)
        self._failures = 0

    def judge(self, forces: FloatArray, value: float) -> Point:
        """Record forces (rows, 3) and enthalpy (eV; NaN for none) at the last point moved to.

        Returns:
            Whether the point is accepted, the move is undone, or no other move is possible.
        """
        if not np.isfinite(value):
            self._failures += 1
            if self._forces is None or self._failures >= FAILURES:
                return Point.DEAD_END
            self._radius = 0.35 * self._length(self._move)
            self._back = self._move
            return Point.TAKEN_BACK
        self._failures = 0
        new = forces.reshape(-1).copy()
        if self._forces is not None and not self._assess(new, value):
            self._back = self._move
            return Point.TAKEN_BACK
        self._forces, self._value = new, value
        self._back = np.zeros_like(new)
        return Point.ACCEPTED

    def step(self) -> FloatArray:
        """Displacement (rows, 3) from the point that was judged last."""
        self._move = self._propose()
        return np.asarray((self._move - self._back).reshape(-1, 3))

    def _assess(self, forces: FloatArray, value: float) -> bool:
        """Update Hessian and radius after a move; returns whether its end point is accepted."""
        assert self._forces is not None
        settings, move = self._settings, self._move
        predicted = float(0.5 * move @ self._hessian @ move - self._forces @ move)
        actual = value - self._value
        ratio = actual / predicted if predicted < -1e-12 else (1.0 if actual <= 0 else -1.0)
        length = self._length(move)
        self._learn(self._forces - forces)
        if actual > settings.uphill * np.sqrt(self._atoms) and self._radius > settings.least_radius:
            self._radius = max(settings.least_radius, 0.35 * length)
            return False
        if ratio < 0.1:
            self._radius = max(settings.least_radius, 0.6 * length)
        elif ratio > 0.6 and length > 0.8 * self._radius:
            self._radius = min(settings.most_radius, 1.6 * self._radius)
        return True

    def _learn(self, change: FloatArray) -> None:
        """Update the Hessian by the change of the gradient over the last move."""
        image = self._hessian @ self._move
        measured, modelled = float(self._move @ change), float(self._move @ image)
        if not modelled > 0:
            return
        if measured < DAMPING * modelled:
            keep = (1 - DAMPING) * modelled / (modelled - measured)
            change = keep * change + (1 - keep) * image
            measured = DAMPING * modelled
        if measured < SOFTEST * float(self._move @ self._move):
            return
        self._hessian += np.outer(change, change) / measured - np.outer(image, image) / modelled

    def _propose(self) -> FloatArray:
        """The next move from the accepted point, no longer than the trust radius."""
        move = self._solve(0.0)
        length = self._length(move)
        if length <= self._radius:
            return move
        assert self._forces is not None
        # One over the length is nearly linear in the shift: secants, kept inside what is known.
        before, inverse_before, low, high = 0.0, 1 / length, 0.0, 0.0
        shift = max(1.0, 0.5 * self._length(self._forces) / self._radius)
        for _ in range(SHIFTS):
            move = self._solve(shift)
            length = self._length(move)
            if NARROWEST * self._radius < length <= self._radius:
                return move
            low, high = (shift, high) if length > self._radius else (low, shift)
            inverse = 1 / length
            slope = (inverse - inverse_before) / (shift - before)
            following = shift + (1 / (AIM * self._radius) - inverse) / slope if slope else 0.0
            if not following > low or (high > 0 and following >= high):
                following = 0.5 * (low + high) if high > 0 else 4 * low
            before, inverse_before, shift = shift, inverse, following
        return move * min(1.0, self._radius / length)

    def _solve(self, shift: float) -> FloatArray:
        shifted = self._hessian.copy()
        shifted.flat[:: len(shifted) + 1] += shift
        try:
            return np.asarray(cho_solve(cho_factor(shifted, check_finite=False), self._forces))
        except np.linalg.LinAlgError:  # positive definite but for rounding
            values, vectors = np.linalg.eigh(shifted)
            stiffness = np.maximum(values, SOFTEST)
            return np.asarray(vectors @ ((vectors.T @ self._forces) / stiffness))

    def _length(self, move: FloatArray) -> float:
        """How far a move goes, Å: the longest row, those of the cell by what they do to an edge."""
        lengths = np.linalg.norm(move.reshape(-1, 3), axis=1)
        lengths[self._atoms :] *= self._cell_length
        return float(lengths.max())
