"""Relaxation in flight: converged structures leave the batch, new ones enter.

Works with any engine that evaluates a batch; minimisers see generalised coordinates only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from gencsp.relax.cell import cell_forces, largest_row
from gencsp.relax.coordinates import Coordinates, cell_row_mask
from gencsp.relax.crystals import Crystals, Evaluate, FloatArray, Values
from gencsp.relax.minimisers import BatchMinimiser, make_minimiser
from gencsp.relax.restraints import NoSymmetryFound, Restraints
from gencsp.relax.result import Outcome, Relaxed
from gencsp.relax.settings import RelaxSettings
from gencsp.relax.verdicts import MIN_DISTANCE, check_input, is_hopeless


@dataclass(slots=True)
class _Job:
    """One structure in flight."""

    index: int
    source: Atoms
    restraints: Restraints
    size: int
    started: float = field(default_factory=time.monotonic)
    steps: int = 0
    enthalpies: list[float] = field(default_factory=list)


def relax_in_flight(
    structures: Iterable[Atoms], settings: RelaxSettings, evaluate: Evaluate, *, max_atoms: int
) -> Iterator[Relaxed]:
    """Relax a stream of structures with at most ``max_atoms`` atoms in flight (or one structure).

    Yields each structure as it finishes; reads the stream only as room comes free.

    Raises:
        ConstraintError: a structure has constraints other than ``FixAtoms`` and ``FixSymmetry``.
    """
    waiting = enumerate(structures)
    minimiser = make_minimiser(settings.minimiser)
    jobs: list[_Job] = []
    coordinates: Coordinates | None = None
    exhausted = False
    while True:
        entering: list[_Job] = []
        starts: list[Atoms] = []
        flying = sum(job.size for job in jobs)
        while not exhausted and flying < max_atoms:
            following = next(waiting, None)
            if following is None:
                exhausted = True
                break
            job, start = _enter(*following, settings)
            if isinstance(job, Relaxed):
                yield job
                continue
            entering.append(job)
            starts.append(start)
            flying += job.size
        if entering:
            jobs += entering
            new = Coordinates.of(starts)
            coordinates = new if coordinates is None else coordinates.join(new)
            minimiser.join(new.sizes + 3)
        if not jobs or coordinates is None:
            return
        coordinates, flags, done = _advance(jobs, coordinates, minimiser, settings, evaluate)
        jobs = [job for job, stays in zip(jobs, flags, strict=True) if stays]
        yield from done


def _enter(
    index: int, source: Atoms, settings: RelaxSettings
) -> tuple[_Job, Atoms] | tuple[Relaxed, None]:
    """The job and start of a structure, or the verdict that it cannot even start."""
    failure = check_input(source)
    if failure is None:
        try:
            restraints, start = Restraints.of(source, settings)
        except NoSymmetryFound:
            failure = Outcome.BAD_INPUT
        else:
            return _Job(index, source, restraints, len(source)), start
    return failed(index, source.copy(), failure), None


def _advance(
    jobs: list[_Job],
    coordinates: Coordinates,
    minimiser: BatchMinimiser,
    settings: RelaxSettings,
    evaluate: Evaluate,
) -> tuple[Coordinates, NDArray[np.bool_], list[Relaxed]]:
    """One force call and one step for all; what stays, and what has finished."""
    crystals, deformations = coordinates.crystals()
    values = evaluate(crystals)
    pressure = settings.pressure * units.GPa
    enthalpies = values.energies + pressure * np.abs(np.linalg.det(crystals.cells))
    forces = _generalised(jobs, coordinates, crystals, deformations, values, settings)
    fmax = largest_row(forces, crystals.sizes + 3)
    outcomes = [
        _judge(job, values, i, float(enthalpies[i]), float(fmax[i]), settings)
        for i, job in enumerate(jobs)
    ]
    done = [
        _finish(jobs[i], crystals, values, i, float(enthalpies[i]), float(fmax[i]), outcome)
        for i, outcome in enumerate(outcomes)
        if outcome is not None
    ]
    stays = np.array([outcome is None for outcome in outcomes], dtype=np.bool_)
    minimiser.take(stays)
    coordinates = coordinates.take(stays)
    if stays.any():
        forces = forces[np.repeat(stays, crystals.sizes + 3)]
        coordinates = coordinates.moved(minimiser.step(forces, enthalpies[stays]))
        for i in np.flatnonzero(stays):
            jobs[i].steps += 1
    return coordinates, stays, done


def _generalised(
    jobs: list[_Job],
    coordinates: Coordinates,
    crystals: Crystals,
    deformations: FloatArray,
    values: Values,
    settings: RelaxSettings,
) -> FloatArray:
    """Generalised forces (r, 3) in eV/Å: each crystal's atoms, then the three rows of its cell."""
    forces, stresses = values.forces.copy(), values.stresses.copy()
    ends = np.cumsum(crystals.sizes)
    for i, job in enumerate(jobs):
        if not job.restraints.idle and values.failures[i] is None:
            rows = slice(int(ends[i] - job.size), int(ends[i]))
            forces[rows], stresses[i] = job.restraints.project(
                crystals.cells[i], forces[rows], stresses[i]
            )
    cell_rows = cell_row_mask(crystals.sizes)
    out = np.zeros((len(cell_rows), 3))
    if settings.fixed_cell:
        out[~cell_rows] = forces
        return out
    out[~cell_rows] = np.einsum("ni,nij->nj", forces, deformations[crystals.owner])
    # Failed crystals carry NaN, which the matrix exponential refuses; their rows are never used.
    sound = np.isfinite(stresses).all(axis=(1, 2))
    by_cell = np.full_like(stresses, np.nan)
    by_cell[sound] = cell_forces(
        coordinates.logarithms[sound],
        deformations[sound],
        crystals.cells[sound],
        stresses[sound],
        settings.pressure * units.GPa,
    )
    out[cell_rows] = (by_cell / crystals.sizes[:, None, None]).reshape(-1, 3)
    return out


