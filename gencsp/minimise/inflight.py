"""Relaxation in flight: converged structures leave the batch, new ones enter.

Works with any engine that evaluates a batch; minimisers see generalised coordinates only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from gencsp.minimise.cell import largest_row
from gencsp.minimise.coordinates import Coordinates, Motion
from gencsp.minimise.crystals import Crystals, Evaluate, FloatArray, Values
from gencsp.minimise.jobs import Relaxation, dead_end, enter, finish, place_of
from gencsp.minimise.minimisers import MINIMISERS, BatchMinimiser
from gencsp.minimise.quasi_newton import Point
from gencsp.minimise.result import Outcome, PathCallback, Relaxed, StepCallback
from gencsp.minimise.rigid import RigidCoordinates
from gencsp.minimise.settings import RelaxSettings
from gencsp.minimise.stages import Stage, judge_units, stage_settings, two_stages
from gencsp.minimise.verdicts import check_distances, is_hopeless

M = TypeVar("M", bound=Motion)


@dataclass(frozen=True, slots=True)
class Watchers:
    """Callbacks: of every step, and of whole paths."""

    on_step: StepCallback | None = None
    on_path: PathCallback | None = None


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
    the reason. Where units are to be rigid at first, both stages are made.
    """
    if settings.rigid_units:
        yield from two_stages(
            structures,
            rigid_stage(settings, evaluate, max_atoms=max_atoms),
            _stage(stage_settings(settings)[1], evaluate, max_atoms),
            first=first,
            on_step=on_step,
            on_path=on_path,
        )
        return
    yield from _fly(
        structures,
        settings,
        evaluate,
        Watchers(on_step, on_path),
        Coordinates.of,
        max_atoms=max_atoms,
        first=first,
    )


def rigid_stage(settings: RelaxSettings, evaluate: Evaluate, *, max_atoms: int) -> Stage:
    """The stage in which units are rigid, for :func:`.two_stages`.

    It ends at the lowest point that it came to, so that no structure leaves it higher than it came.
    """
    return _stage(stage_settings(settings)[0], evaluate, max_atoms)


def _stage(settings: RelaxSettings, evaluate: Evaluate, max_atoms: int) -> Stage:
    def stage(
        structures: Iterable[Atoms], on_step: StepCallback | None, on_path: PathCallback | None
    ) -> Iterator[Relaxed]:
        watchers = Watchers(on_step, on_path)
        if settings.rigid_units:
            make = RigidCoordinates.of
            return _fly(structures, settings, evaluate, watchers, make, max_atoms=max_atoms)
        return _fly(structures, settings, evaluate, watchers, Coordinates.of, max_atoms=max_atoms)

    return stage


def _fly(
    structures: Iterable[Atoms],
    settings: RelaxSettings,
    evaluate: Evaluate,
    watchers: Watchers,
    make: Callable[[Sequence[Atoms]], M],
    *,
    max_atoms: int,
    first: int = 0,
) -> Iterator[Relaxed]:
    """One stage, in the coordinates that ``make`` makes."""
    waiting = enumerate(structures, first)
    minimiser = MINIMISERS.make(settings.minimiser)
    jobs: list[Relaxation] = []
    coordinates: M | None = None
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
            new = make(starts)
            coordinates = new if coordinates is None else coordinates.join(new)
            minimiser.join(new.rows, np.abs(np.linalg.det(new.references)))
        if not jobs or coordinates is None:
            return
        coordinates, flags, done = _advance(
            jobs, coordinates, minimiser, settings, evaluate, watchers
        )
        jobs = [job for job, stays in zip(jobs, flags, strict=True) if stays]
        yield from done


def _advance(
    jobs: list[Relaxation],
    coordinates: M,
    minimiser: BatchMinimiser,
    settings: RelaxSettings,
    evaluate: Evaluate,
    watchers: Watchers,
) -> tuple[M, NDArray[np.bool_], list[Relaxed]]:
    """One force call and one step for all; returns those that go on and those that finished."""
    crystals, deformations = coordinates.crystals()
    values = evaluate(crystals)
    pressure = settings.pressure * units.GPa
    enthalpies = values.energies + pressure * np.abs(np.linalg.det(crystals.cells))
    forces = _generalised(jobs, coordinates, crystals, deformations, values, settings)
    fmax = largest_row(forces, coordinates.rows + 3)
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
            place = place_of(job, crystals, values, i, float(enthalpies[i]), float(fmax[i]))
            job.arrive(place, keep_path=watchers.on_path is not None)
        outcome = _judge(job, point, settings, watchers.on_step)
        if outcome is not None:
            if settings.rigid_units:
                job.return_to_lowest()
            done.append(judge_units(finish(job, outcome), job.source, settings.broken_units))
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
    coordinates: M,
    crystals: Crystals,
    deformations: FloatArray,
    values: Values,
    settings: RelaxSettings,
) -> FloatArray:
    """Generalised forces (r, 3) in eV/Å along the coordinates, without what restraints forbid."""
    forces, stresses = values.forces.copy(), values.stresses.copy()
    ends = np.cumsum(crystals.sizes)
    for i, job in enumerate(jobs):
        if not job.restraints.idle and values.failures[i] is None:
            rows = slice(int(ends[i] - job.size), int(ends[i]))
            forces[rows], stresses[i] = job.restraints.project(
                crystals.cells[i], forces[rows], stresses[i]
            )
    return coordinates.forces(
        crystals,
        deformations,
        forces,
        stresses,
        pressure=settings.pressure * units.GPa,
        fixed_cell=settings.fixed_cell,
    )


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
