"""How readily two elements replace each other, for transferring structures between compounds.

Each element has a point in a space that is learned from known crystals
(``tools/fit_element_metric.py``; card in ``data/element_metric.card.json``): near points stand on
the same roles of the same skeletons.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gencsp.composition import ELEMENTS
from gencsp.shipped import shipped_text


@dataclass(frozen=True, slots=True, eq=False)
class ElementMetric:
    """Likeness of elements.

    Attributes:
        log_likeness: logarithm of the likeness of each pair of ``ELEMENTS``, the negative square of
            the distance of their points: 0 for the same, below it for others. That of two crystals
            is the sum over their roles.
        floor: weight of a crystal whose elements have nothing in common with the requested ones.
    """

    log_likeness: NDArray[np.float64]
    floor: float

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """From the points of all elements, and the floor."""
        points = np.array([table["points"][symbol] for symbol in ELEMENTS])
        squares = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
        return cls(-squares, float(table["floor"]))


@cache
def element_metric() -> ElementMetric:
    """The one that ships with gencsp.

    Raises:
        WeightsError: the table is missing, or not as its card says.
    """
    return ElementMetric.from_table(json.loads(shipped_text("element_metric.json")))
