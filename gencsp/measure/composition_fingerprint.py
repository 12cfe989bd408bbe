"""Composition fingerprints: Magpie's statistics of the elements, and CDVAE's scale of them.

Magpie (L. Ward et al., npj Comput. Mater. 2, 16028, 2016) describes a composition by six statistics
of each of 22 properties of its elements, weighted by their shares of the atoms. CDVAE (Xie et al.,
ICLR 2022) shifts and divides each by a mean and a deviation of its own data, and sets to zero what
a missing property leaves unknown. matminer's ``ElementProperty.from_preset("magpie",
impute_nan=False)`` gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gencsp.measure.element_tables import element_tables

#: Properties of the elements, by Magpie's names and in matminer's order.
PROPERTIES = (
    "Number",
    "MendeleevNumber",
    "AtomicWeight",
    "MeltingT",
    "Column",
    "Row",
    "CovalentRadius",
    "Electronegativity",
    "NsValence",
    "NpValence",
    "NdValence",
    "NfValence",
    "NValence",
    "NsUnfilled",
    "NpUnfilled",
    "NdUnfilled",
    "NfUnfilled",
    "NUnfilled",
    "GSvolume_pa",
    "GSbandgap",
    "GSmagmom",
    "SpaceGroupNumber",
)
#: Statistics of each property, in this order.
STATISTICS = ("minimum", "maximum", "range", "mean", "average deviation", "mode")
#: Numbers in a fingerprint.
LENGTH = len(PROPERTIES) * len(STATISTICS)


def composition_fingerprint(numbers: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
    """Magpie's statistics of the elements of a crystal.

    The average deviation is that from the mean; the mode is the property of the commonest element,
    the least where several are as common.

    Args:
        numbers: atomic numbers of the atoms, up to lawrencium.

    Returns:
        Shape (132,): the six :data:`STATISTICS` of each of the :data:`PROPERTIES`, one property
        after the other; not a number where an element has no such property.
    """
    elements, counts = np.unique(np.asarray(numbers), return_counts=True)
    values, shares = element_tables().magpie[elements], counts / counts.sum()
    low, high = values.min(axis=0), values.max(axis=0)
    mean = shares @ values
    deviation = shares @ np.abs(values - mean)
    mode = values[counts == counts.max()].min(axis=0)
    return np.stack([low, high, high - low, mean, deviation, mode], axis=1).ravel()


def scaled(fingerprints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fingerprints on CDVAE's scale, on which its cut-offs are said.

    Args:
        fingerprints: shape (..., 132).

    Returns:
        The same shape: of each number the distance from CDVAE's mean, in its standard deviations; 0
        where it is not known.
    """
    tables = element_tables()
    return np.nan_to_num((fingerprints - tables.mean) / tables.deviation, nan=0.0)
