"""From crystals to U_ij(r), for ``build_filter_tables.py`` and ``choose_pair_potential.py``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray
from oqmd_icsd import Crystal
from scipy.ndimage import gaussian_filter1d

from gencsp.composition import ELEMENTS
from gencsp.descriptors.neighbours import pairs_within
from gencsp.filters.pair_potential import with_short_range

Array = NDArray[np.float64]

#: Å, of one bin.
WIDTH = 0.05
#: Stored energies are whole multiples of 1 / SCALE.
SCALE = 100
#: Larger cells cost much and say little of distances below the cutoff.
MOST_ATOMS = 150
#: Å: a crystal with a shorter distance is broken.
CLOSEST = 0.5
#: Share of the reference crystals that the threshold lets through.
QUANTILE = 0.95
NONMETALS = frozenset(
    ["H", "He", "C", "N", "O", "F", "Ne", "P", "S", "Cl", "Ar", "Se", "Br", "Kr", "I", "Xe"]
)
#: Bins of the reduced distance, on which the classes are averaged, and their smoothing in bins.
REDUCED_WIDTH, REDUCED_BINS, REDUCED_SMOOTHING = 0.02, 700, 2.0


@dataclass(frozen=True, slots=True)
class PairSettings:
    """What can be chosen of the tables; ``choose_pair_potential.py`` chose it.

    Attributes:
        cutoff: Å, up to which pairs count.
        smoothing: standard deviation of the smoothing, Å.
        prior: crystals that the class of a pair weighs as much as.
        floor: P below which a distance does not occur.
    """

    cutoff: float = 5.0
    smoothing: float = 0.1
    prior: float = 5.0
    floor: float = 0.02

    @property
    def bins(self) -> int:
        """Of one pair."""
        return round(self.cutoff / WIDTH)


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Pairs of elements i ≤ j in crystals, each of which counts per atom, so that large cells weigh
    no more than small ones.

    Attributes:
        found: pairs in each bin of r, shape (pairs, bins).
        even: pairs per Å³ if the atoms were spread evenly, shape (pairs,).
        support: crystals that hold the pair, shape (pairs,).
    """

    found: Array
    even: Array
    support: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Energies:
    """U_ij(r) as it is stored.

    Attributes:
        values: whole multiples of 1 / SCALE k_B T, shape (pairs, bins).
        first: bin of the shortest distance that occurs, shape (pairs,).
    """

    values: Array
    first: NDArray[np.int64]

    @property
    def full(self) -> NDArray[np.float32]:
        """With the rise at short range, k_B T."""
        return with_short_range(self.values / SCALE, self.first)


def as_atoms(row: Crystal) -> Atoms:
    """The crystal of a row."""
    return Atoms(row.numbers, scaled_positions=row.fractional, cell=row.cell, pbc=True)


def usable(row: Crystal) -> bool:
    """Whether a crystal is small enough and not broken."""
    return (
        len(row.numbers) <= MOST_ATOMS and len(pairs_within(as_atoms(row), CLOSEST).distances) == 0
    )


def count_pairs(rows: Iterable[Crystal], cutoff: float) -> PairCounts:
    """Count pairs up to ``cutoff`` (Å)."""
    n, bins, place = len(ELEMENTS), round(cutoff / WIDTH), places()
    found, even, support = np.zeros((n * n, bins)), np.zeros((n, n)), np.zeros((n, n), dtype=int)
    for row in rows:
        atoms = as_atoms(row)
        pairs = pairs_within(atoms, cutoff)
        kinds, size = place[atoms.numbers], len(atoms)
        bin_of = np.minimum((pairs.distances / WIDTH).astype(int), bins - 1)
        np.add.at(found, (kinds[pairs.first] * n + kinds[pairs.second], bin_of), 1 / size)
        counts = np.bincount(kinds, minlength=n)
        there = np.ix_(np.flatnonzero(counts), np.flatnonzero(counts))
        even[there] += np.outer(counts, counts)[there] / atoms.cell.volume / size
        support[there] += 1
    square = found.reshape(n, n, bins)
    upper = np.triu_indices(n)
    return PairCounts((square + square.swapaxes(0, 1))[upper], 2 * even[upper], support[upper])


def energies(counts: PairCounts, settings: PairSettings) -> Energies:
    """U_ij(r) = −ln P_ij(r), from counts that reach at least to the cutoff."""
    radial = radial_distribution(counts, settings)
    occurs = radial > settings.floor
    values = np.round(-np.log(np.maximum(radial, settings.floor)) * SCALE)
    return Energies(values, occurs.argmax(axis=1))


def radial_distribution(counts: PairCounts, settings: PairSettings) -> Array:
    """P_ij(r) relative to even spreading, leaning on the class of the pair where data are few."""
    found = counts.found[:, : settings.bins]
    middles = np.asarray((np.arange(settings.bins) + 0.5) * WIDTH, dtype=np.float64)
    expected = counts.even[:, None] * 4 * np.pi * middles**2 * WIDTH
    own = _ratio(*(_smooth(a, settings.smoothing / WIDTH) for a in (found, expected)))
    own[counts.support == 0] = 0
    of_class = _of_class(found, expected, middles)
    n = counts.support[:, None]
    return np.asarray((n * own + settings.prior * of_class) / (n + settings.prior))


def places() -> NDArray[np.int64]:
    """Index into ``ELEMENTS`` of each atomic number; -1 where it is none of them."""
    place = np.full(120, -1)
    for index, symbol in enumerate(ELEMENTS):
        place[atomic_numbers[symbol]] = index
    return place


def _of_class(found: Array, expected: Array, middles: Array) -> Array:
    """P of metal-metal, metal-nonmetal and nonmetal-nonmetal pairs at the same r / (R_i + R_j)."""
    first, second = np.triu_indices(len(ELEMENTS))
    radii = covalent_radii[[atomic_numbers[s] for s in ELEMENTS]]
    nonmetal = np.array([s in NONMETALS for s in ELEMENTS], dtype=int)
    reduced = middles / (radii[first] + radii[second])[:, None]
    place = np.minimum((reduced / REDUCED_WIDTH).astype(int), REDUCED_BINS - 1)
    of_class = np.empty_like(found)
    for kind in range(3):
        chosen = nonmetal[first] + nonmetal[second] == kind
        totals = [
            np.bincount(place[chosen].ravel(), a[chosen].ravel(), REDUCED_BINS).astype(np.float64)
            for a in (found, expected)
        ]
        smooth = _ratio(*(_smooth(t, REDUCED_SMOOTHING) for t in totals))
        of_class[chosen] = smooth[place[chosen]]
    return of_class


def _smooth(values: Array, deviation: float) -> Array:
    return np.asarray(gaussian_filter1d(values, deviation, axis=-1, mode="constant"))


def _ratio(found: Array, expected: Array) -> Array:
    return np.divide(found, expected, out=np.zeros_like(found), where=expected > 0)
