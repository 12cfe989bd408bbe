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
from ase.data import chemical_symbols

from gencsp import records
from gencsp.deck import CellAtoms, NonNegative, Share, SpaceGroupNumber, check_fields
from gencsp.descriptors.flaws import SAMPLER_START_SHARE
from gencsp.diffusion.joint.conditions import Property
from gencsp.diffusion.joint.process import HIDDEN
from gencsp.diffusion.joint.sizes import CellSizes, draw_size
from gencsp.errors import RequestError
from gencsp.proposers.checks import keeps_apart
from gencsp.proposers.crystals.lattice import bravais
from gencsp.proposers.crystals.orbit_draw import Orbits, orbit_statistics
from gencsp.proposers.crystals.symmetry_prior import Skeleton, symmetry_prior
from gencsp.proposers.symmetric import hold, realise

#: How numbers of atoms are drawn: as often as in training, as PIGEN does, or given the targets.
SizeRule = Literal["training", "targets"]
#: Whether a space group is drawn and kept.
SymmetryRule = Literal["none", "drawn"]
#: Å³/atom of a start, which only has to tell its atoms apart: the lattice begins as noise.
START_VOLUME = 20.0
#: Choices of orbits, and coordinates for each, that are tried for one start.
CHOICES, TRIES = 20, 20


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


def symmetric_start(orbits: Orbits, rng: np.random.Generator) -> Atoms | None:
    """A crystal with these orbits, held by ``FixSymmetry``, its species hidden.

    ``None`` where its atoms cannot be kept apart, or where the group is not found.
    """
    # Every orbit has a species of its own, lest two of them are taken for one of a larger group.
    own = [(chemical_symbols[k + 1], letter) for k, letter in enumerate(orbits.letters)]
    shape = symmetry_prior().shape(bravais(orbits.space_group), rng)
    skeleton = Skeleton(orbits.space_group, tuple(own), shape)
    for _ in range(1 if skeleton.n_free == 0 else TRIES):
        atoms = realise(skeleton, volume=START_VOLUME, rng=rng)
        if atoms is None or not keeps_apart(atoms, separation=SAMPLER_START_SHARE):
            continue
        held = hold(atoms, skeleton, rng)
        if held is not None:
            start = held.atoms
            start.set_atomic_numbers([HIDDEN] * len(start))
            start.info[records.PROPOSED_SPACE_GROUP] = orbits.space_group
            return start
    return None
