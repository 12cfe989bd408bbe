"""Opens a cycle from a deck, for the command line and the drivers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

from gencsp.composition import Composition
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.under_pressure import ReferenceReport
from gencsp.diffusion.positions.stored import StoredScoreModel
from gencsp.errors import RequestError
from gencsp.minimise.minimisers import minimiser_text
from gencsp.minimise.settings import RelaxSettings
from gencsp.plugins import Choice
from gencsp.potentials.base import identity, require_elements
from gencsp.powder.kept import keep_pattern
from gencsp.proposers.sampling import sampler_manifest
from gencsp.proposers.unit_choice import RANDOM_UNITS, unit_proposer
from gencsp.runs.decks import CycleDeck
from gencsp.runs.inpainter import inpainter_of
from gencsp.runs.objects import NO_HULL, carried, chosen
from gencsp.runs.parts import NamedProposer, NamedRelaxer, run_executor
from gencsp.runs.patterns import pattern_of
from gencsp.runs.references import likely_volume, optional_hull_at
from gencsp.runs.units import units_of_cycle
from gencsp.searches.cycle import Cycle
from gencsp.searches.settings import CycleSettings, cycle_manifest
from gencsp.store import DiskStore, MemoryStore, Store
from gencsp.store.base import Scalar
from gencsp.store.part import StorePart
from gencsp.symmetry.ladder import LADDERS


@contextmanager
def open_cycle(
    deck: CycleDeck,
    *,
    in_memory: bool = False,
    on_reference: ReferenceReport | None = None,
    executor: Executor | None = None,
) -> Iterator[Cycle]:
    """A cycle ready to run or to continue: inputs are checked, models found, the folder locked.

    All errors of the inputs are found before anything is written to the folder.

    Args:
        deck: the settings.
        in_memory: write nothing, whatever the deck says of a folder.
        on_reference: called with how many hull references were relaxed at the pressure of the
            cycle, and of how many; they are kept for later runs.
        executor: where tasks run, which the caller opens and closes; ``None`` opens local
            processes.

    Raises:
        CompositionError, RequestError, DeckError: a formula, guests, counts, a sampler or a
            minimiser that are invalid.
        InpainterError: the inpainter makes whole crystals alone.
        WeightsError, EngineError, HullReferenceError: a model or a reference is missing.
        PotentialError: the potential is missing, or was not made for one of the elements.
        StoreError: the folder holds another run, cannot be written, or is full.
    """
    with open_cycles(
        deck,
        [cycle_settings(deck)],
        in_memory=in_memory,
        on_reference=on_reference,
        executor=executor,
    ) as opened:
        yield opened.cycles[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Cycles that are ready to run, and what they share.

    Attributes:
        cycles: one for each settings.
        store: of all of them.
        hull: the references of decomposition energies; ``None`` where there are to be none.
    """

    cycles: tuple[Cycle, ...]
    store: Store
    hull: Hull | None


@contextmanager
def open_cycles(
    deck: CycleDeck,
    every: Sequence[CycleSettings],
    *,
    in_memory: bool = False,
    on_reference: ReferenceReport | None = None,
    executor: Executor | None = None,
    **identity: Scalar | Sequence[Scalar],
) -> Iterator[Opened]:
    """Cycles that share a folder, an executor and their models.

    Args:
        deck: the settings.
        every: those of each cycle; one, or several whose structures have numbers of their own.
        in_memory: see :func:`open_cycle`.
        on_reference: see :func:`open_cycle`.
        executor: see :func:`open_cycle`.
        identity: what names the run in the place of the settings of its first cycle.

    Raises:
        GencspError: as :func:`open_cycle`.
    """
    elements = tuple(dict.fromkeys(s for one in every for s in one.composition.elements))
    pattern = pattern_of(deck, elements)
    proposer, inpainter, relaxer = cycle_parts(deck)
    hull = optional_hull_at(
        deck.pressure,
        deck.hull,
        [elements],
        relaxer.potential,
        relaxer.load,
        workers=deck.workers,
        report=on_reference,
    )
    if hull is not None:
        hull.require_elements(elements)
    if hull is not None and deck.pressure and deck.volume is None:
        every = [
            replace(one, volume_per_atom=likely_volume(hull, one.composition)) for one in every
        ]
    with run_executor(carried(dict(deck)), "local", workers=deck.workers, opened=executor) as own:
        models = own.submit(identify_models, proposer, inpainter, relaxer, elements).result()
        if hull is not None:
            hull.require_model(models["potential"])
        manifest = cycle_manifest(
            every[0],
            preset=deck.preset,
            proposer=str(proposer.name),
            inpainter=str(chosen(deck.inpainter)),
            hull=NO_HULL if hull is None else hull.digest,
            **sampler_manifest(proposer.sampler),
            **models,
            **({} if pattern is None else {"xrd": pattern.pattern.digest}),
            **identity,
        )
        with nullcontext(MemoryStore()) if in_memory else DiskStore(deck.folder, manifest) as store:
            if pattern is not None and not in_memory:
                keep_pattern(pattern.pattern, deck.folder)
            make = partial(
                Cycle,
                proposer=proposer,
                inpainter=inpainter,
                relaxer=relaxer,
                hull=hull,
                executor=own,
                same=deck.same,
                pattern=pattern,
            )
            alone = len(every) == 1
            cycles = (
                make(one, store=store if alone else StorePart(store, first=one.first, n=one.n))
                for one in every
            )
            yield Opened(cycles=tuple(cycles), store=store, hull=hull)


