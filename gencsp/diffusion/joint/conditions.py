"""Properties that generation can be conditioned on, and their encoding for the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gencsp.errors import RequestError

#: Compactness C (no unit), M_LED (bits), energy above the hull (eV/atom), complexity K (bit/atom).
Property = Literal["compactness", "m_led", "e_hull", "complexity"]
PROPERTIES: tuple[Property, ...] = get_args(Property)


#: Standard deviations; a few energies in databases are wrong by electronvolts.
FARTHEST = 4.0


@dataclass(frozen=True, slots=True)
class PropertyScale:
    """Means and standard deviations of the four properties over the training crystals."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, labels: NDArray[np.float64]) -> PropertyScale:
        """Fit to labels, shape (b, 4), NaN where unknown; 0 and 1 for a property without any."""
        mean, std = [], []
        for column in labels.T:
            known = column[~np.isnan(column)]
            mean.append(float(known.mean()) if len(known) else 0.0)
            std.append(float(known.std()) if len(known) > 1 and known.std() > 0 else 1.0)
        return cls(tuple(mean), tuple(std))

    def encode(self, labels: NDArray[np.float64]) -> Tensor:
        """Standardised, at most :data:`FARTHEST` from the mean, NaN kept, float64, shape (b, 4)."""
        standard = (labels - np.array(self.mean)) / np.array(self.std)
        return torch.as_tensor(standard.clip(-FARTHEST, FARTHEST))


def as_labels(targets: Sequence[Mapping[Property, float]]) -> NDArray[np.float64]:
    """Targets of each crystal as rows in the order of :data:`PROPERTIES`, NaN where free.

    Raises:
        RequestError: a property has another name, or a value that is not finite.
    """
    rows = np.full((len(targets), len(PROPERTIES)), np.nan)
    for row, wanted in zip(rows, targets, strict=True):
        for name, value in wanted.items():
            if name not in PROPERTIES:
                raise RequestError(
                    f"'{name}' is no property to aim at: choose from {', '.join(PROPERTIES)}."
                )
            if not np.isfinite(value):
                raise RequestError(f"the target of {name} is {value}: give a number.")
            row[PROPERTIES.index(name)] = value
    return rows