def _judge(
    job: _Job, values: Values, i: int, enthalpy: float, fmax: float, settings: RelaxSettings
) -> Outcome | None:
    """The verdict on a structure after a force call, or ``None`` to go on."""
    failure = values.failures[i]
    if failure is not None:
        return failure
    if not (np.isfinite(enthalpy) and np.isfinite(fmax)):
        return Outcome.NOT_FINITE
    if fmax < settings.fmax:
        return Outcome.EXPLODED if values.closest[i] < MIN_DISTANCE else Outcome.CONVERGED
    if settings.ceiling is not None:
        job.enthalpies.append(enthalpy / job.size)
        if is_hopeless(job.enthalpies, settings.ceiling):
            return Outcome.HOPELESS
    if job.steps >= settings.steps:
        return Outcome.STEP_LIMIT
    if settings.time_limit is not None and time.monotonic() - job.started > settings.time_limit:
        return Outcome.TIME_LIMIT
    return None


def _finish(
    job: _Job,
    crystals: Crystals,
    values: Values,
    i: int,
    enthalpy: float,
    fmax: float,
    outcome: Outcome,
) -> Relaxed:
    stop = int(crystals.sizes[: i + 1].sum())
    rows = slice(stop - job.size, stop)
    atoms = job.source.copy()
    atoms.set_constraint()
    atoms.set_cell(crystals.cells[i])
    atoms.set_positions(crystals.positions[rows])
    atoms.set_constraint(job.source.constraints)
    if values.failures[i] is not None or not np.isfinite(enthalpy):
        return failed(job.index, atoms, outcome, steps=job.steps)
    energy = float(values.energies[i])
    stress = np.asarray(full_3x3_to_voigt_6_stress(values.stresses[i]))
    atoms.calc = SinglePointCalculator(
        atoms,
        energy=energy,
        free_energy=energy,
        forces=values.forces[rows].copy(),
        stress=stress,
    )
    return Relaxed(
        index=job.index,
        atoms=atoms,
        energy=energy,
        enthalpy=enthalpy,
        fmax=fmax,
        stress=stress,
        steps=job.steps,
        outcome=outcome,
    )


def failed(index: int, atoms: Atoms, outcome: Outcome, *, steps: int = 0) -> Relaxed:
    """What is left of a structure that could not be evaluated: no numbers, only the verdict."""
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
    )
