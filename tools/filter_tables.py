"""Pair distributions and reference structures, for ``build_filter_tables.py``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray
from oqmd_icsd import Crystal
from scipy.ndimage import gaussian_filter1d

from gencsp.composition import ELEMENTS
from gencsp.filters.neighbours import pairs_within
from gencsp.filters.packed import pack
from gencsp.filters.pair_potential import PotentialTable, with_short_range

Array = NDArray[np.float64]

#: Å: cutoff, width of a bin, standard deviation of the smoothing.
CUTOFF, WIDTH, SMOOTHING = 6.0, 0.05, 0.1
#: Crystals that the class of a pair weighs as much as.
PRIOR = 20.0
#: P below which a distance does not occur.
FLOOR = 0.02
#: Stored energies are whole multiples of 1 / SCALE.
SCALE = 100
#: Larger cells cost much and say little of distances below the cutoff.
MOST_ATOMS = 150
#: Å: a crystal with a shorter distance is broken.
CLOSEST = 0.5
#: Largest cell among the reference structures.
MOST_REFERENCE_ATOMS = 20
NONMETALS = frozenset(
    ["H", "He", "C", "N", "O", "F", "Ne", "P", "S", "Cl", "Ar", "Se", "Br", "Kr", "I", "Xe"]
)
#: Bins of the reduced distance, on which the classes are averaged.
REDUCED_WIDTH, REDUCED_BINS = 0.02, 600


def as_atoms(row: Crystal) -> Atoms:
    return Atoms(row.numbers, scaled_positions=row.fractional, cell=row.cell, pbc=True)


def build_pairs(rows: list[Crystal], folder: Path) -> dict[str, object]:
    """U_ij(r) of every pair of elements, and the 95th percentile of the crystals' scores."""
    small = [row for row in rows if len(row.numbers) <= MOST_ATOMS]
    used = [row for row in small if len(pairs_within(as_atoms(row), CLOSEST).distances) == 0]
    found, even, support = count_pairs(used)
    radial = radial_distribution(found, even, support)
    occurs = radial > FLOOR
    first = occurs.argmax(axis=1)
    energies = np.round(-np.log(np.maximum(radial, FLOOR)) * SCALE)
    table = _table(energies / SCALE, first, support)
    scores = np.array(
        [table.score(atoms, pairs_within(atoms, CUTOFF)) for atoms in map(as_atoms, used)]
    )
    known = scores[np.isfinite(scores)]
    threshold = round(float(np.quantile(known, 0.95)), 4)
    np.savez_compressed(
        folder / "pair_potential.npz",
        energies=energies.astype(np.int16),
        first=first.astype(np.int16),
        support=support.astype(np.int32),
        scale=SCALE,
        width=WIDTH,
        threshold=threshold,
    )
    return {
        "crystals": len(used),
        "broken": len(small) - len(used),
        "without_pairs": int(len(scores) - len(known)),
        "threshold": threshold,
        "median": round(float(np.median(known)), 4),
        "pairs": len(support),
        "pairs_unknown": int((support == 0).sum()),
        "pairs_sparse": int(((support > 0) & (support < PRIOR)).sum()),
    }


def count_pairs(rows: list[Crystal]) -> tuple[Array, Array, NDArray[np.int64]]:
    """Of each pair of elements i ≤ j: pairs found in each bin; pairs per Å³ if spread evenly;
    crystals. A crystal counts per atom, so that large cells weigh no more than small ones."""
    n, bins = len(ELEMENTS), round(CUTOFF / WIDTH)
    place = np.full(120, -1)
    for index, symbol in enumerate(ELEMENTS):
        place[atomic_numbers[symbol]] = index
    found, even, support = np.zeros((n * n, bins)), np.zeros((n, n)), np.zeros((n, n), dtype=int)
    for row in rows:
        atoms = as_atoms(row)
        pairs = pairs_within(atoms, CUTOFF)
        kinds, size = place[atoms.numbers], len(atoms)
        bin_of = np.minimum((pairs.distances / WIDTH).astype(int), bins - 1)
        np.add.at(found, (kinds[pairs.first] * n + kinds[pairs.second], bin_of), 1 / size)
        counts = np.bincount(kinds, minlength=n)
        there = np.ix_(np.flatnonzero(counts), np.flatnonzero(counts))
        even[there] += np.outer(counts, counts)[there] / atoms.cell.volume / size
        support[there] += 1
    found = found.reshape(n, n, bins)
    upper = np.triu_indices(n)
    return (found + found.swapaxes(0, 1))[upper], 2 * even[upper], support[upper]


def radial_distribution(found: Array, even: Array, support: NDArray[np.int64]) -> Array:
    """P_ij(r) relative to even spreading, leaning on the class of the pair where data are few."""
    middles = (np.arange(found.shape[1]) + 0.5) * WIDTH
    expected = even[:, None] * 4 * np.pi * middles**2 * WIDTH
    own = _ratio(*(_smooth(a, SMOOTHING / WIDTH) for a in (found, expected)))
    own[support == 0] = 0
    first, second = np.triu_indices(len(ELEMENTS))
    radii = covalent_radii[[atomic_numbers[s] for s in ELEMENTS]]
    nonmetal = np.array([s in NONMETALS for s in ELEMENTS], dtype=int)
    reduced = middles / (radii[first] + radii[second])[:, None]
    place = np.minimum((reduced / REDUCED_WIDTH).astype(int), REDUCED_BINS - 1)
    of_class = np.empty_like(own)
    for kind in range(3):
        chosen = nonmetal[first] + nonmetal[second] == kind
        totals = [
            np.bincount(place[chosen].ravel(), a[chosen].ravel(), REDUCED_BINS)
            for a in (found, expected)
        ]
        of_class[chosen] = _ratio(*(_smooth(t, 2.0) for t in totals))[place[chosen]]
    n = support[:, None]
    return (n * own + PRIOR * of_class) / (n + PRIOR)


def build_structures(rows: list[Crystal], folder: Path) -> dict[str, object]:
    """All reference crystals of small cells, positions and cells rounded."""
    used = [row for row in rows if len(row.numbers) <= MOST_REFERENCE_ATOMS]
    np.savez_compressed(
        folder / "reference_structures.npz", **pack([as_atoms(row) for row in used])
    )
    return {"crystals": len(used), "most_atoms": MOST_REFERENCE_ATOMS}


def _smooth(values: Array, deviation: float) -> Array:
    return np.asarray(gaussian_filter1d(values, deviation, axis=-1, mode="constant"))


def _ratio(found: Array, expected: Array) -> Array:
    return np.divide(found, expected, out=np.zeros_like(found), where=expected > 0)


def _table(energies: Array, first: NDArray[np.int64], support: NDArray[np.int64]) -> PotentialTable:
    n = len(ELEMENTS)
    upper = np.triu_indices(n)
    full = np.empty((n, n, energies.shape[1]), dtype=np.float32)
    full[upper] = full[upper[::-1]] = with_short_range(energies, first)
    square = np.zeros((n, n), dtype=np.int64)
    square[upper] = support
    return PotentialTable(full, square, WIDTH, float("nan"))
