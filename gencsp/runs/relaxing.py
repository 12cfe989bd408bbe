"""Relaxation in one call, for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ase import Atoms

from gencsp import records
from gencsp.deck import Same
from gencsp.io.structures import atoms_of, name_of
from gencsp.minimise.minimisers import minimiser_text
from gencsp.minimise.result import Relaxed, StepCallback
from gencsp.minimise.settings import RelaxSettings
from gencsp.minimise.watching import (
    Log,
    LogTarget,
    Trajectories,
    TrajectoryTarget,
    log_and_call,
    open_log,
    path_writer,
)
from gencsp.potentials.registry import get_potential
from gencsp.provenance import Stage
from gencsp.records import write_change
from gencsp.runs.objects import Carried
from gencsp.runs.pool_decks import (
    AnalyseDeck,
    DedupDeck,
    HullDeck,
    ReferencesDeck,
    RelaxDeck,
    SecondOpinionDeck,
    deck_of_call,
)
from gencsp.searches.tightening import Form, tight_settings
from gencsp.similarity.grouping import Grouping, Tighten, mark_duplicates
from gencsp.store.base import writable

if TYPE_CHECKING:
    from gencsp.potentials.base import Engine


def relax(
    structures: Iterable[Atoms] | Atoms,
    *,
    workers: int = 1,
    on_step: StepCallback | None = None,
    trajectory: TrajectoryTarget | None = None,
    logfile: LogTarget | None = None,
    **settings: Any,
) -> Iterator[Relaxed]:
    """Relax atoms and cells, by default with CHGNet; yields structures as they finish.

    The iterable is read lazily, and ``Relaxed.index`` is the position of a structure in it. A
    structure that cannot be relaxed is returned with the reason in ``Relaxed.outcome`` and does not
    end the run: slabs and molecules as "not periodic in three directions", and constraints that
    cannot be held as "constraints cannot be held" with the name of the constraint in
    ``Relaxed.reason``. A structure that was relaxed has the ``stage`` "relaxed" in ``info``, keeps
    its ``structure_id``, and names it as its ``parents``: the structure of that id in the pool.

    Constraints on a structure: ``FixAtoms`` and ``FixSymmetry`` are obeyed (atoms fixed while the
    cell relaxes keep their fractional coordinates, as in ASE; where a symmetry is kept, the fixed
    atoms must be whole orbits of it). ``FixCartesian``, ``FixedPlane`` and ``FixedLine`` are obeyed
    with ``fixed_cell`` and without a kept symmetry. Others, such as ``FixBondLengths``, are
    refused.

    Accuracy: with ``minimiser="fire"`` the results are those of ASE's ``FIRE`` on a
    ``FrechetCellFilter`` up to the rounding of forces. The default takes about a third of FIRE's
    force calls; from a start far from any minimum it may end in another one, neither systematically
    higher nor lower (``benchmarks/results/minimisers.json``). The torch engine's forces depend on
    the rest of a batch and on ``workers`` through float32 rounding only, which a long relaxation of
    a soft structure can amplify; the native engine's do not depend on them at all.

    Args:
        structures: fully periodic crystals, or one of them.
        workers: CPU threads.
        on_step: called at every step with index of the structure, step, energy in eV, fmax
            in eV/Å. Returning ``False`` stops that structure; an exception ends the run. It is
            called from the threads that relax, one call at a time.
        trajectory: where the paths go, each when its structure is done. For one structure a path or
            an open ``ase.io.Trajectory``; for several a folder (a path without a suffix), or a
            scheme such as ``"paths/{index:04d}.traj"``.
        logfile: a line for each step, as of ASE's optimisers: a path, which is appended to, ``"-"``
            for standard output, or an open file.
        settings: fields of :class:`~gencsp.runs.pool_decks.RelaxDeck`, where each is described:
            ``fmax``, ``steps``, ``pressure``, ``fixed_cell``, ``keep_symmetry``, ``symprec``,
            ``rigid_units``, ``broken_units``, ``minimiser``, ``time_limit``, ``ceiling``,
            ``engine`` and ``potential``, which may also be an ASE calculator, a function that
            returns one, or an object (see :func:`gencsp.potentials.get_potential`). Calculators of
            ASE relax one structure at a time.

    Raises:
        DeckError: an unknown setting, or one out of range.
        RequestError: there is no such minimiser, or one trajectory for several structures; or what
            was given are no structures.
        PotentialError: there is no such potential.
        EngineError: the engine is not available.
        WeightsError: the weights are not there.
    """
    deck = deck_of_call(
        RelaxDeck,
        {"workers": workers, **settings},
        "hull",
        "same",
        "order",
        "order_atoms",
        "order_by",
        "out",
    )
    given: Iterable[Atoms] = atoms_of(structures)
    engine = engine_of(deck, settings)
    how = relax_settings(deck)
    if trajectory is None and logfile is None:
        return relaxed_by(engine, given, how, deck.workers, on_step=on_step)
    trajectories = None if trajectory is None else Trajectories(trajectory)
    if trajectories is not None:
        given = trajectories.check(given)
    return _changed(_watched(engine, given, how, deck.workers, on_step, trajectories, logfile))


def relax_settings(deck: RelaxDeck) -> RelaxSettings:
    """How to relax, as engines are told.

    Raises:
        RequestError: there is no such minimiser, or it has no such option.
    """
    minimiser = minimiser_text(deck.minimiser)
    return RelaxSettings(
        fmax=deck.fmax,
        steps=deck.steps,
        pressure=deck.pressure,
        fixed_cell=deck.fixed_cell,
        keep_symmetry=deck.keep_symmetry,
        symprec=deck.symprec,
        minimiser=minimiser,
        time_limit=deck.time_limit,
        ceiling=deck.ceiling,
        rigid_units=deck.rigid_units,
        broken_units=deck.broken_units,
    )


def engine_of(
    deck: RelaxDeck | HullDeck | ReferencesDeck | SecondOpinionDeck | DedupDeck | AnalyseDeck,
    settings: Mapping[str, Any],
) -> Engine:
    """The potential of a deck.

    Args:
        deck: the settings, checked.
        settings: as they were given. An object among them is used itself, not a copy of it, because
            no other process needs it.

    Raises:
        PotentialError, EngineError, WeightsError: it is not there, or cannot be loaded.
    """
    given = settings.get("potential", deck.potential)
    if isinstance(given, Carried):
        given = given.open()
    return get_potential(given, engine=deck.engine, device=deck.device)


def tighten_by(engine: Engine, settings: RelaxSettings, workers: int) -> Tighten:
    """Relaxes tightly what may be the same crystal; see :data:`.grouping.Tighten`.

    Args:
        engine: the potential.
        settings: how the structures were relaxed; constraints on them are kept.
        workers: CPU threads.
    """

    def tighten(structures: Sequence[Atoms]) -> list[Form]:
        forms: list[Form] = [None] * len(structures)
        starts = [writable(atoms) for atoms in structures]
        for result in engine.relax(starts, tight_settings(settings), workers=workers):
            if result.converged:
                energy = float(result.enthalpy) / len(result.atoms)
                forms[result.index] = result.atoms, energy
        return forms

    return tighten


def mark_relaxed(ordered: Sequence[Atoms], same: Same, tighten: Tighten) -> None:
    """Mark which relaxed structures are the same crystal as a better one.

    Args:
        ordered: best first; those that converged get ``duplicate_of`` or ``copies`` in ``info``.
        same: what counts as the same crystal.
        tighten: relaxes tightly what may be the same.
    """
    grouping = Grouping(same=same)
    for number, atoms in enumerate(ordered):
        enthalpy = records.number(atoms.info, records.ENTHALPY_PER_ATOM)
        if enthalpy is not None and not records.failed(atoms.info):
            grouping.add(name_of(atoms, number), atoms, enthalpy)
    grouping.settle(tighten)
    mark_duplicates(grouping)


def relaxed_by(
    engine: Engine,
    structures: Iterable[Atoms],
    settings: RelaxSettings,
    workers: int,
    *,
    on_step: StepCallback | None = None,
) -> Iterator[Relaxed]:
    """Relax with a potential; the structures say that they are no longer what they were."""
    return _changed(engine.relax(structures, settings, workers=workers, on_step=on_step))


def _changed(results: Iterator[Relaxed]) -> Iterator[Relaxed]:
    """The same results, whose structures have a stage and parents of their own."""
    for result in results:
        if result.converged or result.steps:
            write_change(result.atoms, Stage.RELAXED)
        yield result


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
        both = on_step if file is None else log_and_call(Log(file, settings.minimiser), on_step)
        yield from engine.relax(
            structures,
            settings,
            workers=workers,
            on_step=both,
            on_path=path_writer(trajectories),
        )
