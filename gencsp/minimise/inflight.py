"""Relaxation in flight: converged structures leave the batch, new ones enter.

Works with any engine that evaluates a batch; minimisers see generalised coordinates only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from gencsp.minimise.cell import cell_forces, largest_row
from gencsp.minimise.coordinates import Coordinates, cell_row_mask
from gencsp.minimise.crystals import Crystals, Evaluate, FloatArray, Values
from gencsp.minimise.jobs import Relaxation, dead_end, enter, finish, place_of, structure_at
from gencsp.minimise.minimisers import MINIMISERS, BatchMinimiser
from gencsp.minimise.quasi_newton import Point
from gencsp.minimise.result import Outcome, PathCallback, Relaxed, StepCallback
from gencsp.minimise.settings import RelaxSettings
from gencsp.minimise.verdicts import check_distances, is_hopeless


def relax_in_flight(
    structures: Iterable[Atoms],
    settings: RelaxSettings,
    evaluate: Evaluate,
    *,
    max_atoms: int,
    first: int = 0,
    on_step: StepCallback | None = None,
    on_path: PathCallback | None = None,
) -> Iterator[Relaxed]:
    """Relax a stream of structures with at most ``max_atoms`` atoms in flight (or one structure).

    Yields each structure as it finishes; reads the stream only as room comes free. The structures
    are numbered from ``first``. ``on_step`` is called at every step, ``on_path`` with the path of
    each structure when it is done. A structure whose constraints cannot be held is returned with
    the reason.
    """
    waiting = enumerate(structures, first)
    minimiser = MINIMISERS.make(settings.minimiser)
    watchers = Watchers(on_step, on_path)
    jobs: list[Relaxation] = []
    coordinates: Coordinates | None = None
    exhausted = False
    while True:
        entering: list[Relaxation] = []
        starts: list[Atoms] = []
        flying = sum(job.size for job in jobs)
        while not exhausted and flying < max_atoms:
            following = next(waiting, None)
            if following is None:
                exhausted = True
                break
            entered = enter(*following, settings)
            if isinstance(entered, Relaxed):
                yield entered
                continue
            restraints, start = entered
            job = Relaxation(following[0], following[1], restraints, len(start))
            entering.append(job)
            starts.append(start)
            flying += job.size
        if entering:
            jobs += entering
            new = Coordinates.of(starts)
            coordinates = new if coordinates is None else coordinates.join(new)
            minimiser.join(new.sizes, np.abs(np.linalg.det(new.references)))
        if not jobs or coordinates is None:
            return
        coordinates, flags, done = _advance(
            jobs, coordinates, minimiser, settings, evaluate, watchers
        )
        jobs = [job for job, stays in zip(jobs, flags, strict=True) if stays]
        yield from done


@dataclass(frozen=True, slots=True)
class Watchers:
    """Callbacks: of every step, and of whole paths."""

    on_step: StepCallback | None = None
    on_path: PathCallback | None = None


def _advance(
    jobs: list[Relaxation],
    coordinates: Coordinates,
    minimiser: BatchMinimiser,
    settings: RelaxSettings,
    evaluate: Evaluate,
    watchers: Watchers,
) -> tuple[Coordinates, NDArray[np.bool_], list[Relaxed]]:
    """One force call and one step for all; returns those that go on and those that finished."""
    crystals, deformations = coordinates.crystals()
    values = evaluate(crystals)
    pressure = settings.pressure * units.GPa
    enthalpies = values.energies + pressure * np.abs(np.linalg.det(crystals.cells))
    forces = _generalised(jobs, coordinates, crystals, deformations, values, settings)
    fmax = largest_row(forces, crystals.sizes + 3)
    enthalpies[~np.isfinite(fmax) | [failure is not None for failure in values.failures]] = np.nan
    done: list[Relaxed] = []
    stays = np.ones(len(jobs), dtype=np.bool_)
    for i, (job, point) in enumerate(zip(jobs, minimiser.judge(forces, enthalpies), strict=True)):
        failure = _failure(point, values.failures[i])
        if failure is not None:
            done.append(dead_end(job, crystals, i, failure))
            stays[i] = False
            continue
        if point is Point.ACCEPTED:
            job.place = place_of(job, crystals, values, i, float(enthalpies[i]), float(fmax[i]))
            if watchers.on_path is not None:
                job.path.append(structure_at(job, job.place))
        outcome = _judge(job, point, settings, watchers.on_step)
        if outcome is not None:
            done.append(finish(job, outcome))
            stays[i] = False
    if watchers.on_path is not None:
        for job in (job for job, goes_on in zip(jobs, stays, strict=True) if not goes_on):
            watchers.on_path(job.index, job.path)
    minimiser.take(stays)
    coordinates = coordinates.take(stays)
    if stays.any():
        coordinates = coordinates.moved(minimiser.step())
        for job, goes_on in zip(jobs, stays, strict=True):
            job.steps += bool(goes_on)
    return coordinates, stays, done


def _generalised(
    jobs: list[Relaxation],
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


def _failure(point: Point, failure: Outcome | None) -> Outcome | None:
    """The verdict where a force call left no way on. A cell that has exploded has none at once."""
    if point is Point.DEAD_END:
        return failure or Outcome.NOT_FINITE
    return failure if failure is Outcome.EXPLODED else None


def _judge(
    job: Relaxation, point: Point, settings: RelaxSettings, on_step: StepCallback | None
) -> Outcome | None:
    """The verdict on a structure after a force call, or ``None`` to go on."""
    place = job.place
    if point is Point.ACCEPTED and place is not None:
        if on_step is not None:
            answer = on_step(job.index, job.steps, place.energy, place.fmax)
            if answer is not None and not answer:
                return Outcome.STOPPED
        if place.fmax < settings.fmax:
            return check_distances(place.closest, Outcome.CONVERGED)
        if settings.ceiling is not None:
            job.enthalpies.append(place.enthalpy / job.size)
            if is_hopeless(job.enthalpies, settings.ceiling):
                return Outcome.HOPELESS
    closest = math.inf if place is None else place.closest
    if job.steps >= settings.steps:
        return check_distances(closest, Outcome.STEP_LIMIT)
    if settings.time_limit is not None and time.monotonic() - job.started > settings.time_limit:
        return check_distances(closest, Outcome.TIME_LIMIT)
    return None
