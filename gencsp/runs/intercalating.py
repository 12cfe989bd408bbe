"""Series of guest contents in a host as one call, and opened from a deck for the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms

from gencsp.composition import Composition
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.under_pressure import ReferenceReport
from gencsp.diffusion.positions.stored import StoredScoreModel
from gencsp.disorder.crystal import DisorderedCrystal
from gencsp.errors import RequestError
from gencsp.executors import ThisProcess
from gencsp.intercalation.contents import formula_units, plan_contents, read_series
from gencsp.intercalation.profile import Profile, profile
from gencsp.intercalation.sites import digest_of, guest_orders, host_and_given
from gencsp.minimise.settings import RelaxSettings
from gencsp.potentials.base import identity, require_elements
from gencsp.runs.fields import INPAINTER
from gencsp.runs.host_decks import IntercalateDeck
from gencsp.runs.objects import NO_HULL, carried, chosen
from gencsp.runs.parts import NamedProposer, NamedRelaxer, run_executor
from gencsp.runs.references import optional_hull_at
from gencsp.searches.intercalation import Intercalation, IntercalationProgress
from gencsp.searches.intercalation_settings import IntercalationSettings, intercalation_manifest
from gencsp.store import DiskStore, MemoryStore


@dataclass(frozen=True, slots=True)
class Intercalated:
    """What came of a series of guest contents.

    Attributes:
        structures: that converged, by ``guest_content`` in ``info``, the lowest of each first.
        profile: hull over x and voltages; ``None`` where fewer than two contents converged.
        metal: the reference phase of the guest's element, as the hull names it; empty without hull.
        charge: of a guest ion, e; ``None`` without hull.
        unit: formula unit of the host.
        guest: element symbol.
        failures: how many structures failed, by reason.
    """

    structures: list[Atoms]
    profile: Profile | None
    metal: str
    charge: int | None
    unit: Composition
    guest: str
    failures: dict[str, int]


def intercalate(
    host: Atoms,
    *,
    report: Callable[[IntercalationProgress], None] | None = None,
    on_reference: ReferenceReport | None = None,
    **settings: Any,
) -> Intercalated:
    """Guests in a host over a series of contents: ``intercalate(atoms, guest="Li", x="0:1:0.25")``.

    With ``out`` every result is in that folder at once, and the same call goes on where an earlier
    one was stopped; without it nothing is written.

    Args:
        host: a crystal; guests in it are taken out first, so that x = 0 is the host without them.
            Where they were is relaxed, too, at the content that the crystal has, and orders of
            guests and vacancies on their sites at the contents below it.
        report: called after each task.
        on_reference: called with how many hull references were relaxed at the pressure of the run,
            and of how many.
        settings: fields of :class:`~gencsp.runs.host_decks.IntercalateDeck`, where each is
            described. ``potential`` and ``hull`` also take objects, see :func:`gencsp.refine`.

    Raises:
        DeckError: an unknown setting, or one out of range.
        GencspError: as :func:`open_intercalation`.
    """
    deck = IntercalateDeck.make(**settings)
    with open_intercalation(
        host, deck, in_memory=deck.out is None, on_reference=on_reference
    ) as run:
        for progress in run.irun():
            if report is not None:
                report(progress)
        return result_of(run, deck)


@contextmanager
def open_intercalation(
    host: Atoms,
    deck: IntercalateDeck,
    *,
    mean: DisorderedCrystal | None = None,
    in_memory: bool = False,
    on_reference: ReferenceReport | None = None,
    executor: Executor | None = None,
) -> Iterator[Intercalation]:
    """A run ready to begin or to continue: inputs are checked, models found, the folder locked.

    Args:
        host: as :func:`intercalate` takes it.
        deck: the settings.
        mean: the disordered crystal of which the host is an ordered cell, where there is one.
        in_memory: write nothing, whatever the deck says of a folder.
        on_reference: called as hull references are relaxed.
        executor: where tasks run, which the caller opens and closes; ``None`` opens local
            processes.

    Raises:
        CompositionError, RequestError: an unknown guest, a host without other atoms, a series that
            cannot be read, or a content that cannot be reached within the atom limit.
        WeightsError, EngineError, HullReferenceError: a model or a reference is missing.
        PotentialError: the potential is missing, or was not made for one of the elements.
        StoreError: the folder holds another run, cannot be written, or is full.
    """
    bare, given = host_and_given(host, deck.guest)
    if mean is not None:
        # Where the one ordered cell has its guests was drawn.
        given = []
    settings = intercalation_settings(deck, bare)
    units = formula_units(bare, settings.unit)
    # Before models are loaded and the folder is made.
    plan_contents(settings.series, units, len(bare), settings.max_atoms)
    if mean is None and given:
        mean = DisorderedCrystal.of(given[0])
    known = given + guest_orders(
        mean,
        deck.guest,
        settings.unit,
        settings.series,
        n=deck.orderings,
        max_atoms=deck.atoms,
        seed=deck.seed,
    )
    relaxer = NamedRelaxer(deck.engine, chosen(deck.potential), deck.device)
    elements = (*settings.unit.elements, deck.guest)
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
        charge_of(deck)
    inpainter = NamedProposer(INPAINTER, deck.weights, device=deck.device)
    with run_executor(carried(dict(deck)), "local", workers=deck.workers, opened=executor) as own:
        models = own.submit(_identify_models, inpainter, relaxer, elements).result()
        if hull is not None:
            hull.require_model(models["potential"])
        manifest = intercalation_manifest(
            settings,
            host=digest_of([bare, *known]),
            hull=NO_HULL if hull is None else hull.digest,
            **models,
        )
        with (
            nullcontext(MemoryStore())
            if in_memory
            else DiskStore(folder_of(deck, host), manifest) as store
        ):
            yield Intercalation(
                settings,
                host=bare,
                known=known,
                inpainter=inpainter,
                relaxer=relaxer,
                hull=hull,
                store=store,
                executor=own,
                same=deck.same,
                ahead=1 if isinstance(own, ThisProcess) else 2 * deck.workers,
            )


def intercalation_settings(deck: IntercalateDeck, host: Atoms) -> IntercalationSettings:
    """The settings of the run itself.

    Raises:
        CompositionError, RequestError: as :func:`open_intercalation`.
    """
    unit = Composition.of(host).alphabetical if deck.unit is None else Composition.parse(deck.unit)
    return IntercalationSettings(
        guest=deck.guest,
        series=read_series(deck.x),
        unit=unit,
        max_atoms=deck.atoms,
        n=deck.n,
        cells=deck.cells,
        relaxing=deck.relax,
        relax=RelaxSettings(fmax=deck.fmax, steps=deck.steps, pressure=deck.pressure),
        seed=deck.seed,
    )


def folder_of(deck: IntercalateDeck, host: Atoms) -> Path:
    """The folder of the run."""
    name = Composition.of(host).formula_key
    return deck.out or Path("runs") / f"{name}-{deck.guest}-{deck.seed}"


def charge_of(deck: IntercalateDeck) -> int:
    """The charge of a guest ion, e: as given, or the usual one of its element.

    Raises:
        RequestError: it is not given, and the element has no or several usual positive charges.
    """
    if deck.charge is not None:
        return deck.charge
    from pymatgen.core import Element

    usual = [n for n in Element(deck.guest).common_oxidation_states if n > 0]
    if len(usual) != 1:
        shown = " or ".join(map(str, usual)) or "no positive one"
        raise RequestError(
            f"voltages need the charge of a {deck.guest} ion, which usually is {shown}: give it "
            f"with --charge."
        )
    return int(usual[0])


def result_of(run: Intercalation, deck: IntercalateDeck) -> Intercalated:
    """The structures of a run, and what they say over the guest content.

    Raises:
        HullReferenceError: no reference for the guest's element.
        WorkerError, StoreError: as :meth:`.Intercalation.structures`.
    """
    structures = run.structures()
    points = run.points(structures)
    metal = metal_of(run.hull, deck.guest)
    charge = None if metal is None else charge_of(deck)
    several = len({point.x for point in points}) > 1
    energy = None if metal is None else metal[1]
    return Intercalated(
        structures=structures,
        profile=profile(points, metal=energy, charge=charge) if several else None,
        metal="" if metal is None else metal[0],
        charge=charge,
        unit=run.settings.unit,
        guest=deck.guest,
        failures=dict(run.failures()),
    )


def metal_of(hull: object, guest: str) -> tuple[str, float] | None:
    """The lowest reference phase of the guest's element, and its energy in eV/atom."""
    if not isinstance(hull, Hull):
        return None
    phases = hull.references(Composition(((guest, 1),)))
    if not phases:
        raise RequestError(f"the hull has no reference of {guest}: give one with --hull.")
    return phases[0].label, phases[0].energy_per_atom


def _identify_models(
    inpainter: NamedProposer, relaxer: NamedRelaxer, elements: tuple[str, ...]
) -> dict[str, str]:
    """Names and hashes of the models, which are loaded once in a worker to find them."""
    potential = relaxer.load()
    require_elements(potential, elements)
    return {
        "score_model": StoredScoreModel(inpainter.weights).digest,
        **identity(potential),
    }
