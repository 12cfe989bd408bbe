"""Refinement as one call: guests out, symmetry, guests in again, relaxation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, NamedTuple

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.under_pressure import ReferenceReport
from gencsp.errors import GencspError
from gencsp.io.structures import atoms_of, name_of
from gencsp.minimise import RelaxSettings
from gencsp.minimise.minimisers import minimiser_text
from gencsp.potentials.base import require_elements
from gencsp.provenance import Provenance, Stage
from gencsp.records import StructureList
from gencsp.runs.inpainter import inpainter_of
from gencsp.runs.objects import carried, chosen
from gencsp.runs.parts import NamedRelaxer, require_weights, run_executor
from gencsp.runs.pool_decks import RefineDeck, deck_of_call
from gencsp.runs.references import optional_hull_at
from gencsp.searches.cycle import Cycle
from gencsp.searches.progress import CycleProgress
from gencsp.searches.settings import CycleSettings
from gencsp.store import Finished, MemoryStore
from gencsp.store.base import portable
from gencsp.symmetry.ladder import LADDERS

if TYPE_CHECKING:
    from gencsp.convex_hull.hull import Hull
    from gencsp.potentials.base import Engine


#: Settings of the command, which reads files.
COMMAND_ALONE = ("order", "order_atoms", "order_by", "out")


def refine(
    structures: Iterable[Atoms] | Atoms,
    *,
    workers: int = 1,
    report: Callable[[CycleProgress], None] | None = None,
    on_reference: ReferenceReport | None = None,
    **settings: Any,
) -> StructureList:
    """Take the guests out, symmetrise the framework, inpaint the guests, relax (CHGGen, Fig. 3).

    Args:
        structures: relaxed crystals, of one composition or several, or one of them.
        workers: processes of one thread each.
        report: called after each step.
        on_reference: called with how many hull references were relaxed at the pressure of the run,
            and of how many.
        settings: fields of :class:`~gencsp.runs.pool_decks.RefineDeck`, where each is described,
            such as ``guests=["Li"]`` (without it, for each composition the species with the
            broadest local environments), ``inpaintings=3`` and ``preset="chggen"``. ``inpainter``
            and ``ladder`` are those of :func:`gencsp.cycle`. ``potential`` is a name, an ASE
            calculator, a function that returns one, or an object (see
            :func:`gencsp.potentials.get_potential`); ``hull`` a file of entries that this potential
            made, or a :class:`~gencsp.convex_hull.hull.Hull`.

    Returns:
        The refined structures that converged, of each composition by decomposition energy, or
        without a hull by enthalpy per atom; their ``parents`` are the ids of the structures given,
        or their places where they have none.

    Raises:
        DeckError: an unknown setting, or one out of range.
        CompositionError, RequestError: guests that are in none of the structures, or no host atoms
            left in any.
        InpainterError: the inpainter makes whole crystals alone.
        WeightsError, EngineError, HullReferenceError: a model or a reference that is missing.
    """
    deck = deck_of_call(RefineDeck, {"workers": workers, **settings}, *COMMAND_ALONE)
    refined = refine_pool(structures, deck, report=report, on_reference=on_reference)
    return StructureList(refined.structures)


class Refinement(NamedTuple):
    """What came of a pool.

    Attributes:
        structures: as :func:`refine` returns them.
        left_out: names of the structures given of which nothing came, and why.
    """

    structures: list[Atoms]
    left_out: dict[str, str]


def refine_pool(
    structures: Iterable[Atoms] | Atoms,
    deck: RefineDeck,
    *,
    report: Callable[[CycleProgress], None] | None = None,
    on_reference: ReferenceReport | None = None,
    executor: Executor | None = None,
) -> Refinement:
    """As :func:`refine`, and the reasons of what did not come through.

    A composition that cannot be refined, such as one without the guests, does not end the others.
    ``on_reference`` is called with how many hull references were relaxed at the pressure of the
    deck, and of how many. Tasks run in ``executor``, which the caller opens and closes; ``None``
    opens local processes.

    Raises:
        GencspError: as :func:`refine`; what is wrong with one composition, if it is with all.
    """
    require_weights(deck.weights)
    inpainter = inpainter_of(deck)
    relax = RelaxSettings(
        fmax=deck.fmax,
        steps=deck.steps,
        pressure=deck.pressure,
        minimiser=minimiser_text(deck.minimiser),
    )
    relaxer = NamedRelaxer(deck.engine, chosen(deck.potential), deck.device)
    potential = relaxer.load()
    numbered = _as_relaxed(structures)
    reference = optional_hull_at(
        deck.pressure,
        deck.hull,
        {Composition.of(start).elements for _, start in numbered},
        relaxer.potential,
        lambda: potential,
        workers=deck.workers,
        report=on_reference,
    )
    if reference is not None:
        reference.require_model(potential.model)
    names = {str(start.info[records.STRUCTURE_ID]): name for name, start in numbered}
    groups: dict[Composition, list[Atoms]] = {}
    for _, start in numbered:
        groups.setdefault(Composition.of(start).alphabetical, []).append(start)
    plans, errors = _plans(groups, deck, relax, reference, potential)
    if errors and not plans:
        raise next(iter(errors.values()))
    refined: list[Atoms] = []
    objects = carried({"potential": deck.potential, "inpainter": deck.inpainter})
    with run_executor(objects, "local", workers=deck.workers, opened=executor) as own:
        for plan in plans:
            store = MemoryStore()
            group = tuple(groups[plan.composition])
            store.finish(f"{Stage.RELAXED}-0000", Finished(structures=group))
            cycle = Cycle(
                plan,
                proposer=inpainter,
                inpainter=inpainter,
                relaxer=relaxer,
                hull=reference,
                store=store,
                executor=own,
                same=deck.same,
            )
            for progress in cycle.irun(begin=Stage.FRAMEWORK):
                if report is not None:
                    report(progress)
            refined.extend(cycle.ranking())
    left = dict.fromkeys(names, "nothing that was made of it converged")
    for composition, error in errors.items():
        for start in groups[composition]:
            left[str(start.info[records.STRUCTURE_ID])] = str(error)
    for atoms in refined:
        # What lies between is not handed over: name the structure given instead.
        number = str(atoms.info[records.STRUCTURE_ID])[1:].partition(".")[0]
        atoms.info[records.PARENTS] = names[f"r{number}"]
        left.pop(f"r{number}", None)
    return Refinement(refined, {names[key]: reason for key, reason in left.items()})


def _plans(
    groups: Mapping[Composition, Sequence[Atoms]],
    deck: RefineDeck,
    relax: RelaxSettings,
    reference: Hull | None,
    potential: Engine,
) -> tuple[list[CycleSettings], dict[Composition, GencspError]]:
    """What to do for each composition, and why nothing can be done for others."""
    plans: list[CycleSettings] = []
    errors: dict[Composition, GencspError] = {}
    for composition, group in groups.items():
        try:
            require_elements(potential, composition.elements)
            if reference is not None:
                reference.require_elements(composition.elements)
            plan = CycleSettings(
                composition=composition,
                guests=deck.guests,
                max_atoms=max(map(len, group)),
                seed=deck.seed,
                inpaintings=deck.inpaintings,
                relax=relax,
                keep_symmetry=deck.keep_symmetry,
                ladder=LADDERS[deck.ladder],
            )
        except GencspError as error:
            errors[composition] = error
        else:
            plans.append(plan)
    return plans, errors


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
