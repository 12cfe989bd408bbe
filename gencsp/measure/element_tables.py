"""Tables of elements behind CDVAE's measures; their card is ``gencsp/data/measures.card.json``.

Magpie's properties (L. Ward et al., npj Comput. Mater. 2, 16028, 2016) as matminer has them, and
SMACT's oxidation states, electronegativities and metals (D. W. Davies et al., J. Open Source Softw.
4, 1361, 2019).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from gencsp.shipped import shipped_text

TABLE = "measures.json"


@dataclass(frozen=True, slots=True, eq=False)
class ElementTables:
    """The tables.

    Attributes:
        magpie: Magpie's properties by atomic number and in the order of
            :data:`.composition_fingerprint.PROPERTIES`, shape (104, 22); not a number where one is
            missing.
        mean, deviation: of each number of a composition fingerprint, shape (132,): CDVAE's.
        oxidation_states: SMACT's of 2014, in e, by atomic number; none for He, Ne and Ar.
        electronegativity: Pauling's, by atomic number; He, Ne, Ar, Pm, Rn and Lr have none.
        metals: atomic numbers of the metals.
    """

    magpie: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    oxidation_states: dict[int, tuple[int, ...]]
    electronegativity: dict[int, float]
    metals: frozenset[int]


@cache
def element_tables() -> ElementTables:
    """The tables that ship with gencsp.

    Raises:
        WeightsError: they are missing, or not as their card says.
    """
    stored = json.loads(shipped_text(TABLE))
    columns = np.array(list(stored["magpie"].values()), dtype=np.float64)
    return ElementTables(
        magpie=np.pad(columns.T, ((1, 0), (0, 0)), constant_values=np.nan),
        mean=np.array(stored["scaler"]["mean"]),
        deviation=np.array(stored["scaler"]["deviation"]),
        oxidation_states={
            atomic_numbers[symbol]: tuple(states)
            for symbol, states in stored["oxidation_states"].items()
        },
        electronegativity={
            atomic_numbers[symbol]: value for symbol, value in stored["electronegativity"].items()
        },
        metals=frozenset(atomic_numbers[symbol] for symbol in stored["metals"]),
    )
