"""Calls over structures as they are: decomposition energies, filters, duplicates, seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from gencsp import records
from gencsp.convex_hull.hull import Hull
from gencsp.deck import Workers, check
from gencsp.errors import HullReferenceError, StructureFileError
from gencsp.executors import LocalProcesses, ThisProcess
from gencsp.exporters import ExportReport, get_exporter
from gencsp.filters import Funnel, judge_pool
from gencsp.filters.deck import PIGEN_FUNNEL, FilterDeck
from gencsp.io.pools import InMemory
from gencsp.io.structures import atoms_of, name_of
from gencsp.potentials.base import Engine, Evaluation
from gencsp.potentials.chgnet.select import EngineName
from gencsp.potentials.registry import PotentialGiven
from gencsp.similarity.grouping import Grouping, lowest_first
from gencsp.store.base import writable


def hull(
    structures: Iterable[Atoms] | Atoms,
    *,
    entries: Path | None = None,
    engine: EngineName = "auto",
    potential: PotentialGiven = "chgnet",
    workers: int = 1,
) -> list[Atoms]:
    """Decomposition energies of structures as they are, by a potential and without relaxation.

    Args:
        structures: crystals, or one of them.
        entries: hull entries of your own, made with that potential; ``None`` for the shipped ones.
        engine: which engine evaluates CHGNet.
        potential: by name, an ASE calculator, a function that returns one, or an object; see
            :func:`gencsp.potentials.get_potential`.
        workers: CPU threads.

    Returns:
        Copies, in the order given, with tags, moments, arrays, constraints and ``info`` of the
        input; what an earlier run wrote there of energies and outcomes is taken away first.
        A structure that cannot be evaluated, such as a slab, has its ``outcome`` and no energy; one
        whose elements the references lack has its energy, and the ``reason``.

    Raises:
        RequestError: there are no workers.
        EngineError: the engine is not available.
        HullReferenceError: the references were made by another potential.
    """
    from gencsp.potentials import get_potential

    check("workers", workers, Workers)
    reference = Hull.load(entries)
    model = get_potential(potential, engine=engine)
    reference.require_model(model.model)
    judged = [writable(atoms) for atoms in atoms_of(structures)]
    evaluations = model.evaluate(judged, workers=workers)
    for atoms, evaluation in zip(judged, evaluations, strict=True):
        _write_evaluation(atoms, evaluation, model)
        if evaluation.failure is None:
            try:
                records.write_decomposition_energy(atoms, reference)
            except HullReferenceError as error:
                atoms.info[records.REASON] = str(error)
    return judged


def _write_evaluation(atoms: Atoms, evaluation: Evaluation, model: Engine) -> None:
    """Set what a potential says of a structure as it is, in place of what was said before."""
    records.clear_results(atoms)
    atoms.calc = None
    if evaluation.failure is not None:
        atoms.info[records.OUTCOME] = str(evaluation.failure)
        return
    atoms.calc = SinglePointCalculator(
        atoms, energy=evaluation.energy, forces=evaluation.forces, stress=evaluation.stress
    )
    records.write_energy(atoms, evaluation.energy, model=model.model, digest=model.digest)
    records.name_space_group(atoms)


def filter(
    structures: Iterable[Atoms] | Atoms,
    *,
    filters: Iterable[str | Mapping[str, Any]] = PIGEN_FUNNEL,
    workers: int = 1,
) -> Iterator[Atoms]:
    """Judge structures by filters in a row, lazily (PIGEN, Fig. 4).

    Args:
        structures: crystals, or one of them.
        filters: names, or mappings of ``name`` and the options of that filter, in order; see
            :func:`gencsp.filters.filter_names`.
        workers: processes of one thread each.

    Yields:
        Copies, in the order given, with the verdicts in ``info``: ``filter_source`` (id or place),
        ``filter_survived``, ``filter_fell_at``, and for each filter ``filter_NAME`` (whether it was
        passed), ``filter_NAME_value``, ``_low``, ``_high`` and ``_note``.

    Raises:
        DeckError: a filter or an option that does not exist.
        StructureFileError: one of the structures is not a crystal.
    """
    deck = FilterDeck.make(
        filters=[{"name": one} if isinstance(one, str) else dict(one) for one in filters],
        workers=workers,
    )
    funnel = Funnel(deck.stages)
    return _filtered(atoms_of(structures), funnel, deck.workers)


def _filtered(structures: Iterable[Atoms], funnel: Funnel, workers: int) -> Iterator[Atoms]:
    pool = (InMemory(name_of(atoms, n), atoms) for n, atoms in enumerate(structures))
    with ThisProcess() if workers == 1 else LocalProcesses(workers) as executor:
        for judged in judge_pool(pool, funnel, executor=executor, workers=workers):
            if judged.atoms is None:
                raise StructureFileError(judged.unreadable)
            yield judged.atoms


def dedup(
    structures: Iterable[Atoms] | Atoms,
    *,
    same_energy: float | None = None,
    scale: bool = True,
    prototypes: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> list[Atoms]:
    """The distinct crystals among structures: one of each, the lowest in energy.

    Args:
        structures: crystals, or one of them; ``energy_per_atom`` in ``info`` is their energy.
        same_energy: different if the energies are further apart than this, eV/atom; ``None`` to
            compare no energies.
        scale: whether the same at another volume is the same.
        prototypes: whether the same with other species is the same.
        report: called after each structure with how many were compared, and how many are distinct.

    Returns:
        Copies, the lowest in energy first (in the order given where there are no energies), with
        ``structure_id`` (their id, or their place where they have none) and ``copies``, how many of
        the structures are this crystal, in ``info``.

    Raises:
        RequestError: ``same_energy`` is out of range.
        StructureFileError: one of the structures is no crystal.
    """
    grouping = Grouping(same_energy=same_energy, scale=scale, prototypes=prototypes)
    pool = [(name_of(atoms, n), atoms) for n, atoms in enumerate(atoms_of(structures))]
    for done, (name, atoms) in enumerate(lowest_first(pool), start=1):
        grouping.add(name, atoms)
        if report is not None:
            report(done, len(grouping))
    return grouping.unique()


def export(
    structures: Iterable[Atoms] | Atoms,
    folder: Path | str,
    *,
    to: str | Mapping[str, Any],
    formula: str | None = None,
    atoms: int | None = None,
    fit: bool = False,
    pressure: float | None = None,
) -> ExportReport:
    """Write structures as seeds of another code, with a minimal deck and a map of their origins.

    Args:
        structures: of one composition, or of several with ``formula``.
        folder: a new or empty one.
        to: the code, one of :func:`gencsp.exporters.exporter_names`, with or without options.
        formula: the composition to hand over; others are left out.
        atoms: atoms in every cell; those of another size are left out.
        fit: make supercells, or take primitive cells, to reach ``atoms``.
        pressure: of the search, GPa; ``None`` for that under which the structures were relaxed.

    Returns:
        What was written, what was left out and why, and how the code is started.

    Raises:
        ExportError: there is no such code, nothing can be handed over, or the structures have
            several compositions or pressures.
        CompositionError: ``formula`` cannot be read.
        StoreError: the folder holds something, cannot be written, or is full.
    """
    return get_exporter(to).write(
        atoms_of(structures), folder, formula=formula, atoms=atoms, fit=fit, pressure=pressure
    )
