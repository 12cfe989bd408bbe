"""How far the properties of generated crystals are distributed from those of known ones.

CDVAE (Xie et al., ICLR 2022) and DP-CDVAE's Table II: the Wasserstein distance between the
distributions of density, formation energy and number of elements. There a network predicts the
energy of a structure as it is; here a potential computes it, also of the structure as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.units import kg
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from gencsp.errors import RequestError
from gencsp.measure.statistics import bootstrap_interval

#: From ASE's atomic mass units per Å³ to g/cm³.
_DENSITY = 1e24 / (kg / 1e3)


@dataclass(frozen=True, slots=True)
class PropertyDistance:
    """A Wasserstein distance, in the unit of the property.

    Attributes:
        distance: of the two distributions.
        low, high: 95 % interval: percentile bootstrap of the generated crystals, the known ones
            fixed.
        generated, known: values on either side.
    """

    distance: float
    low: float
    high: float
    generated: int
    known: int


def density(atoms: Atoms) -> float:
    """Mass per volume, g/cm³."""
    return float(atoms.get_masses().sum() / atoms.cell.volume * _DENSITY)


def element_count(atoms: Atoms) -> int:
    """Number of elements."""
    return len(set(atoms.numbers.tolist()))


def property_distance(
    generated: Sequence[float] | NDArray[np.float64],
    known: Sequence[float] | NDArray[np.float64],
    *,
    rng: np.random.Generator,
    resamples: int = 500,
) -> PropertyDistance:
    """Wasserstein distance of order 1 between two samples of a property.

    Values that are not finite are left out.

    Args:
        generated: of generated crystals.
        known: of known ones.
        rng: draws the resamples of the interval.
        resamples: how many.

    Raises:
        RequestError: one of them has no finite value.
    """
    some, others = (np.asarray(values, dtype=float) for values in (generated, known))
    some, others = some[np.isfinite(some)], others[np.isfinite(others)]
    if not len(some) or not len(others):
        raise RequestError("a distance of distributions needs values on both sides.")

    def of(values: NDArray[np.float64]) -> float:
        return float(wasserstein_distance(values, others))

    low, high = bootstrap_interval(some.tolist(), of, rng=rng, resamples=resamples)
    return PropertyDistance(of(some), low, high, len(some), len(others))
