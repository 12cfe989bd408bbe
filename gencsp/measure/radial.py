"""Radial distribution functions of crystals, and how far two of them differ (CHGGen, Fig. 2c-d)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from gencsp.deck import check_fields
from gencsp.descriptors.neighbours import pairs_within
from gencsp.errors import RequestError
from gencsp.measure.ranges import BinWidth, Broadening, Reach

Array = NDArray[np.float64]

#: Stands for all pairs of atoms together.
TOTAL = "total"
#: Standard deviations after which a Gaussian is cut off.
TAIL = 5.0
#: Parts of a bin in which distances are counted before they are broadened, so that the result
#: hardly depends on where the edges of bins lie.
PARTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RadialSettings:
    """Where g(r) is given.

    Attributes:
        reach: up to which distance, rounded to whole bins.
        bin_width: of the histogram of distances.
        broadening: standard deviation of the Gaussian by which distances are broadened; 0 for none.
            Without it the peaks of a crystal are as high as bins are narrow.

    Raises:
        RequestError: a value is out of its range, or a bin is wider than the reach.
    """

    reach: Reach = 8.0
    bin_width: BinWidth = 0.05
    broadening: Broadening = 0.1

    def __post_init__(self) -> None:
        check_fields(self)
        if self.bin_width > self.reach:
            raise RequestError(
                f"bin_width is {self.bin_width} and reach {self.reach} Å: give narrower bins."
            )

    @property
    def bins(self) -> int:
        """How many bins there are."""
        return round(self.reach / self.bin_width)

    @property
    def distances(self) -> Array:
        """The middle of each bin, Å, shape (bins,)."""
        return np.asarray(self.bin_width * (np.arange(self.bins) + 0.5), dtype=np.float64)


def pair_name(one: str, other: str) -> str:
    """``Li-S`` of S and Li: g(r) is the same from either."""
    return "-".join(sorted((one, other)))


def radial_distributions(atoms: Atoms, settings: RadialSettings | None = None) -> dict[str, Array]:
    """g(r) of each pair of elements of a crystal, such as ``Li-S``, and :data:`TOTAL` of all atoms.

    g of a and b is the density of atoms b at a distance r from an atom a, relative to their density
    in the crystal, so that it tends to 1 at large r; the total is Σ c_a c_b g_ab with atomic
    fractions c (M. P. Allen and D. J. Tildesley, Computer Simulation of Liquids, Section 2.6).
    Images of an atom count as its neighbours.

    Args:
        atoms: periodic in three directions.
        settings: where g(r) is given.

    Returns:
        Arrays of shape (bins,).
    """
    settings = settings or RadialSettings()
    width, sigma = settings.bin_width, settings.broadening
    parts = PARTS if sigma > 0 else 1
    # Distances beyond the reach are broadened into it.
    bins = settings.bins + int(np.ceil(TAIL * sigma / width))
    edges = width / parts * np.arange(bins * parts + 1)
    pairs = pairs_within(atoms, float(edges[-1]))
    of_first, of_second = atoms.numbers[pairs.first], atoms.numbers[pairs.second]
    shells = 4 / 3 * np.pi * np.diff(edges[::parts] ** 3)

    def normalised(distances: Array, centres: int, others: int) -> Array:
        counts = np.histogram(distances, edges)[0].astype(float)
        if sigma > 0:
            spread = sigma * parts / width
            counts = gaussian_filter1d(counts, spread, mode="constant", truncate=TAIL)
        expected = centres * others / atoms.cell.volume * shells
        return np.asarray((counts.reshape(bins, parts).sum(axis=1) / expected)[: settings.bins])

    found = {TOTAL: normalised(pairs.distances, len(atoms), len(atoms))}
    kinds, counts = np.unique(atoms.numbers, return_counts=True)
    number_of = dict(zip(kinds.tolist(), counts.tolist(), strict=True))
    for a, b in combinations_with_replacement(number_of, 2):
        distances = pairs.distances[(of_first == a) & (of_second == b)]
        name = pair_name(chemical_symbols[a], chemical_symbols[b])
        found[name] = normalised(distances, number_of[a], number_of[b])
    return found


def mean_distributions(
    structures: Iterable[Atoms], settings: RadialSettings | None = None
) -> dict[str, Array]:
    """The mean g(r) of several crystals; of each pair over those that have both elements.

    Args:
        structures: as for :func:`radial_distributions`, with its results.
        settings: likewise.
    """
    sums: dict[str, Array] = {}
    numbers: dict[str, int] = {}
    for atoms in structures:
        for name, g in radial_distributions(atoms, settings).items():
            sums[name] = sums.get(name, np.zeros_like(g)) + g
            numbers[name] = numbers.get(name, 0) + 1
    return {name: total / numbers[name] for name, total in sums.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far two radial distribution functions differ.

    Attributes:
        rms: root of the mean square of their difference over r.
        overlap: ∫ min(p, q) dr of both scaled to ∫ p dr = 1, the overlapping coefficient (H. F.
            Inman and E. L. Bradley, Commun. Stat. Theory Methods 18, 3851, 1989): 1 for the same,
            0 where no distance is common to both.
    """

    rms: float
    overlap: float


def difference(one: Array, other: Array) -> Difference:
    """Compare two functions g(r) on the same bins, each of shape (bins,).

    Where one is zero everywhere, the overlap is 0; where both are, they are the same.
    """
    rms = float(np.sqrt(np.mean((one - other) ** 2)))
    sums = one.sum(), other.sum()
    if not all(sums):
        return Difference(rms=rms, overlap=float(not any(sums)))
    return Difference(rms=rms, overlap=float(np.minimum(one / sums[0], other / sums[1]).sum()))


def differences(some: Mapping[str, Array], known: Mapping[str, Array]) -> dict[str, Difference]:
    """Compare the functions of all pairs that both have."""
    return {name: difference(g, known[name]) for name, g in some.items() if name in known}
