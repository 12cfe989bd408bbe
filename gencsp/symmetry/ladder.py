"""Ladders of rising tolerances to symmetrise a framework by (CHGGen, Section III.B, Methods).

The paper raises a "site tolerance" from 0.1 to 2.0 and an angle tolerance from 10 to 30 degrees
"until the space group is not P1", and counts P1 and P-1, for Li-Si also Pm, as low symmetry. Its
program (``get_coarse_grain_framework``) goes on from P-1 as well, and then leaves out frameworks in
P1, P-1 and Pm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import MinLen

from gencsp.deck import AngleTolerance, SpaceGroupNumber, Symprec, check_fields
from gencsp.errors import RequestError

LadderName = Literal["above-P1", "above-Pm", "chggen"]
Rungs = tuple[tuple[Symprec, AngleTolerance], ...]

#: Rungs within the limits of the paper as (symprec in Å, angle in degrees): tolerances grow by a
#: constant factor, angles by a constant step.
LADDER: Rungs = tuple((round(0.1 * 20 ** (k / 8), 3), 10 + 20 * k / 8) for k in range(9))
#: Rungs of CHGGen's program.
CHGGEN_RUNGS: Rungs = (
    (0.1, 10.0),
    (0.2, 15.0),
    (0.5, 15.0),
    (0.8, 15.0),
    (1.0, 20.0),
    (1.5, 30.0),
    (2.0, 30.0),
)
P1 = frozenset({1})
#: What the paper counts as low symmetry: P1 and P-1.
LOW_SYMMETRY = frozenset({1, 2})
#: The same for Li-Si, with Pm.
LOW_SYMMETRY_LI_SI = LOW_SYMMETRY | {6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Tolerances, and which space groups are not enough.

    Attributes:
        name: under which it is recorded.
        rungs: (symprec in Å, angle tolerance in degrees), in the order tried.
        low: space groups from which the next rung is tried.
        dropped: space groups that no later rung is tried for, but that do not count in the end.
        nearest: where spglib finds nothing, take the operation that the crystal is nearest to
            having (:mod:`gencsp.symmetry.near`).
        keeps_low: a framework whose symmetry is low on every rung stays as it is, and counts.

    Raises:
        RequestError: there are no rungs, or a value is out of its range.
    """

    name: str
    rungs: Annotated[Rungs, MinLen(1)] = LADDER
    low: frozenset[int] = P1
    dropped: frozenset[int] = frozenset()
    nearest: bool = True
    keeps_low: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if 1 not in self.low:
            raise RequestError("P1 is no symmetry: the groups to go on from must hold 1.")

    def keeps(self, number: SpaceGroupNumber) -> bool:
        """Whether a framework in this space group counts as symmetrised."""
        return self.keeps_low or number not in self.low | self.dropped

    def manifest(self) -> dict[str, str | bool | list[float] | list[int]]:
        """Its name and contents as they stand in the manifest of a run."""
        return {
            "ladder": self.name,
            "ladder_symprecs": [symprec for symprec, _ in self.rungs],
            "ladder_angle_tolerances": [angle for _, angle in self.rungs],
            "ladder_low": sorted(self.low),
            "ladder_dropped": sorted(self.dropped),
            "ladder_nearest": self.nearest,
            "ladder_keeps_low": self.keeps_low,
        }


ABOVE_P1 = Ladder(name="above-P1")
#: For a host that is known: it is given the space group that it has, and not brought to another.
#: The angle is small, since ten degrees would make a monoclinic host orthorhombic.
HOST = Ladder(name="host", rungs=((0.1, 1.0),), nearest=False, keeps_low=True)
#: All ladders, by name: gencsp's, the same with the groups of CHGGen's program, and its own.
LADDERS: dict[LadderName, Ladder] = {
    "above-P1": ABOVE_P1,
    "above-Pm": Ladder(name="above-Pm", low=LOW_SYMMETRY, dropped=LOW_SYMMETRY_LI_SI),
    "chggen": Ladder(
        name="chggen",
        rungs=CHGGEN_RUNGS,
        low=LOW_SYMMETRY,
        dropped=LOW_SYMMETRY_LI_SI,
        nearest=False,
    ),
}
