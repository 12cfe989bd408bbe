"""Refinement as one call: guests out, symmetry, guests in again, relaxation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.io.structures import atoms_of, name_of
from gencsp.minimise import RelaxSettings
from gencsp.provenance import Provenance, Stage
from gencsp.runs.objects import carried, chosen, open_hull
from gencsp.runs.parts import INPAINTER, NamedProposer, NamedRelaxer, require_weights, run_executor
from gencsp.runs.pool_decks import RefineDeck, deck_of_call
from gencsp.searches.cycle import Cycle, CycleProgress, CycleSettings
from gencsp.store import Finished, MemoryStore
from gencsp.store.base import portable


def refine(
    structures: Iterable[Atoms] | Atoms,
    *,
    workers: int = 1,
    report: Callable[[CycleProgress], None] | None = None,
    **settings: Any,
) -> list[Atoms]:
    """Take the guests out, symmetrise the framework, inpaint the guests, relax (CHGGen, Fig. 3).

    Args:
        structures: relaxed crystals, of one composition or several, or one of them.
        workers: processes of one thread each.
        report: called after each step.
        settings: fields of :class:`~gencsp.runs.pool_decks.RefineDeck`, where each is described,
            such as ``guests=["Li"]`` (without it, for each composition the species with the
            broadest local environments) and ``inpaintings=3``. ``potential`` is a name, an ASE
            calculator, a function that returns one, or an object (see
            :func:`gencsp.potentials.get_potential`); ``hull`` a file of entries that this potential
            made, or a :class:`~gencsp.convex_hull.hull.Hull`.

    Returns:
        The refined structures that converged, of each composition by decomposition energy; their
        ``parents`` are the ids of the structures given, or their places where they have none.

    Raises:
        DeckError: an unknown setting, or one out of range.
        RequestError: guests that are not in a structure, or no host atoms left.
        WeightsError, EngineError, HullReferenceError: a model or a reference that is missing.
    """
    deck = deck_of_call(RefineDeck, {"workers": workers, **settings}, "out")
    relaxation = RelaxSettings(fmax=deck.fmax, steps=deck.steps, pressure=deck.pressure)
    require_weights(deck.weights)
    reference = open_hull(deck.hull)
    relaxer = NamedRelaxer(deck.engine, chosen(deck.potential))
    reference.require_model(relaxer.load().model)
    numbered = _as_relaxed(structures)
    names = {start.info[records.STRUCTURE_ID]: name for name, start in numbered}
    groups: dict[Composition, list[Atoms]] = {}
    for _, start in numbered:
        groups.setdefault(Composition.of(start).alphabetical, []).append(start)
    plans = [
        CycleSettings(
            composition=composition,
            guests=deck.guests,
            max_atoms=max(map(len, group)),
            seed=deck.seed,
            inpaintings=deck.inpaintings,
            relax=relaxation,
            keep_symmetry=deck.keep_symmetry,
        )
        for composition, group in groups.items()
    ]
    refined: list[Atoms] = []
    objects = carried({"potential": deck.potential})
    with run_executor(objects, "local", workers=deck.workers) as executor:
        for plan in plans:
            store = MemoryStore()
            group = tuple(groups[plan.composition])
            store.finish(f"{Stage.RELAXED}-0000", Finished(structures=group))
            cycle = Cycle(
                plan,
                proposer=NamedProposer(INPAINTER, deck.weights),
                inpainter=NamedProposer(INPAINTER, deck.weights),
                relaxer=relaxer,
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


def _as_relaxed(structures: Iterable[Atoms] | Atoms) -> list[tuple[str, Atoms]]:
    """What each structure was called, and a bare copy with a place of its own in this run."""
    numbered = []
    for number, atoms in enumerate(atoms_of(structures)):
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
