"""Quasi-Newton minimisation inside a trust radius, for one structure.

A dense Hessian is learnt from force differences (BFGS where the curvature along the step is
positive, the symmetric rank-one formula where it is not); its eigenvalues enter by magnitude, so
that negative curvature is followed downhill; the step is cut by shifting them until the largest
row fits the trust radius, which grows and shrinks with the ratio of actual to predicted change
(Nocedal and Wright, Numerical Optimization, ch. 4 and 6). A step that raises the enthalpy is taken
back.
"""

from __future__ import annotations

import numpy as np

from gencsp.relax.crystals import FloatArray

#: eV/Å². Curvature assumed before anything is known, and the least ever used.
CURVATURE_START, CURVATURE_MIN = 30.0, 1.0
#: Å. Trust radius: at first, at least, at most.
RADIUS_START, RADIUS_MIN, RADIUS_MAX = 0.2, 0.02, 0.5
#: eV per square root of atoms: rises smaller than this are not worth a retreat.
TOLERATED_RISE = 0.02


class TrustRegion:
    """The state of one minimisation: last accepted point, Hessian and trust radius.

    ``rows`` is the number of rows of three coordinates.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._hessian = np.eye(3 * rows) * CURVATURE_START
        self._radius = RADIUS_START
        self._forces: FloatArray | None = None
        self._value = 0.0
        self._move = np.zeros(3 * rows)
        self._predicted = 0.0

    def step(self, forces: FloatArray, value: float) -> FloatArray:
        """Displacement (rows, 3) from where the forces (rows, 3) and the enthalpy in eV are."""
        new = forces.reshape(-1)
        back = np.zeros_like(new)
        if self._forces is None or self._accept(new, value):
            self._forces, self._value = new.copy(), value
        else:
            back = -self._move
        self._propose()
        return np.asarray((back + self._move).reshape(-1, 3))

    def _accept(self, forces: FloatArray, value: float) -> bool:
        """Learn from the last move; whether the point that it led to becomes the new start."""
        assert self._forces is not None
        self._learn(self._forces - forces)
        actual = value - self._value
        length = _longest(self._move)
        ratio = actual / self._predicted if self._predicted < -1e-12 else float(actual <= 0)
        if actual > TOLERATED_RISE * np.sqrt(max(self.rows - 3, 1)):
            retreat = length > RADIUS_MIN
            self._radius = max(RADIUS_MIN, 0.35 * length)
            return not retreat
        if ratio < 0.1:
            self._radius = max(RADIUS_MIN, 0.6 * length)
        elif ratio > 0.6 and length > 0.8 * self._radius:
            self._radius = min(RADIUS_MAX, 1.6 * self._radius)
        return True

    def _learn(self, change: FloatArray) -> None:
        """Update the Hessian by the change of the gradient over the last move."""
        move = self._move
        image = self._hessian @ move
        along, expected = float(change @ move), float(move @ image)
        size = float(np.linalg.norm(move) * np.linalg.norm(change))
        if expected > 0 and along > min(0.1 * expected, 1e-3 * size):
            self._hessian += np.outer(change, change) / along - np.outer(image, image) / expected
            return
        rest = change - image
        overlap = float(rest @ move)
        if abs(overlap) > 1e-8 * float(np.linalg.norm(rest) * np.linalg.norm(move)):
            self._hessian += np.outer(rest, rest) / overlap

    def _propose(self) -> None:
        """The next move from the accepted point, no row of it longer than the trust radius."""
        assert self._forces is not None
        values, vectors = np.linalg.eigh(self._hessian)
        stiffness = np.maximum(np.abs(values), CURVATURE_MIN)
        forces = vectors.T @ self._forces

        def move(shift: float) -> FloatArray:
            return np.asarray(vectors @ (forces / (stiffness + shift)))

        best = move(0.0)
        if _longest(best) > self._radius:
            low, high = 1e-3, 1e4 + 10 * float(np.linalg.norm(self._forces)) / self._radius
            for _ in range(30):
                middle = np.sqrt(low * high)
                length = _longest(move(middle))
                low, high = (middle, high) if length > self._radius else (low, middle)
                if 0.9 * self._radius < length <= self._radius:
                    break
            best = move(high)
        self._move = best
        self._predicted = float(-self._forces @ best + 0.5 * best @ self._hessian @ best)


def _longest(move: FloatArray) -> float:
    """Norm of the longest row of three."""
    return float(np.linalg.norm(move.reshape(-1, 3), axis=1).max())
