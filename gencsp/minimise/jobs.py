"""Structures in flight: the present point of each, and its result at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from gencsp.errors import ConstraintError, UnitError
from gencsp.minimise.crystals import Crystals, FloatArray, Values
from gencsp.minimise.restraints import NoSymmetryFound, Restraints
from gencsp.minimise.result import Outcome, Relaxed
from gencsp.minimise.rigid import require_holdable
from gencsp.minimise.settings import RelaxSettings
from gencsp.minimise.verdicts import check_input


@dataclass(frozen=True, slots=True)
class Place:
    """The point that a relaxation has reached, in eV and Å."""

    cell: FloatArray
    positions: FloatArray
    energy: float
    enthalpy: float
    fmax: float
    forces: FloatArray
    stress: FloatArray
    closest: float
    magmoms: FloatArray | None = None


@dataclass(slots=True)
class Relaxation:
    """One structure in flight.

    Attributes:
        index: its number.
        source: as it was given.
        restraints: what holds it.
        size: number of its atoms.
        started: time of the start, s.
        steps: that were made.
        place: the last point that was accepted.
        enthalpies: of all accepted points, eV/atom, where a ceiling needs them.
        path: structures of all accepted points, where paths are kept.
        lowest: the accepted point of least enthalpy.
        frames: of the path, up to that point.
    """

    index: int
    source: Atoms
    restraints: Restraints
    size: int
    started: float = field(default_factory=time.monotonic)
    steps: int = 0
    place: Place | None = None
    enthalpies: list[float] = field(default_factory=list)
    path: list[Atoms] = field(default_factory=list)
    lowest: Place | None = None
    frames: int = 0

    def arrive(self, place: Place, *, keep_path: bool) -> None:
        """Go on to a point that the minimiser accepted."""
        self.place = place
        if keep_path:
            self.path.append(structure_at(self, place))
        if self.lowest is None or place.enthalpy < self.lowest.enthalpy:
            self.lowest, self.frames = place, len(self.path)

    def return_to_lowest(self) -> None:
        """Go back to the lowest point; the path ends there."""
        self.place = self.lowest
        del self.path[self.frames :]


def enter(index: int, source: Atoms, settings: RelaxSettings) -> tuple[Restraints, Atoms] | Relaxed:
    """Restraints and starting structure; or the result that says why it cannot be relaxed."""
    verdict = check_input(source)
    if verdict is not None:
        return failed(index, source.copy(), verdict)
    try:
        restraints, start = Restraints.of(source, settings)
        if settings.rigid_units:
            require_holdable(start, restraints, fixed_cell=settings.fixed_cell)
    except NoSymmetryFound:
        return failed(index, source.copy(), Outcome.BAD_INPUT)
    except ConstraintError as error:
        return failed(index, source.copy(), Outcome.CONSTRAINED, reason=str(error))
    except UnitError as error:
        return failed(index, source.copy(), Outcome.BAD_INPUT, reason=str(error))
    return restraints, start


def place_of(
    job: Relaxation, crystals: Crystals, values: Values, i: int, enthalpy: float, fmax: float
) -> Place:
    """Point ``i`` of a batch, with its enthalpy (eV) and largest force (eV/Å)."""
    rows = _rows(job, crystals, i)
    return Place(
        cell=crystals.cells[i],
        positions=crystals.positions[rows],
        energy=float(values.energies[i]),
        enthalpy=enthalpy,
        fmax=fmax,
        forces=values.forces[rows].copy(),
        stress=values.stresses[i],
        closest=float(values.closest[i]),
        magmoms=None if values.magmoms is None else values.magmoms[rows].copy(),
    )


def _rows(job: Relaxation, crystals: Crystals, i: int) -> slice:
    stop = int(crystals.sizes[: i + 1].sum())
    return slice(stop - job.size, stop)


def _moved(job: Relaxation, cell: FloatArray, positions: FloatArray) -> Atoms:
    """The structure of a relaxation with other positions and another cell."""
    atoms: Atoms = job.source.copy()
    atoms.set_constraint()
    atoms.set_cell(cell)
    atoms.set_positions(positions)
    atoms.set_constraint(job.source.constraints)
    return atoms


def dead_end(job: Relaxation, crystals: Crystals, i: int, outcome: Outcome) -> Relaxed:
    """The result of structure ``i`` of a batch, whose present point could not be evaluated."""
    atoms = _moved(job, crystals.cells[i], crystals.positions[_rows(job, crystals, i)])
    return failed(job.index, atoms, outcome, steps=job.steps)


def structure_at(job: Relaxation, place: Place) -> Atoms:
    """The structure at a point of its path, with energy, forces, stress and moments there."""
    atoms = _moved(job, place.cell, place.positions)
    stress = np.asarray(full_3x3_to_voigt_6_stress(place.stress))
    atoms.calc = SinglePointCalculator(
        atoms,
        energy=place.energy,
        free_energy=place.energy,
        forces=place.forces,
        stress=stress,
        **({} if place.magmoms is None else {"magmoms": place.magmoms}),
    )
    return atoms


def finish(job: Relaxation, outcome: Outcome) -> Relaxed:
    """The result at the last point that the minimiser accepted."""
    place = job.place
    assert place is not None, "the start has been evaluated"
    return Relaxed(
        index=job.index,
        atoms=structure_at(job, place),
        energy=place.energy,
        enthalpy=place.enthalpy,
        fmax=place.fmax,
        stress=np.asarray(full_3x3_to_voigt_6_stress(place.stress)),
        steps=job.steps,
        outcome=outcome,
    )


def failed(
    index: int, atoms: Atoms, outcome: Outcome, *, steps: int = 0, reason: str = ""
) -> Relaxed:
    """The result of a structure that could not be evaluated: an outcome without energies."""
    atoms.calc = None
    nan = float("nan")
    return Relaxed(
        index=index,
        atoms=atoms,
        energy=nan,
        enthalpy=nan,
        fmax=nan,
        stress=np.full(6, np.nan),
        steps=steps,
        outcome=outcome,
        reason=reason,
    )
