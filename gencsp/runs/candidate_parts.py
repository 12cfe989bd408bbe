"""The parts that ``gencsp discover`` and ``gencsp synergy`` name alike, loaded and checked."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Self

from ase import Atoms

from gencsp.convex_hull.hull import Hull
from gencsp.filters import Funnel
from gencsp.filters.deck import FilterDeck
from gencsp.filters.funnel import FilterSpec
from gencsp.minimise.settings import RelaxSettings
from gencsp.potentials.base import identity, require_elements
from gencsp.runs.discover_decks import CandidateDeck
from gencsp.runs.generators import DeNovo
from gencsp.runs.objects import chosen
from gencsp.runs.parts import NamedRelaxer, require_weights
from gencsp.runs.references import hull_at
from gencsp.searches.starts import PoolStarts
from gencsp.store.base import Manifest

#: Format of a run; a newer one is refused by older versions.
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Relaxer, hull and filters of a run.

    Attributes:
        stages: names and options of the filters, in order.
        relaxer: makes the relaxer.
        relax: how to relax.
        hull: the references.
    """

    stages: tuple[FilterSpec, ...]
    relaxer: NamedRelaxer
    relax: RelaxSettings
    hull: Hull

    @classmethod
    def of(cls, deck: CandidateDeck) -> Self:
        """Load what a deck names.

        Raises:
            DeckError: there is no such filter, or it has no such option.
            RequestError: the deck says that there is no hull.
            StructureFileError, HullReferenceError, WeightsError: hull or weights are not there.
        """
        require_weights(deck.weights)
        stages = FilterDeck.make(filters=deck.filters).stages
        Funnel(stages)
        relaxer = NamedRelaxer(deck.engine, chosen(deck.potential), deck.device)
        hull = hull_at(0.0, deck.hull, [], relaxer.potential, relaxer.load, workers=deck.workers)
        if deck.elements is not None:
            hull.require_elements(deck.elements)
        return cls(
            stages=stages,
            relaxer=relaxer,
            relax=RelaxSettings(fmax=deck.fmax, steps=deck.steps),
            hull=hull,
        )


def candidate_manifest(
    kind: str,
    deck: CandidateDeck,
    source: DeNovo | Sequence[Atoms],
    parts: Parts,
    *,
    n: int,
    executor: Executor,
) -> Manifest:
    """What a run is known by again; its models are loaded once in a worker, for their names.

    What only chooses among the structures, and how they are searched, is left out: each search has
    a manifest of its own.

    Args:
        kind: of the run.
        deck: the settings.
        source: what generates, or structures of files.
        parts: of the deck.
        n: structures to generate.
        executor: of the run.

    Raises:
        RequestError, WeightsError, EngineError, PotentialError, HullReferenceError: a model is
            missing, does not know a target or an element, or another one made the references.
    """
    generator = source if isinstance(source, DeNovo) else None
    models = executor.submit(_identify, generator, parts.relaxer, deck.elements or ()).result()
    parts.hull.require_model(models["potential"])
    if isinstance(source, DeNovo):
        made_by = str(source.choice)
    else:
        made_by = f"files#{PoolStarts(name=kind, structures=tuple(source)).digest}"
    return {
        "kind": kind,
        "format": FORMAT,
        "generator": made_by,
        "n": n,
        "elements": None if deck.elements is None else list(deck.elements),
        "atoms": deck.atoms,
        "filters": [str((name, options)) for name, options in parts.stages],
        "seed": deck.seed,
        "fmax": deck.fmax,
        "steps": deck.steps,
        "hull": parts.hull.digest,
        **models,
    }


def _identify(
    source: DeNovo | None, relaxer: NamedRelaxer, elements: tuple[str, ...]
) -> dict[str, str]:
    """Names and hashes of the models, which are loaded once in a worker to find them."""
    model = "" if source is None else source.identify()
    potential = relaxer.load()
    require_elements(potential, elements)
    return {
        "generator_model": model,
        **identity(potential),
    }
