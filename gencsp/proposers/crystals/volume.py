"""Volume per atom from composition: V₀ of CHGGen's lattice search (Section III.B).

A fit of our own on the crystals of OQMD-ICSD (``tools/fit_volume.py``; the card is part of
``data/volume.json``). Each element brings a volume that depends on what surrounds it:

    V₀ = Σᵢ xᵢ (vᵢ + bᵢ δᵢ + cᵢ δᵢ² + dᵢ xᵢ) + Σ_{g<h} w_gh X_g X_h,   δᵢ = Σⱼ xⱼ χⱼ − χᵢ

with x the atomic fractions, χ Pauling's electronegativity (a metal shrinks among non-metals, a
non-metal grows among metals) and X the fractions of the 20 families: the groups of the periodic
table, the lanthanides, the actinides. Cross-validated by formula on 21 thousand formulas, half of
the predictions are within 3.1 % of the PBE volume, 68 % within 5.0 %, 90 % within 10 %.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from gencsp.composition import ELEMENTS, Composition
from gencsp.shipped import shipped_text

Array = NDArray[np.float64]

#: Powers of (x, δ) that the coefficients v, b, c, d of an element multiply.
TERMS: tuple[tuple[int, int], ...] = ((1, 0), (1, 1), (1, 2), (2, 0))
N_FAMILIES = 20


@dataclass(frozen=True, slots=True)
class VolumePrediction:
    """A volume and how far off it may be.

    Attributes:
        value: Å³/atom.
        spread: half-width of the interval that holds 68 % of the true volumes, Å³/atom (from the
            cross-validated errors of formulas with the same elements).
    """

    value: float
    spread: float


def predict_volume(composition: Composition) -> VolumePrediction:
    """Volume per atom at zero pressure, Å³/atom (PBE).

    The value never leaves the range of the fitted crystals (3.5 to 110 Å³/atom or so), so a
    composition far from them gets a rough but usable cell.
    """
    table = _table()
    of_elements, of_families = features(composition, table["electronegativity"])
    coefficients = np.array([table["coefficients"][s] for s in ELEMENTS]).T
    raw = np.sum(of_elements * coefficients) + np.sum(of_families * table["family_pairs"])
    low, high = table["range"]
    value = float(min(max(raw, low), high))
    relative = sum(n * table["relative_error"][s] for s, n in composition.counts) / composition.size
    return VolumePrediction(value, value * relative)


def features(
    composition: Composition, electronegativity: Mapping[str, float]
) -> tuple[Array, Array]:
    """What the coefficients multiply: shapes (terms, elements) and (pairs of families,)."""
    fractions = np.zeros(len(ELEMENTS))
    families = np.zeros(N_FAMILIES)
    for symbol, n in composition.counts:
        fractions[ELEMENTS.index(symbol)] = n / composition.size
        families[family(symbol)] += n / composition.size
    chi = np.array([electronegativity[symbol] for symbol in ELEMENTS])
    delta = fractions @ chi - chi
    pairs = np.outer(families, families)[np.triu_indices(N_FAMILIES, k=1)]
    return np.stack([fractions**p * delta**q for p, q in TERMS]), pairs


def family(symbol: str) -> int:
    """Group of the periodic table counted from zero; 18 for lanthanides, 19 for actinides."""
    z = int(atomic_numbers[symbol])
    if 57 <= z <= 71:
        return 18
    if z >= 89:
        return 19
    if z in (1, 2):
        return 0 if z == 1 else 17
    noble = max(n for n in (2, 10, 18, 36, 54, 86) if n < z)
    place = z - noble  # 1 in group 1
    if noble in (2, 10):
        return place - 1 if place <= 2 else place + 9
    return place - 1 if noble != 54 or place <= 2 else place - 15


def electronegativity() -> dict[str, float]:
    """Pauling's scale for every element, Allen's for He, Ne and Ar, on which Pauling is silent."""
    return dict(_table()["electronegativity"])


@cache
def _table() -> dict[str, Any]:
    text = shipped_text("volume.json")
    table: dict[str, Any] = json.loads(text)
    return table
