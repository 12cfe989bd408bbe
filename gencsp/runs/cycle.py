"""Puts named parts together into searches: what the command line and the drivers share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from gencsp.composition import Composition
from gencsp.convex_hull.hull import Hull
from gencsp.minimise.settings import RelaxSettings
from gencsp.runs.decks import CycleDeck
from gencsp.runs.objects import carried, chosen
from gencsp.runs.parts import INPAINTER, NamedProposer, NamedRelaxer, run_executor
from gencsp.searches.cycle import Cycle, CycleSettings, cycle_manifest
from gencsp.store import DiskStore, MemoryStore


@contextmanager
def open_cycle(deck: CycleDeck, *, in_memory: bool = False) -> Iterator[Cycle]:
    """A cycle ready to run, or to go on: inputs checked, models found, folder claimed.

    Everything that can be wrong with the inputs is found before the folder is touched.

    Args:
        deck: the settings.
        in_memory: write nothing, whatever the deck says of a folder.

    Raises:
        CompositionError, RequestError: formula, guests or counts that make no sense.
        WeightsError, EngineError, HullReferenceError: a model or a reference that is missing.
        StoreError: the folder holds another run, cannot be written, or is full.
    """
    settings = cycle_settings(deck)
    hull = Hull.load(deck.hull)
    hull.require_elements(settings.composition.elements)
    proposer = NamedProposer(chosen(deck.proposer), deck.weights)
    inpainter = NamedProposer(INPAINTER, deck.weights)
    with run_executor(carried(dict(deck)), "local", workers=deck.workers) as executor:
        relaxer = NamedRelaxer(deck.engine, chosen(deck.potential))
        models = executor.submit(_identify_models, proposer, inpainter, relaxer).result()
        hull.require_model(models["potential"])
        manifest = cycle_manifest(
            settings, proposer=str(chosen(deck.proposer)), hull=hull.digest, **models
        )
        with nullcontext(MemoryStore()) if in_memory else DiskStore(deck.folder, manifest) as store:
            yield Cycle(
                settings,
                proposer=proposer,
                inpainter=inpainter,
                relaxer=relaxer,
                hull=hull,
                store=store,
                executor=executor,
            )


def cycle_settings(deck: CycleDeck) -> CycleSettings:
    """What a deck says about the search itself.

    Raises:
        CompositionError, RequestError: formula, guests or counts that make no sense.
    """
    return CycleSettings(
        composition=Composition.parse(deck.formula),
        guests=deck.guests,
        max_atoms=deck.atoms,
        n=deck.n,
        seed=deck.seed,
        inpaintings=deck.inpaintings,
        relax=RelaxSettings(fmax=deck.fmax, steps=deck.steps, pressure=deck.pressure),
        keep_symmetry=deck.keep_symmetry,
    )


def _identify_models(
    proposer: NamedProposer, inpainter: NamedProposer, relaxer: NamedRelaxer
) -> dict[str, str]:
    """Load the models once, in a worker, and say which they are."""
    from gencsp.diffusion.positions.model import load_score_model

    proposer()
    potential = relaxer.load()
    score_model = load_score_model(inpainter.weights)
    return {
        "score_model": score_model.digest,
        "engine": potential.name,
        "potential": potential.model,
        "potential_digest": potential.digest,
    }
