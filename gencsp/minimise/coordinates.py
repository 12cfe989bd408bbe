"""The generalised coordinates of a batch: undeformed positions and logarithms of deformations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol, Self

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.minimise.cell import cell_forces, deformation
from gencsp.minimise.crystals import Crystals, FloatArray, IntArray


class Motion(Protocol):
    """The generalised coordinates of a batch.

    Of every atom, see :class:`Coordinates`, or of rigid units, see
    :class:`~gencsp.minimise.rigid.RigidCoordinates`.
    """

    @property
    def rows(self) -> IntArray:
        """Rows of three coordinates of each structure beside those of its cell, shape (b,)."""
        ...

    @property
    def references(self) -> FloatArray:
        """The undeformed cells, shape (b, 3, 3)."""
        ...

    def join(self, other: Self) -> Self:
        """These structures and then the others."""
        ...

    def take(self, chosen: NDArray[np.bool_]) -> Self:
        """The structures that are chosen, shape (b,)."""
        ...

    def moved(self, move: FloatArray) -> Self:
        """Displaced by (r, 3), in which each crystal's rows precede the three of its cell."""
        ...

    def crystals(self) -> tuple[Crystals, FloatArray]:
        """Where atoms and cells are, and the deformations (b, 3, 3)."""
        ...

    def forces(
        self,
        crystals: Crystals,
        deformations: FloatArray,
        forces: FloatArray,
        stresses: FloatArray,
        *,
        pressure: float,
        fixed_cell: bool,
    ) -> FloatArray:
        """Generalised forces (r, 3) in eV/Å, the negative derivatives of the enthalpy.

        Args:
            crystals: where atoms and cells are.
            deformations: of the cells, shape (b, 3, 3).
            forces: on the atoms, eV/Å, shape (n, 3).
            stresses: eV/Å³, shape (b, 3, 3).
            pressure: external, eV/Å³.
            fixed_cell: whether cells stay.
        """
        ...


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

    @property
    def rows(self) -> IntArray:
        """Rows of three coordinates of each structure beside those of its cell, shape (b,)."""
        return self.sizes

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

    def forces(
        self,
        crystals: Crystals,
        deformations: FloatArray,
        forces: FloatArray,
        stresses: FloatArray,
        *,
        pressure: float,
        fixed_cell: bool,
    ) -> FloatArray:
        """See :class:`Motion`; each crystal's atoms, then the three rows of its cell."""
        cell_rows = cell_row_mask(self.sizes)
        out = np.zeros((len(cell_rows), 3))
        if fixed_cell:
            out[~cell_rows] = forces
            return out
        out[~cell_rows] = np.einsum("ni,nij->nj", forces, deformations[self.owner])
        by_cell = sound_cell_forces(
            self.logarithms, deformations, crystals.cells, stresses, pressure
        )
        out[cell_rows] = (by_cell / self.sizes[:, None, None]).reshape(-1, 3)
        return out


def sound_cell_forces(
    logarithms: FloatArray,
    deformations: FloatArray,
    cells: FloatArray,
    stresses: FloatArray,
    pressure: float,
) -> FloatArray:
    """As :func:`.cell_forces`, and NaN where the stress is not finite.

    Failed crystals carry NaN, which the matrix exponential refuses; their rows are never used.
    """
    sound = np.isfinite(stresses).all(axis=(1, 2))
    by_cell = np.full_like(stresses, np.nan)
    by_cell[sound] = cell_forces(
        logarithms[sound], deformations[sound], cells[sound], stresses[sound], pressure
    )
    return by_cell


def cell_row_mask(sizes: IntArray) -> NDArray[np.bool_]:
    """Which rows of the generalised coordinates belong to cells, shape (r,)."""
    pattern = np.tile([False, True], len(sizes))
    return np.repeat(pattern, np.column_stack([sizes, np.full_like(sizes, 3)]).ravel())
