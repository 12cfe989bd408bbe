"""Where a search looks: one composition, or every one of a chemical system or a tie-line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from annotated_types import MinLen
from ase import Atoms
from ase.cell import Cell

from gencsp.composition import Composition
from gencsp.convex_hull.end_members import EndMembers
from gencsp.deck import Pressure, SpaceGroupNumber, VolumePerAtom, check_fields
from gencsp.proposers.base import Request
from gencsp.searches.compositions import (
    ChemicalSystem,
    Choice,
    Compositions,
    OneComposition,
    draw_below,
)
from gencsp.searches.tie_line import compositions_between
from gencsp.store.base import Scalar

#: Å: cells that differ by less are the same cell.
SAME_CELL = 1e-3
#: Structures of one composition that are proposed together, where there are several.
TOGETHER = 4

CellRows = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Compositions, sizes and cells that a search may visit.

    It goes to the workers with every trial, so it holds rules and no lists. Make one with
    :meth:`fixed` or :meth:`system`.

    Attributes:
        compositions: reduced formulas, each with the numbers of formula units allowed in a cell.
        cell: the cell of every structure, rows in Å; ``None`` leaves it free.
        volume_per_atom: of proposed structures, Å³/atom; ``None`` predicts it.
        space_groups: numbers of the space groups to propose in; ``None`` for the proposer's own.
        pressure: GPa.
    """

    compositions: Compositions
    cell: CellRows | None = None
    volume_per_atom: VolumePerAtom | None = None
    space_groups: Annotated[tuple[SpaceGroupNumber, ...], MinLen(1)] | None = None
    pressure: Pressure = 0.0

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def fixed(
        cls,
        composition: Composition,
        *,
        units: Iterable[int],
        cell: Cell | None = None,
        volume_per_atom: float | None = None,
        space_groups: tuple[int, ...] | None = None,
        pressure: float = 0.0,
    ) -> Self:
        """One composition, reduced, with the numbers of formula units allowed in a cell.

        Raises:
            RequestError: no formula units.
        """
        return cls(
            compositions=OneComposition(composition.reduced, tuple(units)),
            cell=None if cell is None else _rows(cell),
            volume_per_atom=volume_per_atom,
            space_groups=space_groups,
            pressure=pressure,
        )

    @classmethod
    def system(
        cls,
        members: EndMembers | Sequence[str],
        *,
        max_atoms: int,
        min_atoms: int = 2,
        volume_per_atom: float | None = None,
        space_groups: tuple[int, ...] | None = None,
        pressure: float = 0.0,
    ) -> Self:
        """All compositions of at least two of the end members, in cells of so many atoms.

        Args:
            members: compounds, or elements, which may be given as symbols.
            max_atoms: in a cell.
            min_atoms: in a cell.
            volume_per_atom: of proposed structures, Å³/atom.
            space_groups: to propose in.
            pressure: GPa.

        Raises:
            RequestError: fewer than two elements, an unknown one, or no composition that fits.
        """
        if isinstance(members, EndMembers):
            found = compositions_between(members, min_atoms=min_atoms, max_atoms=max_atoms)
        else:
            found = ChemicalSystem.of(tuple(members), min_atoms=min_atoms, max_atoms=max_atoms)
        return cls(
            compositions=found,
            volume_per_atom=volume_per_atom,
            space_groups=space_groups,
            pressure=pressure,
        )

    @property
    def elements(self) -> tuple[str, ...]:
        """Of all compositions."""
        return self.compositions.elements

    @property
    def variable(self) -> bool:
        """Whether there is more than one composition."""
        return self.compositions.number > 1

    @property
    def members(self) -> EndMembers | None:
        """The end members of a system; ``None`` where there is one composition."""
        return self.compositions.members if self.variable else None

    @property
    def free_elements(self) -> tuple[str, ...]:
        """Elements that moves may exchange, add and leave out; none but in a chemical system."""
        return self.elements if self.members is not None and self.members.of_elements else ()

    @property
    def name(self) -> str:
        """``Li5Si2``, ``Li-Si`` or ``ZnS-P2S5``."""
        return self.compositions[0][0].formula if self.members is None else self.members.name

    @property
    def max_atoms(self) -> int:
        """Atoms in the largest cell."""
        return max(self.compositions.sizes)

    def allows(self, atoms: Atoms) -> bool:
        """Whether a structure has a composition, size and cell of this space."""
        return self.allows_counts(atoms) and self.allows_cell(atoms)

    def allows_counts(self, atoms: Atoms) -> bool:
        """Whether a structure has the right atoms."""
        return self.compositions.allow(atoms.symbols.formula.count())

    def allows_cell(self, atoms: Atoms) -> bool:
        """Whether a structure has the cell, where one is fixed."""
        return self.cell is None or bool(
            np.allclose(atoms.cell.array, self.cell, rtol=0, atol=SAME_CELL)
        )

    def requests(self, n: int, *, rng: np.random.Generator) -> list[Request]:
        """Requests for n structures; of several formulas each is equally likely."""
        if not self.variable:
            return [self._request(self.compositions[0], n)]
        number = self.compositions.number
        return [
            self._request(self.compositions[draw_below(number, rng=rng)], min(TOGETHER, n - start))
            for start in range(0, n, TOGETHER)
        ]

    def manifest(self) -> dict[str, Scalar | Sequence[Scalar] | None]:
        """The settings that identify the space, as a flat dictionary."""
        return {
            "space": self.name,
            "sizes": list(self.compositions.sizes),
            "cell": None if self.cell is None else [x for row in self.cell for x in row],
            "volume_per_atom": self.volume_per_atom,
            "space_groups": None if self.space_groups is None else list(self.space_groups),
        }

    def _request(self, choice: Choice, n: int) -> Request:
        composition, units = choice
        return Request(
            composition=composition,
            n=n,
            units=units,
            cell=None if self.cell is None else Cell(np.array(self.cell)),
            volume_per_atom=self.volume_per_atom,
            space_groups=self.space_groups,
            pressure=self.pressure,
        )


def _rows(cell: Cell) -> CellRows:
    a, b, c = ((float(x), float(y), float(z)) for x, y, z in cell.array)
    return (a, b, c)
