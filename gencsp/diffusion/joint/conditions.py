"""Properties that generation can be conditioned on, and their encoding for the network."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gencsp.errors import RequestError, TargetWarning, TrainingDataError

if TYPE_CHECKING:
    from torch import Tensor

#: Compactness C (no unit), M_LED (bits), energy above the hull (eV/atom), complexity K (bit/atom).
Property = Literal["compactness", "m_led", "e_hull", "complexity"]
PROPERTIES: tuple[Property, ...] = get_args(Property)
#: Standard deviations from the mean, at which labels and targets are clipped.
FARTHEST = 4.0


@dataclass(frozen=True, slots=True)
class PropertyRange:
    """Values that a property can have.

    Attributes:
        low, high: bounds, which belong to the range.
        unit: of both; empty for none.
        why: what the bounds come from.
    """

    low: float
    high: float
    unit: str
    why: str

    def holds(self, value: float) -> bool:
        """Whether a value is one that the property can have; not a number is none."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:.4g} to {self.high:.4g}{self.unit and ' '}{self.unit}"


#: Rounding of a value that is exactly at its bound.
_ROUNDING = 1e-6
#: Motifs of coordination, and steps of the axis of motifs and elements, in M_LED.
_MOTIFS, _AXIS = 37, 159
#: Values that a label or a target can have. Energies above the hull are bounded by what a bond
#: holds: of known crystals none is 5 eV/atom above, but energies of a whole cell, total energies
#: and placeholders such as 9999 are.
RANGES: Mapping[Property, PropertyRange] = {
    "compactness": PropertyRange(_ROUNDING, 10.0, "", "C is a ratio of volumes (eq. 2)"),
    "m_led": PropertyRange(
        -_ROUNDING,
        math.log2(_MOTIFS) + math.log2(_AXIS),
        "bits",
        f"the entropies of {_MOTIFS} motifs and of an axis of {_AXIS} steps (eq. 4-6)",
    ),
    "e_hull": PropertyRange(
        -_ROUNDING,
        5.0,
        "eV/atom",
        "an energy above the hull is at least 0: a stability, or a formation energy, is another "
        "quantity",
    ),
    "complexity": PropertyRange(
        -_ROUNDING, math.inf, "bits/atom", "K is an entropy, at most log₂ of the atoms in the cell"
    ),
}


def check_labels(
    labels: NDArray[np.float64], name: Callable[[int], str], *, atoms: Sequence[int] | None = None
) -> None:
    """Refuse labels that no crystal can have.

    Args:
        labels: rows in the order of :data:`PROPERTIES`, shape (b, 4); NaN, which stands for
            unknown, passes.
        name: how the crystal of a row is named in the message.
        atoms: atoms of each crystal, which bound its complexity by log₂ N; ``None`` for no bound.

    Raises:
        TrainingDataError: a value is outside of :data:`RANGES`; says which, and what to do.
    """
    for column, (key, allowed) in enumerate(RANGES.items()):
        values = labels[:, column]
        high = np.full(len(values), allowed.high)
        if key == "complexity" and atoms is not None:
            high = np.log2(np.asarray(atoms, dtype=np.float64)) + _ROUNDING
        wrong = ~np.isnan(values) & ~((values >= allowed.low) & (values <= high))
        if wrong.any():
            k = int(np.argmax(wrong))
            bounds = str(replace(allowed, low=round(allowed.low, 5), high=float(high[k])))
            raise TrainingDataError(
                f"{name(k)} has {key} = {values[k]:.6g}, and {int(wrong.sum())} of {len(values)} "
                f"crystals are outside of {bounds} ({allowed.why}): mend or take out these rows, "
                f"or leave the value out where it is unknown."
            )


@dataclass(frozen=True, slots=True)
class PropertyScale:
    """Means and standard deviations of the four properties over the training crystals.

    Attributes:
        mean, std: of each property; 0 and 1 for one without any label.
        seen: least and greatest label of each property, ``None`` for one without any, which the
            network then does not know; empty where a weights file does not say.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    seen: tuple[tuple[float, float] | None, ...] = ()

    @classmethod
    def fit(cls, labels: NDArray[np.float64]) -> PropertyScale:
        """Fit to labels, shape (b, 4), NaN where unknown."""
        mean, std, seen = [], [], []
        for column in labels.T:
            known = column[~np.isnan(column)]
            mean.append(float(known.mean()) if len(known) else 0.0)
            std.append(float(known.std()) if len(known) > 1 and known.std() > 0 else 1.0)
            seen.append((float(known.min()), float(known.max())) if len(known) else None)
        return cls(tuple(mean), tuple(std), tuple(seen))

    @classmethod
    def from_description(cls, stored: Mapping[str, Any]) -> PropertyScale:
        """From its fields as JSON or a checkpoint gives them."""
        seen = (None if one is None else (one[0], one[1]) for one in stored.get("seen", ()))
        return cls(tuple(stored["mean"]), tuple(stored["std"]), tuple(seen))

    def check_targets(self, targets: Mapping[Property, float]) -> None:
        """Compare targets with what the network has seen.

        Raises:
            RequestError: a value that no crystal can have, or a property that none of the training
                crystals had a value of.

        Warns:
            TargetWarning: a value beyond all of them, or, where the weights do not say, more than
                :data:`FARTHEST` standard deviations from their mean, which is as far as the network
                can tell values apart.
        """
        for name, value in targets.items():
            if not RANGES[name].holds(value):
                raise RequestError(
                    f"the target of {name} is {value:g}: give {RANGES[name]}; {RANGES[name].why}."
                )
            k = PROPERTIES.index(name)
            far = FARTHEST * self.std[k]
            span = self.seen[k] if self.seen else (self.mean[k] - far, self.mean[k] + far)
            if span is None:
                raise RequestError(
                    f"these weights do not know {name}: no training crystal had a value of it. "
                    "Leave the target out, or train with labels of it."
                )
            low, high = max(span[0], self.mean[k] - far), min(span[1], self.mean[k] + far)
            if not low - _ROUNDING <= value <= high + _ROUNDING:
                warnings.warn(
                    f"the target {name} = {value:g} lies beyond the training crystals of these "
                    f"weights, {low:.3g} to {high:.3g}: expect values at the edge of that range.",
                    TargetWarning,
                    stacklevel=2,
                )

    def encode(self, labels: NDArray[np.float64]) -> Tensor:
        """Standardised, at most :data:`FARTHEST` from the mean, NaN kept, float64, shape (b, 4)."""
        import torch

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
