"""The pair potentials of PIGEN's authors, read from a copy of the user's own.

Their repository (lrcfmd/pigen) holds them as JSON: for each pair of elements, such as ``"Ag-Y"`` in
alphabetical order, energies by the upper edges of bins of distance in Å. They score a structure
otherwise than :mod:`gencsp.filters.pair_potential` does, and the paper's threshold, 0.362, belongs
to their way, which is followed here:

- pairs of different atoms of the cell as it is given, each at its least distance (minimum image);
- a distance counts with the first edge above it, one beyond the last edge with that edge;
- the score is the mean over the pairs.

A structure of one atom has no pair and no score, and neither has one with a pair of elements that
the table does not hold; neither passes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.errors import StructureFileError
from gencsp.io.content import decode, read_bytes

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PairTable:
    """Energies of pairs by distance.

    Attributes:
        curves: by pair, ``"A-B"`` with A before B: edges in Å, ascending, and energies, each of
            shape (bins,).
    """

    curves: Mapping[str, tuple[Array, Array]]

    def unknown(self, atoms: Atoms) -> list[str]:
        """Pairs of elements of different atoms that the table does not hold."""
        pairs = {_pair(a, b) for a, b in combinations(atoms.get_chemical_symbols(), 2)}
        return sorted(pairs - self.curves.keys())

    def score(self, atoms: Atoms) -> float:
        """Mean energy; not a number where there is no pair, or one that is unknown."""
        symbols = atoms.get_chemical_symbols()
        if len(symbols) < 2 or self.unknown(atoms):
            return float("nan")
        distances = atoms.get_all_distances(mic=True)
        energies = []
        for i, j in combinations(range(len(symbols)), 2):
            edges, values = self.curves[_pair(symbols[i], symbols[j])]
            place = int(np.searchsorted(edges, distances[i, j], side="right"))
            energies.append(values[min(place, len(edges) - 1)])
        return float(np.mean(energies))


@cache
def read_pair_table(path: Path) -> PairTable:
    """Read a table.

    Raises:
        StructureFileError: the file is missing, no JSON, or holds something else.
    """
    text = decode(read_bytes(path))
    try:
        stored = json.loads(text)
        curves = {}
        for pair, curve in stored.items():
            rows = np.array(sorted((float(r), float(u)) for r, u in curve.items()))
            first, second = pair.split("-")
            curves[_pair(first, second)] = (rows[:, 0], rows[:, 1])
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        raise StructureFileError(
            f"{path} is no table of pair potentials ({error}): give JSON of pairs such as "
            '{"Ag-Y": {"2.525": 17.2, ...}}, as the repository of PIGEN has it.'
        ) from error
    if not curves:
        raise StructureFileError(f"{path} holds no pairs of elements: give another table.")
    return PairTable(curves)


def _pair(first: str, second: str) -> str:
    return "-".join(sorted((first, second)))
