"""Calls over structures as they are: decomposition energies, filters, duplicates, seeds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.end_members import EndMembers
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.system import (
    WITHIN,
    FormulaHull,
    SystemHull,
    hull_of_composition,
    hull_of_members,
)
from gencsp.convex_hull.under_pressure import ReferenceReport
from gencsp.errors import HullReferenceError, RequestError
from gencsp.executors import LocalProcesses, ThisProcess
from gencsp.exporters import ExportReport, get_exporter
from gencsp.exporters.dataset import NAME, Dataset, DatasetReport
from gencsp.filters import Funnel, Judged, judge_pool
from gencsp.filters.deck import LOOKED_AT, FilterDeck
from gencsp.io.pools import InMemory
from gencsp.io.structures import atoms_of, name_of
from gencsp.minimise.settings import RelaxSettings
from gencsp.plugins import Choice
from gencsp.potentials.base import Engine, Evaluation
from gencsp.records import StructureList
from gencsp.runs.objects import hull_part, open_hull
from gencsp.runs.patterns import pattern_of
from gencsp.runs.pool_decks import DedupDeck, HullDeck, SeedsDeck, deck_of_call
from gencsp.runs.references import common_pressure, hull_at, systems_of
from gencsp.runs.relaxing import engine_of, tighten_by
from gencsp.similarity.grouping import Grouping, lowest_first
from gencsp.store.base import writable


def hull(
    structures: Iterable[Atoms] | Atoms,
    *,
    workers: int = 1,
    on_reference: ReferenceReport | None = None,
    **settings: Any,
) -> StructureList:
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
        whose elements the references lack has its energy, and the ``reason``. ``decomposition``,
        ``has_reference`` and ``reference_phase`` in ``info`` say what a decomposition energy stands
        on (:mod:`gencsp.records`).

    Raises:
        DeckError: an unknown setting, or one out of range.
        PotentialError, EngineError: the engine is not available.
        HullReferenceError: the references were made by another potential, or at another pressure.
        RequestError: the structures were relaxed at several pressures, and ``pressure`` chooses
            none.
    """
    deck = deck_of_call(HullDeck, {"workers": workers, **settings}, "out")
    compared = pattern_of(deck)
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
            if compared is not None:
                compared.mark(atoms)
    return StructureList(judged)


def hull_of_system(
    system: str, *, within: float = WITHIN, hull: Path | str | Hull | None = None
) -> SystemHull:
    """The stable phases of a chemical system or tie-line, and those just above its hull.

    :func:`gencsp.convex_hull.plots.draw_hull` draws it.

    Args:
        system: two elements or more, such as ``Li-Si``, or compounds, such as ``ZnS-P2S5``; the
            order is that of the axes.
        within: how far above the hull phases are listed, eV/atom.
        hull: a file of entries, or a :class:`~gencsp.convex_hull.hull.Hull`; ``None`` for the
            references that ship with gencsp.

    Raises:
        CompositionError: an end member that cannot be read, one that is written twice, or one that
            is a mixture of the others.
        RequestError: fewer than two end members, or ``within`` is negative.
        StructureFileError: the file cannot be read.
        HullReferenceError: no reference for one of the elements, or entries of several models.
    """
    if not within >= 0:
        raise RequestError(f"within is {within:g}: give the eV/atom above the hull, 0 or more.")
    members = EndMembers.parse(system)
    return hull_of_members(_given_hull(hull), members, within=within)


def hull_of_formula(formula: str, *, hull: Path | str | Hull | None = None) -> FormulaHull:
    """The reference phases of a formula, lowest first, and whether the lowest is stable.

    :func:`gencsp.convex_hull.crystals.reference_crystal` gives the crystals that are known.

    Args:
        formula: such as ``SiO2``.
        hull: as in :func:`hull_of_system`.

    Raises:
        CompositionError: the formula cannot be read.
        StructureFileError: the file cannot be read.
        HullReferenceError: no reference of the formula, or for one of its elements.
    """
    composition = Composition.parse(formula)
    return hull_of_composition(_given_hull(hull), composition)


