"""The commands as calls, for scripts: propose, relax, refine, search, hull, filter.

``propose`` and ``relax`` are those of :mod:`gencsp.proposers` and :mod:`gencsp.minimise`. The
structures that ``refine`` and ``hull`` return say in ``info`` what came of them, under the keys of
:mod:`gencsp.records`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.hull import Hull
from gencsp.deck import Count, Seed, Workers, check
from gencsp.errors import HullReferenceError, StructureFileError
from gencsp.executors import LocalProcesses, ThisProcess
from gencsp.executors.named import open_executor
from gencsp.filters import Funnel, judge_pool
from gencsp.filters.deck import PIGEN_FUNNEL, FilterDeck
from gencsp.io.pools import InMemory
from gencsp.io.structures import name_of
from gencsp.minimise import RelaxSettings
from gencsp.potentials.base import Engine, Evaluation
from gencsp.potentials.call import relax
from gencsp.potentials.chgnet.select import EngineName
from gencsp.proposers import propose
from gencsp.provenance import Provenance, Stage
from gencsp.runs.decks import SearchDeck
from gencsp.runs.parts import INPAINTER, NamedProposer, NamedRelaxer
from gencsp.runs.search import Plan
from gencsp.searches.cycle import Cycle, CycleProgress, CycleSettings
from gencsp.searches.loop import SearchProgress
from gencsp.searches.strategy import StrategyMaker
from gencsp.store import Finished, MemoryStore
from gencsp.store.base import portable, writable

__all__ = ["filter", "hull", "propose", "refine", "relax", "search"]


def refine(
    structures: Iterable[Atoms],
    *,
    guests: Iterable[str] | None = None,
    inpaintings: int = 3,
    seed: int = 0,
    fmax: float = 0.1,
    steps: int = 200,
    pressure: float = 0.0,
    keep_symmetry: bool = False,
    weights: Path | None = None,
    engine: EngineName = "auto",
    potential: str = "chgnet",
    entries: Path | None = None,
    workers: int = 1,
    report: Callable[[CycleProgress], None] | None = None,
) -> list[Atoms]:
    """Take the guests out, symmetrise the framework, inpaint the guests, relax (CHGGen, Fig. 3).

    Args:
        structures: relaxed crystals, of one composition or several.
        guests: species to inpaint; ``None`` takes, for each composition, the species with the
            broadest local environments.
        inpaintings: structures to inpaint into each framework.
        seed: the same seed gives the same structures.
        fmax: eV/Å.
        steps: most minimiser steps.
        pressure: GPa.
        keep_symmetry: keep the symmetry of inpainted structures while they relax.
        weights: score model; ``None`` for the one that ships with gencsp.
        engine: relaxation engine.
        potential: by name, see :func:`gencsp.potentials.get_potential`.
        entries: hull entries of your own, made with that potential.
        workers: processes of one thread each.
        report: called after each step.

    Returns:
        The refined structures that converged, of each composition by decomposition energy; their
        ``parents`` are the ids of the structures given, or their places where they have none.

    Raises:
        RequestError: guests that are not in a structure, no host atoms left, or a setting out of
            range.
        WeightsError, EngineError, HullReferenceError: a model or a reference that is missing.
    """
    from gencsp.potentials import get_potential

    check("workers", workers, Workers)
    check("inpaintings", inpaintings, Count)
    check("seed", seed, Seed)
    relaxation = RelaxSettings(fmax=fmax, steps=steps, pressure=pressure)
    reference = Hull.load(entries)
    reference.require_model(get_potential(potential, engine=engine).model)
    given = None if guests is None else tuple(guests)
    numbered = _as_relaxed(structures)
    names = {start.info[records.STRUCTURE_ID]: name for name, start in numbered}
    groups: dict[Composition, list[Atoms]] = {}
    for _, start in numbered:
        groups.setdefault(Composition.of(start).alphabetical, []).append(start)
    plans = [
        CycleSettings(
            composition=composition,
            guests=given,
            max_atoms=max(map(len, group)),
            seed=seed,
            inpaintings=inpaintings,
            relax=relaxation,
            keep_symmetry=keep_symmetry,
        )
        for composition, group in groups.items()
    ]
    refined: list[Atoms] = []
    with LocalProcesses(workers) as executor:
        for settings in plans:
            store = MemoryStore()
            group = tuple(groups[settings.composition])
            store.finish(f"{Stage.RELAXED}-0000", Finished(structures=group))
            cycle = Cycle(
                settings,
                proposer=NamedProposer(INPAINTER, weights),
                inpainter=NamedProposer(INPAINTER, weights),
                relaxer=NamedRelaxer(engine, potential),
                hull=reference,
                store=store,
                executor=executor,
            )
            for progress in cycle.irun(begin=Stage.FRAMEWORK):
                if report is not None:
                    report(progress)
            refined.extend(cycle.ranking())
    for atoms in refined:
        # What lies between is not handed over: name the structure given instead.
        number = str(atoms.info[records.STRUCTURE_ID])[1:].partition(".")[0]
        atoms.info[records.PARENTS] = names[f"r{number}"]
    return refined


def search(
    deck: SearchDeck,
    *,
    strategy: StrategyMaker | None = None,
    report: Callable[[SearchProgress], None] | None = None,
) -> list[Atoms]:
    """Random search, basin hopping or genetic search, kept in memory.

    Args:
        deck: the settings, such as ``SearchDeck.make(formula="TiO2", method="hop", budget=50)``;
            ``out`` is not used.
        strategy: makes a strategy of your own; ``None`` takes the one that the deck names.
        report: called after each trial.

    Returns:
        The structures that converged, best first; ``duplicate_of`` in ``info`` marks those that
        are the same crystal as a better one.

    Raises:
        GencspError: as :func:`gencsp.runs.search.open_search`.
    """
    plan = Plan.of(deck, strategy=strategy)
    with open_executor(deck.executor, workers=deck.workers) as executor:
        plan.check_models(executor)
        run = plan.search(MemoryStore(), executor)
        for progress in run.irun():
            if report is not None:
                report(progress)
    return run.ranking()


def hull(
    structures: Iterable[Atoms],
    *,
    entries: Path | None = None,
    engine: EngineName = "auto",
    potential: str = "chgnet",
    workers: int = 1,
) -> list[Atoms]:
    """Decomposition energies of structures as they are, by a potential and without relaxation.

    Args:
        structures: crystals.
        entries: hull entries of your own, made with that potential; ``None`` for the shipped ones.
        engine: which engine evaluates CHGNet.
        potential: by name, see :func:`gencsp.potentials.get_potential`.
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
    judged = [writable(atoms) for atoms in structures]
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
    structures: Iterable[Atoms],
    *,
    filters: Iterable[str | Mapping[str, Any]] = PIGEN_FUNNEL,
    workers: int = 1,
) -> Iterator[Atoms]:
    """Judge structures by filters in a row, lazily (PIGEN, Fig. 4).

    Args:
        structures: crystals.
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
    return _filtered(structures, funnel, deck.workers)


def _filtered(structures: Iterable[Atoms], funnel: Funnel, workers: int) -> Iterator[Atoms]:
    pool = (InMemory(name_of(atoms, n), atoms) for n, atoms in enumerate(structures))
    with ThisProcess() if workers == 1 else LocalProcesses(workers) as executor:
        for judged in judge_pool(pool, funnel, executor=executor, workers=workers):
            if judged.atoms is None:
                raise StructureFileError(judged.unreadable)
            yield judged.atoms


def _as_relaxed(structures: Iterable[Atoms]) -> list[tuple[str, Atoms]]:
    """What each structure was called, and a bare copy with a place of its own in this run."""
    numbered = []
    for number, atoms in enumerate(structures):
        before = Provenance.read(atoms)
        copy = portable(atoms)
        copy.calc = None
        copy.info = {}
        Provenance(
            structure_id=f"r{number:04d}",
            proposer="files" if before is None else before.proposer,
            model="" if before is None else before.model,
            stage=Stage.RELAXED,
        ).write(copy)
        numbered.append((name_of(atoms, number), copy))
    return numbered
