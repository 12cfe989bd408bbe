"""Random crystals of rigid units, in a free cell or in one that is given.

The baseline for salts of complex ions and for molecular crystals: units keep their shape, and the
space group makes all from a few (:mod:`gencsp.proposers.units.random_units`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.cell import Cell
from numpy.typing import NDArray
from pydantic import Field

from gencsp import records
from gencsp.deck import Count, Fraction, Positive
from gencsp.descriptors.least_distances import NO_PAIRS, LeastDistances, LeastDistancesField
from gencsp.errors import NoRoomError, RequestError, UnitError
from gencsp.proposers.base import ConfiguredProposer, ProposerContext, Request
from gencsp.proposers.drawing import draw_units, tag_proposal, volume_per_atom
from gencsp.proposers.generators import spawn_generators
from gencsp.proposers.options import ATTEMPTS
from gencsp.proposers.units.crystal import UNIT, UNIT_ATOM, UNIT_NAMES, UnitCrystal
from gencsp.proposers.units.given_cells import (
    TOLERANCE,
    Setting,
    choices_of_axes,
    copies_of,
    in_given_cell,
    setting_of,
)
from gencsp.proposers.units.random_units import UnitRecipe, draw_unit_crystals
from gencsp.proposers.units.record import write_crystal
from gencsp.proposers.units.separations import (
    SEPARATION,
    UNBONDED,
    least_between,
    require_room,
)
from gencsp.proposers.units.unit_sites import can_hold_units
from gencsp.units.formulas import UnitCounts, UnitFormula, split_formula
from gencsp.units.lookup import get_units
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]

#: Numbers of formula units whose volume deviates less from the predicted one are drawn in a given
#: cell; the nearest one is where none does.
VOLUME_DEVIATION = 0.25
#: Draws, each of many cells or positions, after which a call without any crystal gives up. Where
#: one draw in thirty succeeds, one call in thirty does so in vain.
FRUITLESS = 100


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """A crystal to draw, and where it is to be put."""

    recipe: UnitRecipe
    setting: Setting | None


class RandomUnitsProposer:
    """Random space group, Wyckoff positions, orientations and, if it is free, cell.

    Space groups are drawn evenly from those (of ``request.space_groups``) that can hold the units
    in a primitive cell, and which fit the cell where one is given. Structures say by the arrays
    ``unit`` and ``unit_atom`` which atom belongs to which unit.

    Args:
        units: that the formula has; atoms in none of them stand alone.
        attempts: most draws for each requested structure.
        separation: least distance of two atoms of different units one of which is a metal, as a
            share of the sum of their covalent radii.
        unbonded: the same of two nonmetals.
        min_separations: least distances of pairs of elements, Å, in place of these shares.
        volume_spread: volumes of free cells are drawn uniformly within this fraction below and
            above the requested or predicted one.
        tolerance: relative difference of edges, and of angles in radians, up to which a given cell
            has the symmetry of a space group.
    """

    name = "units-random"
    inpaints = False
    #: Most crystals drawn together. What is drawn does not depend on it.
    block = 32

    def __init__(
        self,
        units: Sequence[RigidUnit],
        *,
        attempts: int = ATTEMPTS,
        separation: float = SEPARATION,
        unbonded: float = UNBONDED,
        min_separations: LeastDistances = NO_PAIRS,
        volume_spread: float = 0.0,
        tolerance: float = TOLERANCE,
    ) -> None:
        self.units = tuple(units)
        self.attempts = attempts
        self.separation = separation
        self.unbonded = unbonded
        self.min_separations = min_separations
        self.volume_spread = volume_spread
        self.tolerance = tolerance
        self.failures = 0

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`.

        Raises:
            RequestError: a host.
            UnitError: the formula does not split into the units, no requested space group fits the
                cell and can hold them, or the cell is too small.
            NoRoomError: while structures are drawn, of none of the first ``FRUITLESS`` (or of all
                that ``attempts`` allows) the units find room.
        """
        return self._propose(self.crystals(request, rng=rng))

    def crystals(
        self, request: Request, *, rng: np.random.Generator
    ) -> Iterator[tuple[UnitCrystal, Setting | None]]:
        """The same as crystals of units, each with its setting where a cell is given.

        Raises:
            RequestError, UnitError, NoRoomError: as :meth:`propose`.
        """
        if request.host is not None:
            raise RequestError(
                f"the {self.name} proposer makes all atoms: use 'score' with a host."
            )
        formula = split_formula(request.composition, self.units)
        numbers = self._numbers(request, formula)
        elements = request.composition.elements
        least = least_between(
            elements,
            separation=self.separation,
            unbonded=self.unbonded,
            given=self.min_separations,
        )
        volume = volume_per_atom(request)
        for number in numbers:
            counts = formula.in_cell(number)
            size = request.composition.size * number
            edge = (volume * size) ** (1 / 3)
            cell = Cell.new([edge] * 3) if request.cell is None else request.cell
            require_room(
                cell, [unit for unit, _ in counts], [n for _, n in counts], elements, least
            )
        wanted = request.space_groups or tuple(range(1, 231))
        if not any(
            self._able(group, formula.in_cell(number), request.cell)
            for number in numbers
            for group in wanted
        ):
            fit = "" if request.cell is None else " and fits the cell"
            raise UnitError(
                f"none of the requested space groups holds {', '.join(map(str, numbers))} formula "
                f"units of {', '.join(unit.name for unit in formula.units)}{fit}: allow more of "
                f"either."
            )
        return self._crystals(request, formula, numbers, wanted, least, spawn_generators(rng))

    def _propose(self, crystals: Iterator[tuple[UnitCrystal, Setting | None]]) -> Iterator[Atoms]:
        for crystal, setting in crystals:
            atoms = crystal.atoms() if setting is None else in_given_cell(crystal, setting)
            marked = tag_proposal(atoms, proposer=self.name)
            for array in (UNIT, UNIT_ATOM):
                marked.set_array(array, atoms.get_array(array))
            marked.info[UNIT_NAMES] = atoms.info[UNIT_NAMES]
            marked.info[records.PROPOSED_SPACE_GROUP] = crystal.space_group
            write_crystal(marked, crystal, setting)
            yield marked

    def _crystals(
        self,
        request: Request,
        formula: UnitFormula,
        numbers: tuple[int, ...],
        wanted: tuple[int, ...],
        least: Array,
        rngs: Iterator[np.random.Generator],
    ) -> Iterator[tuple[UnitCrystal, Setting | None]]:
        made, left = 0, request.n * self.attempts
        fruitless = min(left, FRUITLESS)
        while made < request.n and left > 0:
            if not made and not fruitless:
                raise self._no_room(request, formula, numbers)
            n = min(self.block, request.n - made, left)
            if not made:
                n = min(n, fruitless)
                fruitless -= n
            left -= n
            draws = []
            for _ in range(n):
                draw = self._draw(request, formula, numbers, wanted, least, next(rngs))
                if draw is None:
                    self.failures += 1
                else:
                    draws.append(draw)
            drawn = draw_unit_crystals([draw.recipe for draw in draws])
            for draw, crystal in zip(draws, drawn, strict=True):
                if crystal is None:
                    self.failures += 1
                    continue
                made += 1
                yield crystal, draw.setting
        if not made:
            raise self._no_room(request, formula, numbers)

    def _no_room(
        self, request: Request, formula: UnitFormula, numbers: tuple[int, ...]
    ) -> NoRoomError:
        tried = min(request.n * self.attempts, FRUITLESS)
        each = request.composition.size * volume_per_atom(request)
        what = (
            f"cells of {each:.1f} Å³ for each {formula.composition}"
            if request.cell is None
            else f"the cell of {request.cell.volume:.1f} Å³"
        )
        return NoRoomError(
            f"{', '.join(map(str, numbers))} x {formula.composition} found no room for "
            f"{', '.join(unit.name for unit in formula.units)} in {what}, in none of {tried} "
            f"draws: give more volume, fewer formula units, other space groups, or smaller least "
            f"distances (the options unbonded, separation)."
        )

    def _draw(
        self,
        request: Request,
        formula: UnitFormula,
        numbers: tuple[int, ...],
        wanted: tuple[int, ...],
        least: Array,
        rng: np.random.Generator,
    ) -> _Draw | None:
        """What to draw, or ``None`` where no group can hold the number of formula units drawn."""
        number = draw_units(numbers, rng)
        counts = formula.in_cell(number)
        shuffled = (int(group) for group in rng.permutation(wanted))
        group = next((g for g in shuffled if self._able(g, counts, request.cell)), None)
        if group is None:
            return None
        setting = None
        if request.cell is not None:
            fitting = self._fitting(group, counts, request.cell)
            setting = setting_of(group, request.cell, fitting[int(rng.integers(len(fitting)))])
        volume = volume_per_atom(request) * request.composition.size * number
        if self.volume_spread:
            volume *= rng.uniform(1 - self.volume_spread, 1 + self.volume_spread)
        copies = 1 if setting is None else setting.copies
        # The largest are placed first, while there is room.
        counts = tuple(sorted(counts, key=lambda one: -one[0].size))
        recipe = UnitRecipe(
            space_group=group,
            units=tuple(unit for unit, _ in counts),
            counts=tuple(n // copies for _, n in counts),
            elements=request.composition.elements,
            least=least,
            rng=rng,
            cell=None if setting is None else setting.conventional,
            volume=volume,
        )
        return _Draw(recipe, setting)

    def _numbers(self, request: Request, formula: UnitFormula) -> tuple[int, ...]:
        """Numbers of formula units that keep units whole and, with a cell, fill it."""
        whole = tuple(n for n in request.units if n % formula.number == 0)
        if not whole:
            formula.in_cell(request.units[0])
        if request.cell is None or len(whole) < 2:
            return whole
        one = volume_per_atom(request) * request.composition.size
        deviation = {n: abs(n * one / request.cell.volume - 1) for n in whole}
        near = tuple(n for n in whole if deviation[n] < VOLUME_DEVIATION)
        return near or (min(whole, key=deviation.__getitem__),)

    def _able(self, group: int, counts: UnitCounts, cell: Cell | None) -> bool:
        if cell is not None:
            return bool(len(self._fitting(group, counts, cell)))
        return can_hold_units(group, [unit for unit, _ in counts], [n for _, n in counts])

    def _fitting(self, group: int, counts: UnitCounts, cell: Cell) -> Array:
        """Choices of axes with which a group fits a cell and can hold the units."""
        axes = choices_of_axes(group, cell, tolerance=self.tolerance)
        units = tuple(unit for unit, _ in counts)
        copies = copies_of(group, axes)
        able = [
            k
            for k in np.unique(copies).tolist()
            if all(n % k == 0 for _, n in counts)
            and can_hold_units(group, units, [n // k for _, n in counts])
        ]
        return np.asarray(axes[np.isin(copies, able)])


class RandomUnitsOptions(ConfiguredProposer):
    """Options of :class:`RandomUnitsProposer`."""

    name = "units-random"
    main = "units"
    block: ClassVar[int | None] = 32
    places_units: ClassVar[bool] = True

    units: str | tuple[str, ...] = Field(
        default=(),
        description="Units of the formula, by name or file, such as NH2 or 'NH2,ND.xyz'.",
    )
    attempts: Count = Field(default=ATTEMPTS, description="Most draws for each structure.")
    separation: Positive = Field(
        default=SEPARATION,
        description="Least distance of a metal from other units, as a share of the covalent radii.",
    )
    unbonded: Positive = Field(
        default=UNBONDED,
        description="Least distance of nonmetals of two units, as a share of the covalent radii.",
    )
    min_separations: LeastDistancesField = Field(
        default_factory=LeastDistances,
        description="Least distances, Å, such as {H-O = 1.5}, beside those of the run.",
    )
    volume_spread: Fraction | None = Field(
        default=None,
        description="Fraction by which volumes spread; the run's if not given.",
    )
    tolerance: Fraction = Field(
        default=TOLERANCE,
        description="By how much edges (relative) and angles (radians) of a given cell may differ.",
    )

    def build(self, context: ProposerContext) -> RandomUnitsProposer:
        """See :class:`~gencsp.proposers.base.ConfiguredProposer`.

        Raises:
            UnitError: a unit is not known, or its file cannot be read.
        """
        spread = context.volume_spread if self.volume_spread is None else self.volume_spread
        return RandomUnitsProposer(
            get_units(self.units),
            attempts=self.attempts,
            separation=self.separation,
            unbonded=self.unbonded,
            min_separations=context.min_separations | self.min_separations,
            volume_spread=spread,
            tolerance=self.tolerance,
        )
