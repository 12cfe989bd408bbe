"""The contract between a search and whatever proposes its structures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
from annotated_types import MinLen
from ase import Atoms
from ase.cell import Cell

from gencsp.composition import Composition
from gencsp.deck_base import (
    CellAtoms,
    Count,
    Pressure,
    SpaceGroupNumber,
    VolumePerAtom,
    check,
    check_fields,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to propose.

    Attributes:
        composition: the formula unit.
        n: how many structures.
        units: numbers of formula units allowed in a cell; one is drawn for each structure.
        cell: fixed cell; ``None`` draws one.
        volume_per_atom: Å³/atom; ``None`` predicts it from the composition.
        host: structure whose atoms stay (constrained by ``FixAtoms`` semantics); the proposer adds
            what is missing to reach the composition. ``None`` for none.
        space_groups: space-group numbers to draw from; ``None`` leaves it to the proposer.
        pressure: GPa, for proposers that use it.
    """

    composition: Composition
    n: Count
    units: Annotated[tuple[CellAtoms, ...], MinLen(1)] = (1,)
    cell: Cell | None = None
    volume_per_atom: VolumePerAtom | None = None
    host: Atoms | None = None
    space_groups: Annotated[tuple[SpaceGroupNumber, ...], MinLen(1)] | None = None
    pressure: Pressure = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        check_size(self.composition, self.units)


def check_size(composition: Composition, units: Sequence[int]) -> None:
    """Compare the largest cell, of so many formula units, with what can be held.

    Raises:
        RequestError: there is no number of units, one is not above zero, or a cell is too large.
    """
    check("units", tuple(units), Annotated[tuple[CellAtoms, ...], MinLen(1)])
    check(
        f"the number of atoms in {max(units)} x {composition}",
        composition.size * max(units),
        CellAtoms,
    )


class Proposer(Protocol):
    """Anything that proposes structures.

    ``propose`` yields lazily, one structure at a time, each with exactly the composition asked
    for; a structure that cannot be made is counted in ``failures`` and never ends the run. The
    same generator state gives the same structures.
    """

    name: str
    failures: int

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]: ...
