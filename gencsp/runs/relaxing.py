"""Relaxation in one call, for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from ase import Atoms

from gencsp.deck import Workers, check
from gencsp.io.structures import atoms_of
from gencsp.minimise.result import Relaxed, StepCallback
from gencsp.minimise.settings import Minimiser, RelaxSettings
from gencsp.minimise.watching import (
    Log,
    LogTarget,
    Trajectories,
    TrajectoryTarget,
    open_log,
    path_writer,
    told_both,
)
from gencsp.symmetry.tolerances import KEPT_SYMPREC

if TYPE_CHECKING:
    from gencsp.potentials.base import Engine
    from gencsp.potentials.registry import PotentialGiven


def relax(
    structures: Iterable[Atoms] | Atoms,
    *,
    fmax: float = 0.1,
    steps: int = 200,
    pressure: float = 0.0,
    fixed_cell: bool = False,
    keep_symmetry: bool = False,
    symprec: float = KEPT_SYMPREC,
    minimiser: Minimiser = "quasi-newton",
    time_limit: float | None = None,
    ceiling: float | None = None,
    workers: int = 1,
    on_step: StepCallback | None = None,
    trajectory: TrajectoryTarget | None = None,
    logfile: LogTarget | None = None,
    engine: Literal["auto", "native", "torch"] = "auto",
    potential: PotentialGiven = "chgnet",
) -> Iterator[Relaxed]:
    """Relax atoms and cells, with CHGNet unless told otherwise; yields structures as they finish.

    The iterable is read lazily, and ``Relaxed.index`` is the position of a structure in it. A
    structure that cannot be relaxed is returned with the reason in ``Relaxed.outcome`` and does not
    end the run: slabs and molecules as "not periodic in three directions", and constraints that
    cannot be held as "constraints cannot be held" with the name of the constraint in
    ``Relaxed.reason``.

    Constraints on a structure: ``FixAtoms`` and ``FixSymmetry`` are obeyed (atoms fixed while the
    cell relaxes keep their fractional coordinates, as in ASE; with a symmetry, fixing one atom
    fixes its whole orbit). ``FixCartesian``, ``FixedPlane`` and ``FixedLine`` are obeyed with
    ``fixed_cell`` and without a kept symmetry. Others, such as ``FixBondLengths``, are refused.

    Accuracy: with ``minimiser="fire"`` the results are those of ASE's ``FIRE`` on a
    ``FrechetCellFilter`` up to the rounding of forces. The default takes about a third of FIRE's
    force calls; from a start far from any minimum it may end in another one, neither systematically
    higher nor lower (``benchmarks/results/minimisers.json``). The torch engine's forces depend on
    the rest of a batch and on ``workers`` through float32 rounding only, which a long relaxation of
    a soft structure can amplify; the native engine's do not depend on them at all.

    Args:
        structures: fully periodic crystals, or one of them.
        fmax: converged when no generalised force exceeds this, eV/Å.
        steps: most minimiser steps.
        pressure: GPa.
        fixed_cell: relax atoms only.
        keep_symmetry: keep the space group that spglib finds in the start at ``symprec``.
        symprec: Å.
        minimiser: by name, "quasi-newton" or "fire", or of another package.
        time_limit: wall seconds for one structure from when it enters the batch.
        ceiling: stop structures that stay above this enthalpy, eV/atom.
        workers: CPU threads.
        on_step: called at every step with index of the structure, step, energy in eV, fmax
            in eV/Å. Returning ``False`` stops that structure; an exception ends the run. It is
            called from the threads that relax, one call at a time.
        trajectory: where the paths go, each when its structure is done. For one structure a path or
            an open ``ase.io.Trajectory``; for several a folder (a path without a suffix), or a
            scheme such as ``"paths/{index:04d}.traj"``.
        logfile: a line for each step, as of ASE's optimisers: a path, which is appended to, ``"-"``
            for standard output, or an open file.
        engine: which engine runs CHGNet: "native", "torch", or whichever is there.
        potential: by name such as "chgnet:r2scan", an ASE calculator, a function that returns one,
            or an object; see :func:`gencsp.potentials.get_potential`. Calculators of ASE relax one
            structure at a time.

    Raises:
        RequestError: a setting is out of range, there is no such minimiser, or one trajectory for
            several structures; or what was given are no structures.
        PotentialError: there is no such potential.
        EngineError: the engine is not available.
        WeightsError: the weights are not there.
    """
    from gencsp.minimise.minimisers import MINIMISERS
    from gencsp.potentials.registry import get_potential

    check("workers", workers, Workers)
    MINIMISERS.configure(minimiser)
    settings = RelaxSettings(
        fmax=fmax,
        steps=steps,
        pressure=pressure,
        fixed_cell=fixed_cell,
        keep_symmetry=keep_symmetry,
        symprec=symprec,
        minimiser=minimiser,
        time_limit=time_limit,
        ceiling=ceiling,
    )
    given: Iterable[Atoms] = atoms_of(structures)
    chosen = get_potential(potential, engine=engine)
    if trajectory is None and logfile is None:
        return chosen.relax(given, settings, workers=workers, on_step=on_step)
    trajectories = None if trajectory is None else Trajectories(trajectory)
    if trajectories is not None:
        given = trajectories.check(given)
    return _watched(chosen, given, settings, workers, on_step, trajectories, logfile)


def _watched(
    engine: Engine,
    structures: Iterable[Atoms],
    settings: RelaxSettings,
    workers: int,
    on_step: StepCallback | None,
    trajectories: Trajectories | None,
    logfile: LogTarget | None,
) -> Iterator[Relaxed]:
    """Relax with a log and trajectories; the log is open for as long as the results are read."""
    with open_log(logfile) as file:
        both = on_step if file is None else told_both(Log(file, settings.minimiser), on_step)
        yield from engine.relax(
            structures,
            settings,
            workers=workers,
            on_step=both,
            on_path=path_writer(trajectories),
        )
