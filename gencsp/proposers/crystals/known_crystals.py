"""Cells and coordinates of known crystals, whose elements substitution replaces.

Those crystals of :mod:`gencsp.proposers.crystals.symmetry_prior` that are OQMD-ICSD's (CC-BY-4.0),
without the held-out formulas, in primitive cells idealised to their space group. They are found by
their template and elements, as ``data/symmetry_prior.json`` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.shipped import open_shipped

#: Fractional coordinates are stored as whole multiples of 1/GRID, which has the fractions of the
#: special positions (halves, thirds, quarters, eighths) among them.
GRID = 65520

#: Number of the template, elements, cell lengths (Å) and angles (degrees), fractional coordinates
#: of shape (n, 3), atomic numbers of shape (n,).
Row = tuple[int, str, Sequence[float], NDArray[np.float64], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class KnownCrystals:
    """Known crystals by template and elements; see :func:`pack` for the arrays.

    Attributes:
        rows: (template, elements) of each crystal, and where it is in the arrays.
        cells: lengths (Å) and angles (degrees), shape (m, 6).
        offsets: first atom of each crystal and one past the last, shape (m + 1,).
        numbers: atomic numbers, shape (n,).
        grid: fractional coordinates in units of 1/GRID, shape (n, 3).
    """

    rows: Mapping[tuple[str, str], int]
    cells: NDArray[np.float32]
    offsets: NDArray[np.int64]
    numbers: NDArray[np.uint8]
    grid: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, key: object) -> bool:
        return key in self.rows

    def crystal(self, template: str, elements: str) -> Atoms | None:
        """The primitive cell of a crystal, or ``None`` where its coordinates are not at hand.

        Args:
            template: such as ``139 1a 2d 2e``.
            elements: in the order of the template's roles, such as ``CaAuSi``.
        """
        k = self.rows.get((template, elements))
        if k is None:
            return None
        own = slice(self.offsets[k], self.offsets[k + 1])
        return Atoms(
            numbers=self.numbers[own],
            scaled_positions=self.grid[own] / GRID,
            cell=self.cells[k].astype(float),
            pbc=True,
        )


def pack(templates: Sequence[str], rows: Sequence[Row]) -> dict[str, NDArray[Any]]:
    """The arrays of ``data/known_crystals.npz``."""
    return {
        "templates": np.array(templates),
        "template": np.array([k for k, *_ in rows], dtype=np.uint16),
        "elements": np.array([elements for _, elements, *_ in rows]),
        "cells": np.array([cell for _, _, cell, _, _ in rows], dtype=np.float32),
        "sizes": np.array([len(numbers) for *_, numbers in rows], dtype=np.uint8),
        "numbers": np.concatenate([numbers for *_, numbers in rows]).astype(np.uint8),
        "grid": (
            np.round(np.concatenate([frac for *_, frac, _ in rows]) * GRID).astype(np.int64) % GRID
        ).astype(np.uint16),
    }


@cache
def known_crystals() -> KnownCrystals:
    """Those that ship with gencsp.

    Raises:
        WeightsError: the table is missing, or not as its card says.
    """
    with open_shipped("known_crystals.npz") as file, np.load(file) as table:
        names = table["templates"].tolist()
        keys = zip(table["template"].tolist(), table["elements"].tolist(), strict=True)
        return KnownCrystals(
            {(names[k], elements): row for row, (k, elements) in enumerate(keys)},
            table["cells"],
            np.concatenate([[0], np.cumsum(table["sizes"], dtype=np.int64)]),
            table["numbers"],
            table["grid"],
        )
