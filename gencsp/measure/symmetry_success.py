"""Symmetry success rate: how many structures are more symmetric than P1 and P-1.

P. Zhong et al. (CHGGen, 2025; Fig. 4f and 6): the share of relaxed structures whose space group, at
0.1 Å and 10 degrees, is none of low symmetry. That is P1 and P-1, and for Li-Si Pm as well
(:data:`~gencsp.symmetry.ladder.LOW_SYMMETRY`, :data:`~gencsp.symmetry.ladder.LOW_SYMMETRY_LI_SI`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ase import Atoms

from gencsp.deck import AngleTolerance, SpaceGroupNumber, Symprec, check
from gencsp.symmetry.ladder import LOW_SYMMETRY
from gencsp.symmetry.refinement import space_group
from gencsp.symmetry.tolerances import ANGLE_TOLERANCE, SYMPREC


@dataclass(frozen=True, slots=True, kw_only=True)
class SymmetrySuccess:
    """How symmetric some structures are.

    Attributes:
        structures: all.
        symmetric: in a space group that is not low.
        space_groups: how many structures are in each, by its number, in ascending order.
    """

    structures: int
    symmetric: int
    space_groups: Mapping[int, int]

    @property
    def share(self) -> float:
        """Symmetry success rate; not a number for no structures."""
        return self.symmetric / self.structures if self.structures else float("nan")


def symmetry_success(
    structures: Iterable[Atoms],
    *,
    low: Collection[SpaceGroupNumber] = LOW_SYMMETRY,
    symprec: Symprec = SYMPREC,
    angle_tolerance: AngleTolerance = ANGLE_TOLERANCE,
) -> SymmetrySuccess:
    """Count the structures that are symmetric.

    Args:
        structures: relaxed crystals. One whose space group spglib cannot find counts as P1.
        low: numbers of the space groups that do not count as symmetric.
        symprec: Å.
        angle_tolerance: degrees.

    Raises:
        RequestError: a tolerance out of its range.
    """
    check("symprec", symprec, Symprec)
    check("angle_tolerance", angle_tolerance, AngleTolerance)
    counts = Counter(
        space_group(atoms, symprec=symprec, angle_tolerance=angle_tolerance).number
        for atoms in structures
    )
    return SymmetrySuccess(
        structures=counts.total(),
        symmetric=sum(count for number, count in counts.items() if number not in low),
        space_groups=dict(sorted(counts.items())),
    )
