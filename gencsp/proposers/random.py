"""Random crystals with symmetry, as in AIRSS (Pickard and Needs, 2011).

The baseline that every generative proposer has to beat. Lattices, Wyckoff sites and coordinates
follow PyXtal's law (:mod:`gencsp.proposers.crystals.random_crystals` says how closely), drawn many
crystals at once; PyXtal itself is the proposer ``pyxtal``, the independent reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import Field

from gencsp import records
from gencsp.deck import Count, Fraction
from gencsp.descriptors.flaws import PROPOSED_SHARE
from gencsp.descriptors.least_distances import NO_PAIRS, LeastDistances, LeastDistancesField
from gencsp.errors import RequestError
from gencsp.proposers.base import CountsReasons, ProposerContext, Request
from gencsp.proposers.checks import NO_ROOM, NO_SITES
from gencsp.proposers.crystals.occupancy import can_hold
from gencsp.proposers.crystals.random_crystals import Recipe, draw_crystals
from gencsp.proposers.drawing import draw_units, tag_proposal, volume_per_atom
from gencsp.proposers.generators import spawn_generators
from gencsp.proposers.options import ATTEMPTS, SeparatedOptions

Array = NDArray[np.float64]


class RandomProposer(CountsReasons):
    """Random space group, Wyckoff sites, lattice and free coordinates at the predicted volume.

    Space groups are drawn evenly from those (of ``request.space_groups``) that can hold the
    composition in a primitive cell of the drawn number of formula units. Under pressure the
    predicted volume is that of :func:`~gencsp.proposers.crystals.compression.volume_under`.

    Args:
        attempts: most draws for each requested structure.
        separation: least distance of two atoms as a share of the sum of their covalent radii.
        min_separations: least distances of pairs of elements, Å, in place of that share.
        volume_spread: volumes are drawn uniformly within this fraction below and above the
            requested or predicted one; 0 for no spread.
    """

    name = "random"
    inpaints = False
    #: Most crystals drawn in step. What is drawn does not depend on it.
    block = 64

    def __init__(
        self,
        *,
        attempts: int = ATTEMPTS,
        separation: float = PROPOSED_SHARE,
        min_separations: LeastDistances = NO_PAIRS,
        volume_spread: float = 0.0,
    ) -> None:
        self.attempts = attempts
        self.separation = separation
        self.min_separations = min_separations
        self.volume_spread = volume_spread
        self.rejected: Counter[str] = Counter()

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`.

        Raises:
            RequestError: a host or a fixed cell, which random crystals cannot honour, or space
                groups none of which can hold the composition.
        """
        if request.host is not None or request.cell is not None:
            raise RequestError(
                f"the {self.name} proposer makes its own cell and atoms: use 'score' with a host "
                "or a fixed cell."
            )
        wanted = request.space_groups or tuple(range(1, 231))
        if not any(can_hold(g, _counts(request, u)) for u in request.units for g in wanted):
            raise RequestError(
                f"none of the requested space groups can hold {request.composition} in a primitive "
                f"cell of {', '.join(map(str, request.units))} formula units: allow more of either."
            )
        least = self.min_separations.least(request.composition.elements, separation=self.separation)
        return self._propose(request, wanted, least, spawn_generators(rng))

    def _propose(
        self,
        request: Request,
        wanted: tuple[int, ...],
        least: Array,
        rngs: Iterator[np.random.Generator],
    ) -> Iterator[Atoms]:
        volume = volume_per_atom(request)
        made, left = 0, request.n * self.attempts
        while made < request.n and left > 0:
            n = min(self.block, request.n - made, left)
            left -= n
            recipes = [self._recipe(request, wanted, volume, least, next(rngs)) for _ in range(n)]
            for recipe, atoms in zip(recipes, self._draw(recipes), strict=True):
                if recipe is None or atoms is None:
                    self.rejected[NO_SITES if recipe is None else NO_ROOM] += 1
                    continue
                made += 1
                marked = tag_proposal(atoms, proposer=self.name)
                marked.info[records.PROPOSED_SPACE_GROUP] = recipe.space_group
                yield marked

    def _recipe(
        self,
        request: Request,
        wanted: tuple[int, ...],
        volume: float,
        least: Array,
        rng: np.random.Generator,
    ) -> Recipe | None:
        """What to draw, or ``None`` where no group can hold the formula units drawn."""
        counts = _counts(request, draw_units(request.units, rng))
        shuffled = (int(group) for group in rng.permutation(wanted))
        number = next((group for group in shuffled if can_hold(group, counts)), None)
        if number is None:
            return None
        if self.volume_spread:
            volume *= rng.uniform(1 - self.volume_spread, 1 + self.volume_spread)
        return Recipe(
            space_group=number,
            symbols=request.composition.elements,
            counts=counts,
            volume=volume * sum(counts),
            least=least,
            rng=rng,
        )

    def _draw(self, recipes: list[Recipe | None]) -> list[Atoms | None]:
        """A crystal for each recipe, ``None`` where there is none."""
        drawn = iter(draw_crystals([recipe for recipe in recipes if recipe is not None]))
        crystals = (None if recipe is None else next(drawn) for recipe in recipes)
        return [None if crystal is None else crystal.atoms for crystal in crystals]


class RandomOptions(SeparatedOptions):
    """Options of :class:`RandomProposer`."""

    name = "random"
    block: ClassVar[int | None] = 32
    maker: ClassVar[type[RandomProposer]] = RandomProposer

    attempts: Count = Field(default=ATTEMPTS, description="Most draws for each structure.")
    min_separations: LeastDistancesField = Field(
        default_factory=LeastDistances,
        description="Least distances, Å, such as {Si-O = 1.5}, beside those of the run.",
    )
    volume_spread: Fraction | None = Field(
        default=None,
        description="Fraction by which volumes spread; the run's if not given.",
    )

    def build(self, context: ProposerContext) -> RandomProposer:
        """See :class:`~gencsp.proposers.base.ConfiguredProposer`."""
        spread = context.volume_spread if self.volume_spread is None else self.volume_spread
        return self.maker(
            attempts=self.attempts,
            separation=self.separation,
            min_separations=context.min_separations | self.min_separations,
            volume_spread=spread,
        )


def _counts(request: Request, units: int) -> tuple[int, ...]:
    """Atoms of each element in a cell of so many formula units."""
    return tuple(n * units for _, n in request.composition.counts)
