"""A batch of crystals as NumPy arrays, and the energies and forces that engines compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.minimise.result import Outcome

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Crystals:
    """Fully periodic crystals of different sizes.

    Attributes:
        numbers: atomic numbers, shape (n,).
        positions: Cartesian positions in Å, shape (n, 3), not necessarily wrapped.
        cells: lattice vectors as rows in Å, shape (b, 3, 3).
        sizes: atoms of each crystal, shape (b,).
    """

    numbers: IntArray
    positions: FloatArray
    cells: FloatArray
    sizes: IntArray

    @classmethod
    def from_atoms(cls, structures: Sequence[Atoms]) -> Self:
        """Numbers, positions and cells of structures, one after another."""
        return cls(
            np.concatenate([a.numbers for a in structures]).astype(np.int64),
            np.concatenate([a.positions for a in structures]),
            np.stack([a.cell.array for a in structures]),
            np.array([len(a) for a in structures], dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def owner(self) -> IntArray:
        """Crystal of each atom, shape (n,)."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def as_atoms(self) -> list[Atoms]:
        """Each crystal as an ``Atoms`` object."""
        ends = np.cumsum(self.sizes)
        return [
            Atoms(self.numbers[end - n : end], self.positions[end - n : end], cell=cell, pbc=True)
            for n, end, cell in zip(self.sizes, ends, self.cells, strict=True)
        ]

    def take(self, chosen: NDArray[np.bool_]) -> Self:
        """The crystals for which ``chosen`` (b,) holds."""
        rows = chosen[self.owner]
        return type(self)(
            self.numbers[rows], self.positions[rows], self.cells[chosen], self.sizes[chosen]
        )


@dataclass(frozen=True, slots=True)
class Values:
    """Energies and derivatives of :class:`Crystals`.

    Attributes:
        energies: eV, shape (b,); NaN where there is a failure.
        forces: eV/Å, shape (n, 3).
        stresses: symmetric, eV/Å³ in ASE's sign, shape (b, 3, 3).
        closest: shortest distance between two atoms of each crystal in Å, shape (b,).
        failures: the verdict on each crystal that could not be evaluated, else ``None``.
        magmoms: μ_B, shape (n,), where requested.
    """

    energies: FloatArray
    forces: FloatArray
    stresses: FloatArray
    closest: FloatArray
    failures: list[Outcome | None]
    magmoms: FloatArray | None = None


#: What evaluates a batch for the minimisers.
Evaluate = Callable[[Crystals], Values]