def _given_hull(hull: Path | str | Hull | None) -> Hull:
    return open_hull(hull_part(Path(hull) if isinstance(hull, str) else hull))


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
) -> StructureList:
    """The distinct crystals among structures: one of each, the lowest in energy.

    Args:
        structures: crystals, or one of them; ``energy_per_atom`` in ``info`` is their energy.
        report: called after each structure with how many were compared, and how many are distinct.
        settings: ``same``, ``same_energy``, ``scale`` and ``prototypes``, fields of
            :class:`~gencsp.runs.pool_decks.DedupDeck`, where each is described; with
            ``same="tight"`` also ``workers``, ``engine`` and ``potential``, see
            :func:`gencsp.relax`.

    Returns:
        Copies, the lowest in energy first (in the order given where there are no energies), with
        ``structure_id`` (their id, or their place where they have none) and ``copies``, how many of
        the structures are this crystal, in ``info``.

    Raises:
        DeckError: an unknown setting, or one out of range.
        StructureFileError: one of the structures is no crystal.
        PotentialError, EngineError: with ``same="tight"``: the engine is not available.
    """
    deck = deck_of_call(DedupDeck, settings, "out")
    grouping, settle = grouping_of(deck, settings)
    pool = [(name_of(atoms, n), atoms) for n, atoms in enumerate(atoms_of(structures))]
    for done, (name, atoms) in enumerate(lowest_first(pool), start=1):
        grouping.add(name, atoms)
        if report is not None:
            report(done, len(grouping))
    settle()
    return StructureList(grouping.unique())


def grouping_of(
    deck: DedupDeck, settings: Mapping[str, Any]
) -> tuple[Grouping, Callable[[], None]]:
    """An empty grouping, and what settles the doubtful once all structures are in it.

    Args:
        deck: the settings, checked.
        settings: as they were given, see :func:`.relaxing.engine_of`.

    Raises:
        PotentialError, EngineError, WeightsError: a potential is needed, and not there.
    """
    grouping = Grouping(
        same=deck.same,
        same_energy=deck.same_energy,
        scale=deck.scale,
        prototypes=deck.prototypes,
    )
    if grouping.same != "tight":
        return grouping, lambda: None
    tighten = tighten_by(engine_of(deck, settings), RelaxSettings(), deck.workers)
    return grouping, partial(grouping.settle, tighten)


def export(
    structures: Iterable[Atoms] | Atoms,
    folder: Path | str,
    *,
    to: str | Mapping[str, Any],
    **settings: Any,
) -> ExportReport | DatasetReport:
    """Write structures as seeds of another code, or as a data set to train potentials on.

    Seeds come with a minimal deck and a map of their origins. A data set, see
    :mod:`gencsp.exporters.dataset`, needs energies, forces and stresses of one model.

    Args:
        structures: of one composition, or of several with ``formula``; for a data set of any.
        folder: a new or empty one.
        to: the code, one of :func:`gencsp.exporters.exporter_names`, or "dataset", with or without
            options.
        settings: ``formula``, ``atoms``, ``fit`` and ``pressure``, fields of
            :class:`~gencsp.runs.pool_decks.SeedsDeck`, where each is described.

    Returns:
        What was written, what was left out and why, and how the code is started.

    Raises:
        DeckError: an unknown setting, or one out of range.
        ExportError: there is no such code, nothing can be handed over, or the structures have
            several compositions or pressures; for a data set, energies of several models.
        CompositionError: ``formula`` cannot be read.
        StoreError: the folder holds something, cannot be written, or is full.
    """
    deck = deck_of_call(SeedsDeck, {"to": to, **settings})
    dataset = dataset_of(deck)
    if dataset is not None:
        return dataset.write(atoms_of(structures), folder)
    return get_exporter(deck.to).write(
        atoms_of(structures),
        folder,
        formula=deck.formula,
        atoms=deck.atoms,
        fit=deck.fit,
        pressure=deck.pressure,
    )


def dataset_of(deck: SeedsDeck) -> Dataset | None:
    """The data set that a deck of seeds asks for; ``None`` where it names a code.

    Raises:
        DeckError: an option that a data set does not have.
        RequestError: a setting that is for seeds.
    """
    choice = Choice.read(deck.to)
    if choice.name != NAME:
        return None
    for setting in ("formula", "atoms", "fit", "pressure"):
        if setting in deck.given:
            raise RequestError(f"a data set has no '{setting}': it is for seeds, leave it out.")
    options = {"model": choice.value} if choice.value else choice.options
    return Dataset.from_options(options)
