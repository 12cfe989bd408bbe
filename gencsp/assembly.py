"""Puts named parts together into searches: what the command line and the drivers share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ase import Atoms

from gencsp.composition import Composition
from gencsp.convex_hull import Hull
from gencsp.deck_base import Fraction, check_fields
from gencsp.decks import CycleDeck, SamplerName
from gencsp.engine.base import Engine
from gencsp.engine.select import EngineName
from gencsp.execute import LocalProcesses
from gencsp.least_distances import LeastDistances
from gencsp.plugins import Choice
from gencsp.proposers import Proposer, ProposerContext, get_proposer
from gencsp.relax.result import Relaxed
from gencsp.relax.settings import RelaxSettings
from gencsp.search.contracts import Relaxer
from gencsp.search.cycle import Cycle, CycleSettings, cycle_manifest
from gencsp.store import DiskStore

#: The proposer that completes a host, by name.
INPAINTER = "mixed"


@dataclass(frozen=True, slots=True)
class NamedProposer:
    """Makes a proposer by name, in whichever process it is called.

    Attributes:
        name: of the proposer, with options of its own where it has some.
        weights: file of a score model; ``None`` for the one that ships with gencsp.
        separations: least distances of pairs of elements.
        volume_spread: see :class:`~gencsp.proposers.base.ProposerContext`.
        sampler: how its score model samples.
    """

    name: str | Choice
    weights: Path | None = None
    separations: LeastDistances = field(default_factory=LeastDistances)
    volume_spread: Fraction = 0.0
    sampler: SamplerName = "thorough"

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self) -> Proposer:
        from gencsp.proposers.options import DEFAULT_SAMPLER, QUICK_SAMPLER

        context = ProposerContext(
            weights=self.weights,
            sampler=QUICK_SAMPLER if self.sampler == "quick" else DEFAULT_SAMPLER,
            min_separations=self.separations,
            volume_spread=self.volume_spread,
        )
        return get_proposer(self.name, context=context)


@dataclass(frozen=True, slots=True)
class NamedRelaxer:
    """Makes a relaxer of one thread, in whichever process it is called.

    Attributes:
        engine: which of gencsp's engines runs CHGNet.
        potential: by name, see :func:`gencsp.potentials.get_potential`.
    """

    engine: EngineName = "auto"
    potential: str | Choice = "chgnet"

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self) -> Relaxer:
        from gencsp.potentials import get_potential

        return partial(_relax, get_potential(self.potential, engine=self.engine))


@contextmanager
def open_cycle(deck: CycleDeck) -> Iterator[Cycle]:
    """A cycle ready to run, or to go on: inputs checked, models found, folder claimed.

    Everything that can be wrong with the inputs is found before the folder is touched.

    Raises:
        CompositionError, RequestError: formula, guests or counts that make no sense.
        WeightsError, EngineError, HullReferenceError: a model or a reference that is missing.
        StoreError: the folder holds another run, cannot be written, or is full.
    """
    settings = cycle_settings(deck)
    hull = Hull.load(deck.hull)
    hull.require_elements(settings.composition.elements)
    proposer = NamedProposer(Choice.read(deck.proposer), deck.weights)
    inpainter = NamedProposer(INPAINTER, deck.weights)
    with LocalProcesses(deck.workers) as executor:
        relaxer = NamedRelaxer(deck.engine, Choice.read(deck.potential))
        models = executor.submit(_identify_models, proposer, inpainter, relaxer).result()
        hull.require_model(models["potential"])
        manifest = cycle_manifest(
            settings, proposer=str(Choice.read(deck.proposer)), hull=hull.digest, **models
        )
        with DiskStore(deck.folder, manifest) as store:
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
    from gencsp.diffusion.score_model import load_score_model
    from gencsp.potentials import get_potential

    proposer()
    potential = get_potential(relaxer.potential, engine=relaxer.engine)
    score_model = load_score_model(inpainter.weights)
    return {
        "score_model": score_model.digest,
        "engine": potential.name,
        "potential": potential.model,
        "potential_digest": potential.digest,
    }


def _relax(
    engine: Engine, structures: Iterable[Atoms], settings: RelaxSettings
) -> Iterator[Relaxed]:
    return engine.relax(structures, settings, workers=1)
