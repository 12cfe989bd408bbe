"""The generalised coordinates of a batch: undeformed positions and logarithms of deformations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.minimise.cell import deformation
from gencsp.minimise.crystals import Crystals, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Generalised coordinates of the batch.

    Attributes:
        numbers: atomic numbers, shape (n,).
        undeformed: positions in the undeformed cells in Å, shape (n, 3).
        references: the undeformed cells, shape (b, 3, 3).
        logarithms: L of the deformations exp(L), shape (b, 3, 3).
        sizes: shape (b,).
    """

    numbers: IntArray
    undeformed: FloatArray
    references: FloatArray
    logarithms: FloatArray
    sizes: IntArray

    @classmethod
    def of(cls, structures: Sequence[Atoms]) -> Coordinates:
        """Coordinates of structures, undeformed."""
        start = Crystals.from_atoms(structures)
        zeros = np.zeros_like(start.cells)
        return cls(start.numbers, start.positions, start.cells, zeros, start.sizes)

    @property
    def owner(self) -> IntArray:
        """Index of the structure that each atom belongs to, shape (n,)."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def join(self, other: Coordinates) -> Coordinates:
        """These structures and then the others."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Coordinates(*(np.concatenate(pair) for pair in pairs))

    def take(self, chosen: NDArray[np.bool_]) -> Coordinates:
        """The structures that are chosen, shape (b,)."""
        rows = chosen[self.owner]
        return Coordinates(
            self.numbers[rows],
            self.undeformed[rows],
            self.references[chosen],
            self.logarithms[chosen],
            self.sizes[chosen],
        )

    def moved(self, move: FloatArray) -> Coordinates:
        """Displaced by (r, 3), in which each crystal's atoms precede the three rows of n L."""
        cell_rows = cell_row_mask(self.sizes)
        by_cell = move[cell_rows].reshape(-1, 3, 3) / self.sizes[:, None, None]
        return replace(
            self,
            undeformed=self.undeformed + move[~cell_rows],
            logarithms=self.logarithms + by_cell,
        )

    def crystals(self) -> tuple[Crystals, FloatArray]:
        """Where atoms and cells are, and the deformations (b, 3, 3)."""
        deformations = deformation(self.logarithms)
        transposed = deformations.transpose(0, 2, 1)
        positions = np.einsum("ni,nij->nj", self.undeformed, transposed[self.owner])
        return (
            Crystals(self.numbers, positions, self.references @ transposed, self.sizes),
            deformations,
        )


def cell_row_mask(sizes: IntArray) -> NDArray[np.bool_]:
    """Which rows of the generalised coordinates belong to cells, shape (r,)."""
    pattern = np.tile([False, True], len(sizes))
    return np.repeat(pattern, np.column_stack([sizes, np.full_like(sizes, 3)]).ravel())
