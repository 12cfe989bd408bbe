"""The minimisers by name, behind one interface for batches that change as they run."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gencsp.relax.crystals import FloatArray, IntArray
from gencsp.relax.fire import FireState, fire_step
from gencsp.relax.quasi_newton import TrustRegion
from gencsp.relax.settings import Minimiser


class BatchMinimiser(Protocol):
    """Turns generalised forces into displacements, for structures that come and go."""

    def join(self, rows: IntArray) -> None:
        """Take on structures with so many rows of three coordinates each."""
        ...

    def take(self, chosen: NDArray[np.bool_]) -> None:
        """Let go of the structures for which ``chosen`` (b,) is false."""
        ...

    def step(self, forces: FloatArray, enthalpies: FloatArray) -> FloatArray:
        """Displacements (r, 3) from forces (r, 3) in eV/Å and enthalpies (b,) in eV."""
        ...


class Fire:
    """FIRE over the whole batch at once."""

    def __init__(self) -> None:
        self._state = FireState.initial(np.zeros(0, dtype=np.int64))

    def join(self, rows: IntArray) -> None:
        self._state = self._state.join(FireState.initial(rows))

    def take(self, chosen: NDArray[np.bool_]) -> None:
        self._state = self._state.take(chosen)

    def step(self, forces: FloatArray, enthalpies: FloatArray) -> FloatArray:  # noqa: ARG002
        self._state, move = fire_step(self._state, forces)
        return move


class QuasiNewton:
    """A trust-region quasi-Newton for each structure of the batch."""

    def __init__(self) -> None:
        self._each: list[TrustRegion] = []

    def join(self, rows: IntArray) -> None:
        self._each.extend(TrustRegion(int(n)) for n in rows)

    def take(self, chosen: NDArray[np.bool_]) -> None:
        self._each = [one for one, stays in zip(self._each, chosen, strict=True) if stays]

    def step(self, forces: FloatArray, enthalpies: FloatArray) -> FloatArray:
        ends = np.cumsum([one.rows for one in self._each])
        parts = np.split(forces, ends[:-1])
        return np.concatenate(
            [
                one.step(part, float(value))
                for one, part, value in zip(self._each, parts, enthalpies, strict=True)
            ]
        )


def make_minimiser(name: Minimiser) -> BatchMinimiser:
    """The minimiser of that name, without structures yet."""
    return Fire() if name == "fire" else QuasiNewton()
