"""FIRE over a batch, as ASE's ``FIRE`` does it for one structure.

Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006), in the variant of ASE 3.29: semi-implicit Euler,
velocities mixed before the kick, the step cut over all degrees of freedom of a structure together.
The constants are those of :class:`~gencsp.minimise.settings.FireSettings`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gencsp.minimise.crystals import FloatArray, IntArray
from gencsp.minimise.settings import FIRE, FireSettings


@dataclass(frozen=True, slots=True)
class FireState:
    """State of FIRE over structures whose degrees of freedom lie one after another.

    Attributes:
        rows: three-component rows of each structure, shape (b,).
        velocities: shape (r, 3).
        dt: time step of each structure, shape (b,).
        mixing: share of the force in the velocity, shape (b,).
        downhill: steps since the last uphill one, shape (b,).
        started: whether a structure has made a step, shape (b,).
    """

    rows: IntArray
    velocities: FloatArray
    dt: FloatArray
    mixing: FloatArray
    downhill: IntArray
    started: NDArray[np.bool_]

    @classmethod
    def initial(cls, rows: IntArray, settings: FireSettings = FIRE) -> Self:
        """Structures at rest with ``rows`` rows of generalised coordinates each, shape (b,)."""
        b = len(rows)
        return cls(
            rows,
            np.zeros((int(rows.sum()), 3)),
            np.full(b, settings.dt),
            np.full(b, settings.astart),
            np.zeros(b, dtype=np.int64),
            np.zeros(b, dtype=np.bool_),
        )

    def take(self, chosen: NDArray[np.bool_]) -> Self:
        """The state without the structures for which ``chosen`` (b,) is false."""
        rows = np.repeat(chosen, self.rows)
        return type(self)(
            self.rows[chosen],
            self.velocities[rows],
            self.dt[chosen],
            self.mixing[chosen],
            self.downhill[chosen],
            self.started[chosen],
        )

    def join(self, other: Self) -> Self:
        """The state with more structures at its end."""
        return type(self)(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.velocities, other.velocities]),
            np.concatenate([self.dt, other.dt]),
            np.concatenate([self.mixing, other.mixing]),
            np.concatenate([self.downhill, other.downhill]),
            np.concatenate([self.started, other.started]),
        )


def fire_step(
    state: FireState, forces: FloatArray, settings: FireSettings = FIRE
) -> tuple[FireState, FloatArray]:
    """The next state and the displacement (r, 3) under generalised forces (r, 3)."""
    owner = np.repeat(np.arange(len(state.rows)), state.rows)

    def dot(a: FloatArray, b: FloatArray) -> FloatArray:
        sums = np.bincount(owner, (a * b).sum(1), minlength=len(state.rows))
        return sums.astype(np.float64)

    v = state.velocities
    downhill = dot(forces, v) > 0
    force_norm = np.sqrt(dot(forces, forces))
    pull = state.mixing * np.sqrt(dot(v, v)) / np.where(force_norm > 0, force_norm, 1.0)
    mixed = (1 - state.mixing)[owner, None] * v + pull[owner, None] * forces
    v = np.where(downhill[owner, None], mixed, 0.0)

    faster = downhill & (state.downhill > settings.Nmin)
    uphill = state.started & ~downhill
    dt = np.where(faster, np.minimum(state.dt * settings.finc, settings.dtmax), state.dt)
    dt = np.where(uphill, dt * settings.fdec, dt)
    mixing = np.where(faster, state.mixing * settings.fa, state.mixing)
    mixing = np.where(uphill, settings.astart, mixing)

    v = v + dt[owner, None] * forces
    move = dt[owner, None] * v
    length = np.sqrt(dot(move, move))
    longest = settings.maxstep
    cut = np.where(length > longest, longest / np.where(length > 0, length, 1.0), 1.0)
    following = replace(
        state,
        velocities=v,
        dt=dt,
        mixing=mixing,
        downhill=np.where(downhill, state.downhill + 1, 0),
        started=np.ones_like(state.started),
    )
    return following, cut[owner, None] * move
