"""Settings of a model of crystals of units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from gencsp.deck import Count, Fraction, Natural, Positive, SomeShare, Symprec, check_fields
from gencsp.descriptors.least_distances import NO_PAIRS, LeastDistances
from gencsp.diffusion.units.periodic import PartlyPeriodic, WrappedSchedule
from gencsp.diffusion.units.schedule import LinearSchedule, Schedule
from gencsp.diffusion.units.training import UnitTraining
from gencsp.proposers.units.checks import SYMPREC
from gencsp.proposers.units.descriptor import Encoding
from gencsp.proposers.units.separations import SEPARATION, UNBONDED

#: Whether the cell is generated, or kept from the example whose arrangement a crystal takes. "auto"
#: keeps it where the examples share their cells, half as many or fewer than there are examples: a
#: search within the cell of an indexed powder pattern, in the settings of its space groups.
CellRule = Literal["auto", "generated", "kept"]
#: How the arrangement of a crystal is drawn: as often as examples have it, or these weighted by
#: exp(-s E) of the guidance s, as guidance weights all else.
ArrangementRule = Literal["energy", "frequency"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitModelSettings:
    """How a model of crystals of units is trained, sampled, and its crystals are filtered.

    Attributes:
        encoding: how coordinates and orientations are written
            (:mod:`gencsp.proposers.units.descriptor`).
        cell: see :data:`CellRule`.
        arrangements: see :data:`ArrangementRule`. Space groups and Wyckoff positions are discrete,
            so that no gradient moves them; the supplement does not say how they are chosen.
        learn_from: share of the examples, those of lowest energy, that the noise network learns
            from and that arrangements and kept cells are drawn from
            (:mod:`gencsp.proposers.units.selection`). The energy network learns from all.
        schedule: of the noise.
        sigma_first, sigma_last: of the noise of periodic numbers (encoding ``wrapped``), periods
            (:class:`~gencsp.diffusion.units.periodic.WrappedSchedule`).
        training: of the networks.
        layers, noise_width, energy_width: of the networks (supplement).
        separation, unbonded: least distances of atoms of different units as shares of the sum of
            covalent radii, of pairs with a metal and of two nonmetals.
        separations: least distances of pairs of elements, in their place.
        push_steps: most steps in which units that are too close are pushed apart
            (:mod:`gencsp.proposers.units.push_apart`); 0 for none, as in the supplement.
        symprec: tolerance within which spglib must find the space group, Å.
        attempts: most vectors that are sampled for each crystal that is asked for.
        batch_size: vectors sampled together; it takes part in the numbers drawn.

    Raises:
        RequestError: a setting out of its range.
    """

    encoding: Encoding = "rotation"
    cell: CellRule = "auto"
    arrangements: ArrangementRule = "energy"
    learn_from: SomeShare = 0.25
    schedule: LinearSchedule = field(default_factory=LinearSchedule)
    sigma_first: Positive = 0.005
    sigma_last: Fraction = 0.5
    training: UnitTraining = field(default_factory=UnitTraining)
    layers: Count = 3
    noise_width: Count = 64
    energy_width: Count = 128
    separation: Positive = SEPARATION
    unbonded: Positive = UNBONDED
    separations: LeastDistances = NO_PAIRS
    push_steps: Natural = 40
    symprec: Symprec = SYMPREC
    attempts: Count = 20
    batch_size: Count = 128

    def __post_init__(self) -> None:
        check_fields(self)
        self.noise_of(())  # which refuses noise that shrinks

    def noise_of(self, periodic: Sequence[int]) -> Schedule:
        """The noise of vectors some numbers of which are periodic, by their indices."""
        wrapped = WrappedSchedule(
            steps=self.schedule.steps, sigma_first=self.sigma_first, sigma_last=self.sigma_last
        )
        if not periodic:
            return self.schedule
        return PartlyPeriodic(self.schedule, wrapped, torch.tensor(periodic))
