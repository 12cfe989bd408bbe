"""Crystals of rigid units by a model that was trained on what a search found.

Random crystals of units with their energies train two small networks in minutes
(:mod:`gencsp.proposers.units.bootstrap_model`), which propose others of lower energy.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.cell import Cell
from pydantic import Field

from gencsp import records
from gencsp.composition import Composition
from gencsp.deck import NonNegative
from gencsp.errors import RequestError
from gencsp.proposers.base import ConfiguredProposer, ProposerContext, Request
from gencsp.proposers.checks import has_composition
from gencsp.proposers.drawing import tag_proposal
from gencsp.proposers.units.bootstrap_model import UnitModel
from gencsp.proposers.units.crystal import UNIT, UNIT_ATOM, UNIT_NAMES, UnitCrystal, site
from gencsp.proposers.units.given_cells import (
    Setting,
    choices_of_axes,
    in_given_cell,
    setting_of,
)
from gencsp.proposers.units.record import write_crystal

#: Å and degrees, by which a generated cell may differ from the setting of the one asked for.
_SAME_CELL = 1e-2


class UnitsProposer:
    """Crystals of rigid units by denoising diffusion, pulled towards low energies.

    Args:
        model: trained on crystals of the composition, and in the cell if one is given.
        guidance: strength of the pull, see :meth:`.UnitModel.sample`.
    """

    name = "units"
    inpaints = False

    def __init__(self, model: UnitModel, *, guidance: float = 1.0) -> None:
        self.model = model
        self.guidance = guidance
        self._failures = 0

    @property
    def failures(self) -> int:
        """Structures that could not be made."""
        return self._failures + self.model.failures.total()

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`.

        Raises:
            RequestError: a host or space groups; another composition or number of formula units
                than the model was trained on; a cell where it generates its own, or another one.
        """
        if request.host is not None or request.space_groups is not None:
            raise RequestError(
                "the units proposer makes all atoms, in the space groups of its examples: leave "
                "out host and space groups, or use 'units-random'."
            )
        self._require_composition(request)
        self._require_cell(request)
        return self._propose(request, rng)

    def _propose(self, request: Request, rng: np.random.Generator) -> Iterator[Atoms]:
        made, wanted = 0, request.n
        for crystal in self.model.sample(
            wanted * self.model.settings.attempts, guidance=self.guidance, rng=rng
        ):
            atoms = in_cell(crystal, request.cell)
            if atoms is None or not has_composition(atoms, request.composition, request.units):
                self._failures += 1
                continue
            marked = tag_proposal(atoms, proposer=self.name, model=self.model.digest)
            for array in (UNIT, UNIT_ATOM):
                marked.set_array(array, atoms.get_array(array))
            marked.info[UNIT_NAMES] = atoms.info[UNIT_NAMES]
            marked.info[records.PROPOSED_SPACE_GROUP] = crystal.space_group
            marked.info[records.UNIT_CRYSTAL] = atoms.info[records.UNIT_CRYSTAL]
            yield marked
            made += 1
            if made == wanted:
                return

    def _require_composition(self, request: Request) -> None:
        space = self.model.content.space
        counts: dict[str, float] = {}
        first = space.arrangements[0]
        for orbit in first.orbits:
            multiplicity = site(first.space_group, orbit.letter).multiplicity
            for symbol in space.descriptor.units[orbit.unit].symbols:
                counts[symbol] = counts.get(symbol, 0) + multiplicity
        known = Composition.from_counts(counts).reduced
        if request.composition.reduced != known:
            raise RequestError(
                f"the model of units was trained on {known}, not on {request.composition}: train "
                f"one on crystals of that."
            )

    def _require_cell(self, request: Request) -> None:
        content = self.model.content
        if request.cell is None:
            return
        if not content.space.cell_kept:
            raise RequestError(
                "this model of units generates its cells: leave out the cell, or train one on "
                "crystals in it."
            )
        drawn = {
            (content.space.arrangements[content.which[k]].space_group, tuple(content.cells[k]))
            for k in np.flatnonzero(content.selected)
        }
        if not any(
            _setting(group, Cell.fromcellpar(cell), request.cell) is not None
            for group, cell in drawn
        ):
            raise RequestError(
                "this model of units was trained on crystals in another cell: give that one, or "
                "train one on crystals in this."
            )


class UnitsOptions(ConfiguredProposer):
    """Options of :class:`UnitsProposer`."""

    name = "units"
    main = "weights"
    divides: ClassVar[bool] = False
    places_units: ClassVar[bool] = True

    weights: Path | None = Field(
        default=None, description="File of the trained model; the run's if not given."
    )
    guidance: NonNegative = Field(
        default=1.0, description="Pull towards low energies, per standard deviation; 0 for none."
    )

    def build(self, context: ProposerContext) -> UnitsProposer:
        """See :class:`~gencsp.proposers.base.ConfiguredProposer`.

        Raises:
            WeightsError: no weights are given, or they are damaged or of another model.
        """
        return UnitsProposer(
            UnitModel.load(self.weights or context.weights), guidance=self.guidance
        )


def in_cell(crystal: UnitCrystal, cell: Cell | None) -> Atoms | None:
    """A crystal in the cell that was asked for, which says what it is; ``None`` where none fits.

    Args:
        crystal: of rigid units.
        cell: given; ``None`` for the crystal's own primitive cell.
    """
    if cell is None:
        return write_crystal(crystal.atoms(), crystal)
    setting = _setting(crystal.space_group, crystal.cell, cell)
    if setting is None:
        return None
    return write_crystal(in_given_cell(crystal, setting), crystal, setting)


def _setting(space_group: int, conventional: Cell, cell: Cell) -> Setting | None:
    """How a conventional cell lies in one that is given; ``None`` where it does not."""
    for axes in choices_of_axes(space_group, cell):
        setting = setting_of(space_group, cell, axes)
        off = setting.conventional.cellpar() - conventional.cellpar()
        if np.abs(off).max() < _SAME_CELL:
            return setting
    return None
