"""Tolerances of spglib, Å and degrees; which serves depends on where a structure comes from."""

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
