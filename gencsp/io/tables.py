"""Structures as a table for spreadsheets and scripts: one row each, from what ``info`` says."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
from ase import Atoms

from gencsp.composition import Composition
from gencsp.files import csv_cell, write_whole
from gencsp.records import FILTER_PREFIX, KEYS

#: Columns that are no keys of ``info``.
OWN = ("rank", "formula", "atoms")


def write_table(path: Path | str, structures: Sequence[Atoms]) -> Path:
    """Write a CSV file with a row for each structure; returns its path.

    Columns are the place in the order given (``rank``, from 1), the formula and number of atoms of
    the cell, and those keys of :mod:`gencsp.records` that one of the structures has, under their
    names and in their units, but for the verdicts of filters.

    Raises:
        StoreError: it cannot be written, or there is no space left.
    """
    there = {key for atoms in structures for key in atoms.info}
    known = [key.name for key in KEYS if not key.name.startswith(FILTER_PREFIX)]
    names = [name for name in known if name in there]
    rows = [
        [
            rank,
            Composition.in_cell(atoms).formula,
            len(atoms),
            *(_cell(atoms.info.get(name, "")) for name in names),
        ]
        for rank, atoms in enumerate(structures, start=1)
    ]

    def write(file: TextIO) -> None:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*OWN, *names])
        table.writerows(rows)

    return write_whole(Path(path), write)


def _cell(value: object) -> object:
    return csv_cell(value if isinstance(value, int | float | np.generic) else str(value))
