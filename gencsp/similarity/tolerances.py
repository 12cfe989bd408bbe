"""Energy differences, eV/atom, below which crystals count as the same.

Each use has its own value, on purpose.
"""

from __future__ import annotations

# Differences of energy, eV/atom. They differ on purpose.
#: Structures further apart are different crystals: two relaxations of one crystal to the same
#: forces differ by less than a tenth of it.
SAME_ENERGY = 0.01
#: By so much must a minimum be lower to count as new: more than such relaxations differ by.
NEW_MINIMUM = 1e-3
#: By so much must a walker's trial be lower to reset its patience: small, since a walker steps from
#: minimum to minimum near by.
WALKER_GAIN = 1e-4