def cycle_parts(deck: CycleDeck) -> tuple[NamedProposer, NamedProposer, NamedRelaxer]:
    """The makers of what generates, of what puts the guests back, and of what relaxes.

    Raises:
        RequestError, DeckError, InpainterError: as :func:`gencsp.runs.inpainter.inpainter_of`.
        RequestError, UnitError: as :func:`gencsp.runs.units.units_of_cycle`, or rigid units and a
            proposer that places single atoms.
    """
    inpainter = inpainter_of(deck)
    choice = chosen(deck.proposer)
    units = units_of_cycle(deck)
    if units is not None and isinstance(choice, Choice):
        choice = unit_proposer(choice if "proposer" in deck.given else RANDOM_UNITS, units.texts)
    proposer = NamedProposer(choice, deck.weights, sampler=inpainter.sampler, device=deck.device)
    return proposer, inpainter, NamedRelaxer(deck.engine, chosen(deck.potential), deck.device)


def cycle_settings(deck: CycleDeck) -> CycleSettings:
    """The settings of the cycle itself.

    Raises:
        CompositionError, RequestError: a formula, guests, counts or a minimiser that are invalid.
        RequestError, UnitError: as :func:`gencsp.runs.units.units_of_cycle`.
        DeckError: an option that the minimiser does not have, or out of its range.
        PluginError: the package of the minimiser is at fault.
    """
    if deck.compositions is not None:
        raise RequestError(
            f"{deck.formula} is one composition: leave out how many compositions there may be, or "
            f"give a system such as Li-Si."
        )
    if deck.host is None and {"order", "order_atoms", "order_by"} & set(deck.given):
        raise RequestError("ordered cells are made of a host: give --host, or leave --order out.")
    composition = Composition.parse(deck.formula)
    rigid = units_of_cycle(deck)
    minimiser = minimiser_text(deck.minimiser)
    units = composition.cell_units(deck.atoms)
    return CycleSettings(
        composition=composition,
        guests=deck.guests,
        # A formula that is not in lowest terms is the cell itself.
        max_atoms=deck.atoms if units[0] == 1 else composition.size,
        n=deck.n,
        seed=deck.seed,
        inpaintings=deck.inpaintings,
        relax=RelaxSettings(
            fmax=deck.fmax,
            steps=deck.steps,
            pressure=deck.pressure,
            minimiser=minimiser,
            rigid_units=rigid is not None,
            broken_units=deck.broken_units,
        ),
        keep_symmetry=deck.keep_symmetry,
        volume_per_atom=deck.volume,
        ladder=LADDERS[deck.ladder],
        guest_choices=() if rigid is None else rigid.alone,
        units=() if rigid is None else rigid.labels,
    )


def identify_models(
    proposer: NamedProposer,
    inpainter: NamedProposer,
    relaxer: NamedRelaxer,
    elements: tuple[str, ...],
) -> dict[str, str]:
    """Names and hashes of the models, which are loaded once in a worker to find them."""
    for maker in (proposer, inpainter):
        maker()
    potential = relaxer.load()
    require_elements(potential, elements)
    score_model = StoredScoreModel(inpainter.weights)
    return {
        "score_model": score_model.digest,
        **identity(potential),
    }
