"""Ranges of the settings of measures, apart from what computes them: options of commands have them.

Nothing heavy is imported here, so that the help of a command appears at once.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Unit

#: How far g(r) reaches. An atom has some 1,700 neighbours within the bound, at 20 Å³ per atom.
Reach = Annotated[float, Gt(0), Le(20), Unit("Å")]
BinWidth = Annotated[float, Ge(0.001), Le(1), Unit("Å")]
Broadening = Annotated[float, Ge(0), Le(1), Unit("Å")]
#: How many times the sum of covalent radii is still a bond.
BondFactor = Annotated[float, Gt(0), Le(3)]
BOND_FACTOR = 1.25
#: What counts as a neighbour: what is near enough, or what CrystalNN says.
NeighbourRule = Literal["distance", "crystal-nn"]
