"""The sources of structures without parents that the deck of a search names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gencsp.errors import RequestError, StructureFileError
from gencsp.io.pools import sources
from gencsp.plugins import Choice
from gencsp.proposers import proposer_names
from gencsp.proposers.registry import block_of, is_proposer, label_of
from gencsp.proposers.sampling import deck_sampler
from gencsp.proposers.unit_choice import RANDOM_UNITS, unit_proposer
from gencsp.runs.decks import SearchDeck
from gencsp.runs.objects import Carried, Named, Structures, chosen
from gencsp.runs.parts import NamedProposer, Scatter
from gencsp.runs.settings import weighted
from gencsp.runs.units import seeds_of, units_of_deck
from gencsp.searches.settings import SearchSettings
from gencsp.searches.starts import ProposerStarts, StartSource, pool_source

if TYPE_CHECKING:
    from ase import Atoms


def seed_sources(
    deck: SearchDeck, settings: SearchSettings, background: ProposerStarts
) -> tuple[StartSource, ...]:
    """The sources of seeds, each with a name of its own.

    Raises:
        RequestError: one is neither a file nor a proposer, or its weight is no weight.
        StructureFileError: nothing can be read from a file or folder.
    """
    found = [_source(text, deck, settings) for text in seeds_of(deck)]
    return _named_apart(found, taken={background.name})


def background_source(deck: SearchDeck, settings: SearchSettings) -> ProposerStarts:
    """The proposer of the other structures without parents."""
    choice = chosen(deck.background)
    plain = isinstance(choice, Choice) and choice.name == "random"
    units = units_of_deck(deck, settings.space.compositions[0][0])
    if units is not None and isinstance(choice, Choice):
        choice = unit_proposer(RANDOM_UNITS if plain else choice, units.texts)
        plain = False
    if settings.space.cell is not None and plain:
        return ProposerStarts(name="scatter", make=Scatter(settings.separations))
    return _proposer_source(choice, deck, settings, 1.0)


def _source(given: Named | Carried, deck: SearchDeck, settings: SearchSettings) -> StartSource:
    if isinstance(given, Carried):
        found = given.open()
        if isinstance(found, Structures):
            return pool_source(
                found.name,
                found.structures,
                settings.space,
                seed=settings.seed,
                separations=settings.separations,
                units=bool(settings.units),
            )
        return _proposer_source(given, deck, settings, 1.0)
    choice, weight = weighted(given)
    name = choice.name
    if not weight > 0:
        raise RequestError(f"the weight of the seeds '{name}' is {weight}: give one above zero.")
    if is_proposer(choice):
        if name == "pool":
            raise RequestError("name the files of a pool instead of 'pool'.")
        units = units_of_deck(deck, settings.space.compositions[0][0])
        if units is not None:
            choice = unit_proposer(choice, units.texts)
        return _proposer_source(choice, deck, settings, weight)
    path = Path(str(choice))
    if not path.exists():
        raise RequestError(
            f"'{name}' is neither a file nor a proposer: proposers are "
            f"{', '.join(proposer_names())}."
        )
    structures, unreadable = _readable(path)
    pool = pool_source(
        path.stem,
        structures,
        settings.space,
        seed=settings.seed,
        separations=settings.separations,
        weight=weight,
        units=bool(settings.units),
    )
    if not unreadable:
        return pool
    return replace(pool, skipped={**pool.skipped, "because they cannot be read": unreadable})


def _readable(path: Path) -> tuple[list[Atoms], tuple[str, ...]]:
    """Structures of a file or folder, and the names of what cannot be read there.

    Raises:
        StructureFileError: nothing can be read.
    """
    structures: list[Atoms] = []
    failed: list[tuple[str, StructureFileError]] = []
    for source in sources([path]):
        try:
            structures += source.load()
        except StructureFileError as error:
            failed.append((source.name, error))
    if not structures:
        raise failed[0][1] if failed else StructureFileError(f"{path} holds no structures.")
    return structures, tuple(name for name, _ in failed)


def _named_apart(sources: list[StartSource], *, taken: set[str]) -> tuple[StartSource, ...]:
    """The same sources, with numbers added to names that occur more than once."""
    apart = []
    for source in sources:
        name, number = source.name, 2
        while name in taken:
            name, number = f"{source.name}{number}", number + 1
        taken.add(name)
        apart.append(replace(source, name=name))
    return tuple(apart)


def _proposer_source(
    choice: Choice | Carried, deck: SearchDeck, settings: SearchSettings, weight: float
) -> ProposerStarts:
    spread = settings.volume_spread
    return ProposerStarts(
        name=choice.label if isinstance(choice, Carried) else label_of(choice),
        make=NamedProposer(
            choice,
            deck.weights,
            settings.separations,
            spread,
            deck_sampler(deck),
            deck.device,
        ),
        weight=weight,
        block=None if isinstance(choice, Carried) else block_of(choice),
    )
