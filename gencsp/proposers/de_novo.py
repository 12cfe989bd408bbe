"""What a crystal that is generated de novo starts from: its number of atoms, and its symmetry.

Without symmetry the start is a number of atoms whose species are hidden. With one it is a crystal
of a drawn space group and drawn Wyckoff positions, held by ``FixSymmetry``: reverse diffusion then
moves coordinates in the invariant set alone, reveals one species for a whole orbit, and keeps the
cell in its Bravais class, whose shape and volume are free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase import Atoms

from gencsp.deck import CellAtoms, NonNegative, Share, SpaceGroupNumber, check_fields
from gencsp.diffusion.joint.conditions import Property
from gencsp.diffusion.joint.process import HIDDEN
from gencsp.diffusion.joint.sizes import CellSizes, draw_size
from gencsp.errors import RequestError
from gencsp.proposers.crystals.orbit_draw import orbit_statistics
from gencsp.proposers.symmetric_starts import CHOICES, symmetric_start

#: How numbers of atoms are drawn: as often as in training, as PIGEN does, or given the targets.
SizeRule = Literal["training", "targets"]
#: Whether a space group is drawn and kept.
SymmetryRule = Literal["none", "drawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartDraw:
    """Draws what a generated crystal starts from.

    Attributes:
        sizes: probability of each number of atoms.
        symmetry: whether the start has a symmetry.
        space_groups: that may be drawn; ``None`` for all.
        complexity: K in bits/atom that the orbits are drawn for; ``None`` leaves it open.
        weight: how strongly, see :mod:`gencsp.proposers.crystals.orbit_draw`.
    """

    sizes: Mapping[CellAtoms, Share]
    symmetry: SymmetryRule = "none"
    space_groups: tuple[SpaceGroupNumber, ...] | None = None
    complexity: NonNegative | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self, rng: np.random.Generator) -> Atoms:
        """A start whose species are hidden.

        Raises:
            RequestError: no crystal of the space groups was found at the numbers of atoms.
        """
        for _ in range(CHOICES):
            n = draw_size(self.sizes, rng)
            if self.symmetry == "none":
                return Atoms([HIDDEN] * n, positions=np.zeros((n, 3)), cell=np.eye(3), pbc=True)
            orbits = orbit_statistics().draw(
                n,
                rng=rng,
                complexity=self.complexity,
                weight=self.weight,
                space_groups=self.space_groups,
            )
            start = None if orbits is None else symmetric_start(orbits, rng)
            if start is not None:
                return start
        groups = "any space group" if self.space_groups is None else f"{list(self.space_groups)}"
        raise RequestError(
            f"no crystal of {groups} was found with {min(self.sizes)} to {max(self.sizes)} atoms "
            f"in the primitive cell: allow more atoms or other space groups."
        )


def size_shares(
    sizes: CellSizes,
    targets: Mapping[Property, float],
    weight: float,
    *,
    rule: SizeRule,
    most: int | None = None,
) -> dict[int, float]:
    """Probability of each number of atoms: see :meth:`.CellSizes.shares`.

    Args:
        sizes: of the training cells.
        targets: properties aimed at.
        weight: w of the guidance.
        rule: "training" leaves the targets out.
        most: largest size.
    """
    return sizes.shares(targets, 0.0 if rule == "training" else weight, most=most)
