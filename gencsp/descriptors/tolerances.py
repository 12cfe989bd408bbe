"""How near is the same: tolerances of symmetry and of energy, each with what it is for.

Least distances of atoms stand in :mod:`gencsp.descriptors.flaws`, tolerances of the comparison of
crystals in :mod:`gencsp.similarity.matching`.
"""

from __future__ import annotations

# Tolerances of spglib, Å and degrees; which of them serves depends on where a structure comes from.
#: A relaxed structure, whose forces are not quite zero: those at which CHGGen reports space groups.
SYMPREC, ANGLE_TOLERANCE = 0.1, 10.0
#: A symmetry that a relaxation is to keep: the structure is averaged over it first, so that a near
#: symmetry must not be taken for one.
KEPT_SYMPREC = 0.01
#: A structure that was built or averaged to have its symmetry, and has it to rounding.
EXACT_SYMPREC = 1e-3
#: A structure whose own primitive cell is looked for, and not that of a near one.
PRIMITIVE_SYMPREC = 1e-4

# Differences of energy, eV/atom. They differ on purpose.
#: Structures further apart are different crystals: two relaxations of one crystal to the same
#: forces differ by less than a tenth of it.
SAME_ENERGY = 0.01
#: By so much must a minimum be lower to count as new: more than such relaxations differ by.
NEW_MINIMUM = 1e-3
#: By so much must a walker's trial be lower to reset its patience: small, since a walker steps from
#: minimum to minimum near by.
WALKER_GAIN = 1e-4
