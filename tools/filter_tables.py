"""The table of pair potentials and the reference structures, for ``build_filter_tables.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oqmd_icsd import Crystal
from pair_tables import (
    MOST_ATOMS,
    QUANTILE,
    SCALE,
    WIDTH,
    PairSettings,
    as_atoms,
    count_pairs,
    energies,
    usable,
)

from gencsp.composition import ELEMENTS
from gencsp.descriptors.neighbours import pairs_within
from gencsp.filters.pair_potential import PotentialTable
from gencsp.io.packed import pack

#: Largest cell among the reference structures.
MOST_REFERENCE_ATOMS = 20


def build_pairs(rows: list[Crystal], folder: Path) -> dict[str, object]:
    """U_ij(r) of every pair of elements, and the 95th percentile of the crystals' scores."""
    settings = PairSettings()
    small = [row for row in rows if len(row.numbers) <= MOST_ATOMS]
    used = [row for row in small if usable(row)]
    counts = count_pairs(used, settings.cutoff)
    made = energies(counts, settings)
    table = _table(made.full, counts.support)
    scores = np.array(
        [table.score(atoms, pairs_within(atoms, settings.cutoff)) for atoms in map(as_atoms, used)]
    )
    known = scores[np.isfinite(scores)]
    threshold = round(float(np.quantile(known, QUANTILE)), 4)
    np.savez_compressed(
        folder / "pair_potential.npz",
        energies=made.values.astype(np.int16),
        first=made.first.astype(np.int16),
        support=counts.support.astype(np.int32),
        scale=SCALE,
        width=WIDTH,
        threshold=threshold,
    )
    support = counts.support
    return {
        "crystals": len(used),
        "broken": len(small) - len(used),
        "without_pairs": int(len(scores) - len(known)),
        "threshold": threshold,
        "median": round(float(np.median(known)), 4),
        "pairs": len(support),
        "pairs_unknown": int((support == 0).sum()),
        "pairs_sparse": int(((support > 0) & (support < settings.prior)).sum()),
        "cutoff": settings.cutoff,
        "smoothing": settings.smoothing,
        "prior": settings.prior,
        "floor": settings.floor,
    }


def build_structures(rows: list[Crystal], folder: Path) -> dict[str, object]:
    """All reference crystals of small cells, positions and cells rounded."""
    used = [row for row in rows if len(row.numbers) <= MOST_REFERENCE_ATOMS]
    crystals: dict[str, Any] = pack([as_atoms(row) for row in used])
    np.savez_compressed(folder / "reference_structures.npz", **crystals)
    return {"crystals": len(used), "most_atoms": MOST_REFERENCE_ATOMS}


def _table(full: NDArray[np.float32], support: NDArray[np.int64]) -> PotentialTable:
    n = len(ELEMENTS)
    upper = np.triu_indices(n)
    square = np.empty((n, n, full.shape[1]), dtype=np.float32)
    square[upper] = square[upper[::-1]] = full
    held = np.zeros((n, n), dtype=np.int64)
    held[upper] = support
    return PotentialTable(square, held, WIDTH, float("nan"))
