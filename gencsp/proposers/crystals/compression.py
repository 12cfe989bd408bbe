"""How a composition shrinks under pressure: Murnaghan's equation of state.

    V(P) / V(0) = (1 + K' P / K) ** (-1 / K')          Murnaghan, PNAS 30, 244 (1944)

with one K' for all, and a bulk modulus K of the composition:

    ln K = a + b ln V₀ + Σᵢ xᵢ kᵢ

with V₀ the volume per atom at no pressure (:mod:`gencsp.proposers.crystals.volume`), xᵢ the atomic
fractions and kᵢ a coefficient of each element. The coefficients are a robust fit of our own to
crystals that CHGNet relaxed at 25 GPa, K' to those at 100 GPa (``tools/fit_compression.py``; the
card is ``data/compression.card.json``). Of each formula the volume of the crystal of lowest
enthalpy at each pressure was fitted, so that phases which become stable under pressure count.
Cross-validated by formula, half of the predicted V(P) / V(0) are within 2.7 % at 25 GPa and within
6.3 % at 100 GPa, where CHGNet lets one crystal in five collapse.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gencsp.composition import Composition
from gencsp.deck import Pressure, check
from gencsp.proposers.crystals.volume import predict_volume
from gencsp.shipped import shipped_text

#: Tension beyond this share of that at which the equation of state ends: no crystal holds more.
TORN = 0.5


def volume_under(composition: Composition, pressure: float) -> float:
    """Volume per atom that is likely at a pressure, Å³/atom.

    Args:
        composition: of the crystal.
        pressure: GPa.

    Raises:
        RequestError: a pressure out of its range.
    """
    check("pressure", pressure, Pressure)
    volume = predict_volume(composition).value
    if pressure == 0:
        return volume
    modulus, derivative = bulk_modulus(composition)
    tension = -TORN * modulus / derivative
    return float(volume * compressed(np.array([max(pressure, tension)]), modulus, derivative)[0])


def bulk_modulus(composition: Composition) -> tuple[float, float]:
    """Bulk modulus K (GPa) of a composition, and its derivative K' with pressure."""
    table = _table()
    size = composition.size
    logarithm = (
        table["log_modulus"]
        + table["volume_power"] * np.log(predict_volume(composition).value)
        + sum(n * table["elements"][symbol] for symbol, n in composition.counts) / size
    )
    return float(np.exp(logarithm)), float(table["derivative"])


def compressed(
    pressure: NDArray[np.float64], modulus: float | NDArray[np.float64], derivative: float
) -> NDArray[np.float64]:
    """V(P) / V(0) of Murnaghan's equation.

    Args:
        pressure: GPa, above -modulus / derivative.
        modulus: K, GPa; a shape that broadcasts with the pressures.
        derivative: K'.
    """
    ratio: NDArray[np.float64] = (1 + derivative * pressure / modulus) ** (-1 / derivative)
    return ratio


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(shipped_text("compression.json"))
    return table
