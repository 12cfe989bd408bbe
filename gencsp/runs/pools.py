"""Calls over structures as they are: decomposition energies, filters, duplicates, seeds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.under_pressure import ReferenceReport
from gencsp.errors import HullReferenceError
from gencsp.executors import LocalProcesses, ThisProcess
from gencsp.exporters import ExportReport, get_exporter
from gencsp.filters import Funnel, Judged, judge_pool
from gencsp.filters.deck import LOOKED_AT, FilterDeck
from gencsp.io.pools import InMemory
from gencsp.io.structures import atoms_of, name_of
from gencsp.potentials.base import Engine, Evaluation
from gencsp.runs.pool_decks import DedupDeck, HullDeck, SeedsDeck, deck_of_call
from gencsp.runs.references import common_pressure, hull_at, systems_of
from gencsp.runs.relaxing import engine_of
from gencsp.similarity.grouping import Grouping, lowest_first
from gencsp.store.base import writable


def hull(
    structures: Iterable[Atoms] | Atoms,
    *,
    workers: int = 1,
    on_reference: ReferenceReport | None = None,
    **settings: Any,
) -> list[Atoms]:
    """Decomposition energies of structures as they are, by a potential and without relaxation.

    Under pressure these are decomposition enthalpies, on a hull of references at the same pressure.

    Args:
        structures: crystals, or one of them.
        workers: CPU threads.
        on_reference: called with how many hull references were relaxed at a pressure, and of how
            many.
        settings: fields of :class:`~gencsp.runs.pool_decks.HullDeck`, where each is described:
            ``pressure``, by default that under which the structures were relaxed; ``engine``;
            ``potential``, by name, an ASE calculator, a function that returns one, or an object
            (see :func:`gencsp.potentials.get_potential`); ``hull``, a file of entries that this
            potential made, or a :class:`~gencsp.convex_hull.hull.Hull`.

    Returns:
        Copies, in the order given, with tags, moments, arrays, constraints and ``info`` of the
        input; what an earlier run wrote there of energies and outcomes is taken away first.
        A structure that cannot be evaluated, such as a slab, has its ``outcome`` and no energy; one
        whose elements the references lack has its energy, and the ``reason``.

    Raises:
        DeckError: an unknown setting, or one out of range.
        PotentialError, EngineError: the engine is not available.
        HullReferenceError: the references were made by another potential, or at another pressure.
        RequestError: the structures were relaxed at several pressures, and ``pressure`` chooses
            none.
    """
    deck = deck_of_call(HullDeck, {"workers": workers, **settings}, "out")
    model = engine_of(deck, settings)
    judged = [writable(atoms) for atoms in atoms_of(structures)]
    pressure = common_pressure(judged) if deck.pressure is None else deck.pressure
    reference = hull_at(
        pressure,
        deck.hull,
        systems_of(judged),
        deck.potential,
        lambda: model,
        workers=deck.workers,
        report=on_reference,
    )
    reference.require_model(model.model)
    evaluations = model.evaluate(judged, workers=deck.workers)
    for atoms, evaluation in zip(judged, evaluations, strict=True):
        _write_evaluation(atoms, evaluation, model, pressure)
        if evaluation.failure is None:
            try:
                records.write_decomposition_energy(atoms, reference)
            except HullReferenceError as error:
                atoms.info[records.REASON] = str(error)
    return judged


def _write_evaluation(atoms: Atoms, evaluation: Evaluation, model: Engine, pressure: float) -> None:
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
    enthalpy = evaluation.energy + pressure * GPa * atoms.cell.volume
    records.write_enthalpy(atoms, enthalpy, pressure=pressure)
    records.name_space_group(atoms)


def filter(
    structures: Iterable[Atoms] | Atoms,
    *,
    filters: Iterable[str | Mapping[str, Any]] | None = None,
    workers: int = 1,
    **settings: Any,
) -> Iterator[Atoms]:
    """Judge structures by filters in a row, lazily (PIGEN, Fig. 4).

    Args:
        structures: crystals, or one of them.
        filters: names, with or without options (``"compactness:low=0.4"``), or mappings of ``name``
            and the options of that filter, in order; see :func:`gencsp.filters.filter_names`.
        workers: processes of one thread each.
        settings: ``purpose``, a field of :class:`~gencsp.filters.deck.FilterDeck`: "csp" or
            "de-novo" takes the filters for it. Without filters and purpose the first 1,000
            structures tell: those of one composition are taken for a structure prediction.

    Yields:
        Copies, in the order given, with the verdicts in ``info``: ``filter_source`` (id or place),
        ``filter_survived``, ``filter_fell_at``, and for each filter ``filter_NAME`` (whether it was
        passed), ``filter_NAME_value``, ``_low``, ``_high`` and ``_note``. What is not a crystal
        does not survive, and has the ``reason`` instead.

    Raises:
        DeckError: a filter, an option or a setting that does not exist.
    """
    given = {"filters": filters, "workers": workers, **settings}
    deck = deck_of_call(FilterDeck, given, "out", "rows", "plots")
    pool = atoms_of(structures)
    if deck.filters is None and deck.purpose is None:
        first = list(islice(pool, LOOKED_AT))
        deck = deck.for_pool(Composition.of(atoms).formula_key for atoms in first if len(atoms))
        pool = chain(first, pool)
    return _filtered(pool, Funnel(deck.stages), deck.workers)


def _filtered(structures: Iterable[Atoms], funnel: Funnel, workers: int) -> Iterator[Atoms]:
    given: deque[Atoms] = deque()

    def pool() -> Iterator[InMemory]:
        for number, atoms in enumerate(structures):
            given.append(atoms)
            yield InMemory(name_of(atoms, number), atoms)

    with ThisProcess() if workers == 1 else LocalProcesses(workers) as executor:
        for judged in judge_pool(pool(), funnel, executor=executor, workers=workers):
            atoms = given.popleft()
            yield _no_crystal(atoms, judged) if judged.atoms is None else judged.atoms


def _no_crystal(atoms: Atoms, judged: Judged) -> Atoms:
    """A copy of a structure that no filter can judge, with the reason."""
    copy = writable(atoms)
    copy.info |= {
        records.FILTER_SOURCE: judged.name,
        records.FILTER_SURVIVED: False,
        records.REASON: judged.unreadable,
    }
    return copy


def dedup(
    structures: Iterable[Atoms] | Atoms,
    *,
    report: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> list[Atoms]:
    """The distinct crystals among structures: one of each, the lowest in energy.

    Args:
        structures: crystals, or one of them; ``energy_per_atom`` in ``info`` is their energy.
        report: called after each structure with how many were compared, and how many are distinct.
        settings: ``same_energy``, ``scale`` and ``prototypes``, fields of
            :class:`~gencsp.runs.pool_decks.DedupDeck`, where each is described.

    Returns:
        Copies, the lowest in energy first (in the order given where there are no energies), with
        ``structure_id`` (their id, or their place where they have none) and ``copies``, how many of
        the structures are this crystal, in ``info``.

    Raises:
        DeckError: an unknown setting, or one out of range.
        StructureFileError: one of the structures is no crystal.
    """
    deck = deck_of_call(DedupDeck, settings, "out")
    grouping = Grouping(same_energy=deck.same_energy, scale=deck.scale, prototypes=deck.prototypes)
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
    **settings: Any,
) -> ExportReport:
    """Write structures as seeds of another code, with a minimal deck and a map of their origins.

    Args:
        structures: of one composition, or of several with ``formula``.
        folder: a new or empty one.
        to: the code, one of :func:`gencsp.exporters.exporter_names`, with or without options.
        settings: ``formula``, ``atoms``, ``fit`` and ``pressure``, fields of
            :class:`~gencsp.runs.pool_decks.SeedsDeck`, where each is described.

    Returns:
        What was written, what was left out and why, and how the code is started.

    Raises:
        DeckError: an unknown setting, or one out of range.
        ExportError: there is no such code, nothing can be handed over, or the structures have
            several compositions or pressures.
        CompositionError: ``formula`` cannot be read.
        StoreError: the folder holds something, cannot be written, or is full.
    """
    deck = deck_of_call(SeedsDeck, {"to": to, **settings})
    return get_exporter(deck.to).write(
        atoms_of(structures),
        folder,
        formula=deck.formula,
        atoms=deck.atoms,
        fit=deck.fit,
        pressure=deck.pressure,
    )
