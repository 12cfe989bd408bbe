"""Many small crystals in one compressed array file, rounded far below any matching tolerance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.cell import Cell
from numpy.typing import NDArray

#: Steps of a fractional coordinate (2e-5 of a lattice vector).
STEPS = 50_000
#: Steps of 1 Å and of 1 degree in the cell parameters.
CELL_STEPS = 1_000

Packed = dict[str, NDArray[np.generic]]


def pack(structures: Sequence[Atoms]) -> Packed:
    """Arrays for ``numpy.savez_compressed``: sizes, numbers, positions, cells."""
    fractional = [atoms.get_scaled_positions(wrap=True) for atoms in structures]
    positions = np.concatenate(fractional) if structures else np.empty((0, 3))
    parameters = np.array([atoms.cell.cellpar() for atoms in structures]).reshape(-1, 6)
    numbers = [atoms.numbers for atoms in structures] or [np.empty(0)]
    return {
        "sizes": np.array([len(atoms) for atoms in structures], dtype=np.uint16),
        "numbers": np.concatenate(numbers).astype(np.uint8),
        # Column by column: equal columns of neighbouring structures compress better.
        "positions": (np.round(positions * STEPS) % STEPS).astype(np.uint16).T.copy(),
        "cells": np.round(parameters * CELL_STEPS).astype(np.uint32).T.copy(),
    }


class PackedStructures:
    """Crystals of :func:`pack`, made one at a time when they are needed."""

    def __init__(self, data: Packed) -> None:
        self.sizes = np.asarray(data["sizes"], dtype=np.int64)
        self.ends = np.cumsum(self.sizes)
        self.numbers = np.asarray(data["numbers"], dtype=np.int64)
        self.positions = np.asarray(data["positions"], dtype=np.uint16)
        self.cells = np.asarray(data["cells"], dtype=np.uint32)

    def __len__(self) -> int:
        return len(self.sizes)

    def species(self, index: int) -> NDArray[np.int64]:
        """Atomic numbers of one crystal."""
        return self.numbers[self.ends[index] - self.sizes[index] : self.ends[index]]

    def __getitem__(self, index: int) -> Atoms:
        begin, end = self.ends[index] - self.sizes[index], self.ends[index]
        cell = Cell.fromcellpar(self.cells[:, index] / CELL_STEPS)
        fractional = self.positions[:, begin:end].T / STEPS
        return Atoms(self.species(index), scaled_positions=fractional, cell=cell, pbc=True)
