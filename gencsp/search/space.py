"""Where a search looks: one composition, or every composition of a chemical system."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import gcd
from typing import Annotated, Self

import numpy as np
from annotated_types import MinLen
from ase import Atoms
from ase.cell import Cell

from gencsp.composition import ELEMENTS, Composition
from gencsp.deck_base import Pressure, SpaceGroupNumber, VolumePerAtom, check_fields
from gencsp.errors import RequestError
from gencsp.proposers.base import Request, check_size
from gencsp.store.base import Scalar

#: Å: cells that differ by less are the same cell.
SAME_CELL = 1e-3
#: Structures of one composition that are proposed together in a chemical system.
TOGETHER = 4

CellRows = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Compositions, sizes and cells that a search may visit.

    Make one with :meth:`fixed` or :meth:`system`.

    Attributes:
        compositions: reduced formulas, each with the numbers of formula units allowed in a cell.
        elements: of all of them.
        cell: the cell that every structure has, rows in Å; ``None`` leaves it free.
        volume_per_atom: Å³/atom to propose at; ``None`` predicts it.
        space_groups: to propose in; ``None`` leaves it to the proposer.
        pressure: GPa.
    """

    compositions: tuple[tuple[Composition, tuple[int, ...]], ...]
    elements: tuple[str, ...]
    cell: CellRows | None = None
    volume_per_atom: VolumePerAtom | None = None
    space_groups: Annotated[tuple[SpaceGroupNumber, ...], MinLen(1)] | None = None
    pressure: Pressure = 0.0
    _allowed: frozenset[tuple[tuple[str, int], ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_fields(self)
        for composition, units in self.compositions:
            check_size(composition, units)
        allowed = frozenset(
            tuple(sorted((symbol, n * unit) for symbol, n in composition.counts))
            for composition, units in self.compositions
            for unit in units
        )
        object.__setattr__(self, "_allowed", allowed)

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
        """One composition, reduced, with the numbers of formula units allowed in a cell."""
        reduced = composition.reduced
        return cls(
            compositions=((reduced, tuple(units)),),
            elements=reduced.elements,
            cell=None if cell is None else _rows(cell),
            volume_per_atom=volume_per_atom,
            space_groups=space_groups,
            pressure=pressure,
        )

    @classmethod
    def system(
        cls,
        elements: Sequence[str],
        *,
        max_atoms: int,
        min_atoms: int = 2,
        volume_per_atom: float | None = None,
        space_groups: tuple[int, ...] | None = None,
        pressure: float = 0.0,
    ) -> Self:
        """All compositions of at least two of the elements, in cells of so many atoms.

        Raises:
            RequestError: fewer than two elements, an unknown one, or no room for two atoms.
        """
        names = tuple(dict.fromkeys(elements))
        unknown = [symbol for symbol in names if symbol not in ELEMENTS]
        if unknown or len(names) < 2:
            raise RequestError(
                f"'{'-'.join(elements)}' is not a chemical system: write two elements or more, "
                f"such as Li-Si."
            )
        if max_atoms < max(2, min_atoms):
            raise RequestError(
                f"cells of {min_atoms} to {max_atoms} atoms hold no compound: allow more atoms."
            )
        compositions = tuple(_compounds(names, min_atoms, max_atoms))
        return cls(
            compositions=compositions,
            elements=names,
            volume_per_atom=volume_per_atom,
            space_groups=space_groups,
            pressure=pressure,
        )

    @property
    def variable(self) -> bool:
        """Whether there is more than one composition."""
        return len(self.compositions) > 1

    @property
    def name(self) -> str:
        """``Li5Si2`` or ``Li-Si``."""
        if self.variable:
            return "-".join(self.elements)
        return self.compositions[0][0].formula

    @property
    def max_atoms(self) -> int:
        """Atoms in the largest cell."""
        return max(composition.size * max(units) for composition, units in self.compositions)

    def allows(self, atoms: Atoms) -> bool:
        """Whether a structure has a composition, size and cell of this space."""
        return self.allows_counts(atoms) and self.allows_cell(atoms)

    def allows_counts(self, atoms: Atoms) -> bool:
        """Whether a structure has the right atoms."""
        counts = atoms.symbols.formula.count()
        return tuple(sorted(counts.items())) in self._allowed

    def allows_cell(self, atoms: Atoms) -> bool:
        """Whether a structure has the cell, where one is fixed."""
        return self.cell is None or bool(
            np.allclose(atoms.cell.array, self.cell, rtol=0, atol=SAME_CELL)
        )

    def requests(self, n: int, *, rng: np.random.Generator) -> list[Request]:
        """What to ask of a proposer for n structures; compositions of a system are drawn evenly."""
        if not self.variable:
            return [self._request(0, n)]
        sizes = [min(TOGETHER, n - start) for start in range(0, n, TOGETHER)]
        return [self._request(int(rng.integers(len(self.compositions))), size) for size in sizes]

    def manifest(self) -> dict[str, Scalar | Sequence[Scalar] | None]:
        """What makes it this space, flat."""
        sizes = sorted({c.size * unit for c, units in self.compositions for unit in units})
        return {
            "space": self.name,
            "sizes": sizes,
            "cell": None if self.cell is None else [x for row in self.cell for x in row],
            "volume_per_atom": self.volume_per_atom,
            "space_groups": None if self.space_groups is None else list(self.space_groups),
        }

    def _request(self, index: int, n: int) -> Request:
        composition, units = self.compositions[index]
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


def _compounds(
    elements: tuple[str, ...], min_atoms: int, max_atoms: int
) -> Iterable[tuple[Composition, tuple[int, ...]]]:
    """Reduced formulas of at least two elements and the numbers of units that fit, by size."""
    counts = product(range(max_atoms), repeat=len(elements))
    for numbers in sorted(counts, key=lambda numbers: (sum(numbers), numbers)):
        if sum(n > 0 for n in numbers) < 2 or sum(numbers) > max_atoms or gcd(*numbers) > 1:
            continue
        units = range(-(-min_atoms // sum(numbers)), max_atoms // sum(numbers) + 1)
        if units:
            present = zip(elements, numbers, strict=True)
            yield Composition(tuple((s, n) for s, n in present if n)), tuple(units)
