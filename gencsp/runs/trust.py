"""What the settings of a run execute, and whether this user has started it before.

A run folder holds its deck, and a deck may name code: the file of a potential, the command of a
generator, a model that is a pickle. Starting a search executes what its user names. Resuming one
executes what a file says, and that file may be somebody else's. So a search, when it is started,
records a hash of all that it executes in the user's own data folder, outside of every run, and
:func:`resumed_deck` refuses what has no such record.

The hashes cover the settings with their absolute paths, and the contents of every file that they
name: the file of a potential, the source of a module, the deck of a generator and the files in its
command. They do not cover what these read or import in turn.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from gencsp.diffusion.positions.settings import SAMPLERS
from gencsp.errors import DeckError, TrustError
from gencsp.executors.named import EXECUTORS
from gencsp.minimise.minimisers import MINIMISERS
from gencsp.plugins import Choice, Registry
from gencsp.potentials.registry import POTENTIALS, potential_choice
from gencsp.proposers.base import PROPOSERS
from gencsp.proposers.external.deck import ExternalDeck
from gencsp.proposers.own import DEFAULT_OBJECT
from gencsp.proposers.registry import is_proposer, proposer_choice, proposer_kind, wrapped
from gencsp.proposers.sampling import NAMED
from gencsp.runs.decks import SearchDeck
from gencsp.runs.objects import Carried, Named
from gencsp.runs.settings import saved_deck, weighted, whole_path
from gencsp.searches.moves import MOVES
from gencsp.searches.strategy import STRATEGIES


@dataclass(frozen=True, slots=True)
class Executed:
    """Something that a setting executes.

    Attributes:
        setting: the field of the deck.
        what: as it is named, files with their whole path.
        digest: SHA-256 of both and of the contents of the files that are named.
    """

    setting: str
    what: str
    digest: str

    def __str__(self) -> str:
        return f"{self.what} ({self.setting})"


def executed(deck: SearchDeck) -> tuple[Executed, ...]:
    """All that a search executes beside gencsp and plug-ins that execute nothing.

    Objects of a script are none of it: they are in no file.

    Raises:
        RequestError, DeckError, PluginError: a plug-in that there is not, or that cannot be loaded.
    """
    found = list(_of_potential(deck.potential))
    for setting, given in (
        *(("seeds", one) for one in deck.seeds),
        ("background", deck.background),
    ):
        found += _of_proposer(setting, given)
    samplers = [] if Choice.read(deck.sampler).name in NAMED else [deck.sampler]
    others: tuple[tuple[str, Named, Registry[Any]], ...] = (
        ("executor", deck.executor, EXECUTORS),
        ("method", deck.method, STRATEGIES),
        ("minimiser", deck.minimiser, MINIMISERS),
        *(("sampler", one, SAMPLERS) for one in samplers),
        *(("moves", move, MOVES) for move in deck.moves or ()),
    )
    for setting, given, registry in others:
        found += _of_plugin(setting, Choice.read(given), registry)
    return tuple(found)


def resumed_deck(where: Path, *, trust: bool = False, **changes: object) -> SearchDeck:
    """The deck of the run in a folder, to go on with it.

    Args:
        where: the folder.
        trust: execute what its files name, whoever wrote them.
        changes: see :func:`~gencsp.runs.settings.saved_deck`.

    Raises:
        DeckError: there is no search in the folder, or a change is out of range.
        TrustError: it would execute what this user has not started from the same files.
    """
    deck = saved_deck(where, **changes)
    if not trust:
        new = [one for one in executed(deck) if not (_records() / one.digest).is_file()]
        if new:
            raise TrustError(
                f"to go on with {where} would execute {', '.join(map(str, new))}, which you have "
                f"not started from these files before: read them, and add --trust to execute them."
            )
    return deck


def remember(deck: SearchDeck) -> None:
    """Record what a search executes that its user has started."""
    for one in executed(deck):
        # A data folder that cannot be written costs no more than a --trust.
        with suppress(OSError):
            _records().mkdir(parents=True, exist_ok=True)
            (_records() / one.digest).write_text(f"{one}\n", encoding="utf-8")


def _records() -> Path:
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "gencsp" / "executed"


def _of_potential(given: Named | Carried) -> Iterator[Executed]:
    if isinstance(given, Carried):
        return
    choice, kind = potential_choice(given)
    if kind == "file":
        path = Path(choice.name).absolute()
        function = choice.value or "calculator"
        yield _executed("potential", f"{path}:{function}", [path])
    elif kind == "module":
        yield _executed("potential", str(choice), _sources(choice.name))
    else:
        yield from _of_plugin("potential", choice, POTENTIALS)


def _of_proposer(setting: str, given: Named | Carried) -> Iterator[Executed]:
    if isinstance(given, Carried):
        return
    choice, _ = weighted(given)
    yield from _of_proposer_choice(setting, choice)


def _of_proposer_choice(setting: str, choice: Choice) -> Iterator[Executed]:
    kind = proposer_kind(choice)
    if kind == "file":
        path = Path(choice.name).absolute()
        yield _executed(setting, f"{path}:{choice.value or DEFAULT_OBJECT}", [path])
    elif kind == "module":
        yield _executed(setting, str(choice), _sources(choice.name))
    elif is_proposer(choice):  # a file of structures otherwise
        yield from _of_plugin(setting, proposer_choice(choice), PROPOSERS)
        inner = wrapped(choice)
        if inner is not None:
            yield from _of_proposer_choice(setting, inner)


def _of_plugin(setting: str, choice: Choice, registry: Registry[Any]) -> Iterator[Executed]:
    plugin = registry.get(choice.name)
    options: Mapping[str, Any] = choice.options
    if choice.value:
        options = {plugin.main: choice.value, **options}
    named = {key: options[key] for key in plugin.executed_options() if options.get(key)}
    if not named:
        return
    named = {key: whole_path(value) for key, value in named.items()}
    paths = _paths(_texts(named))
    if choice.name == "external":
        paths += _in_deck(paths)
    yield _executed(setting, str(Choice.of(choice.name, named)), paths)


def _in_deck(decks: Iterable[Path]) -> list[Path]:
    """Files that decks of generators name: the program, its scripts and its model."""
    found: list[Path] = []
    for path in decks:
        try:
            deck = ExternalDeck.read(path)
        except DeckError:  # is reported when the proposer is made, and executes nothing
            continue
        words = (*deck.call.command, *deck.arguments, *deck.call.variables.values())
        filled = [word.replace("{home}", str(deck.home or "")) for word in words]
        found += _paths(os.path.expanduser(word) for word in (*filled, deck.model))
    return found


def _sources(module: str) -> list[Path]:
    """The files of a module and the packages around it, found without importing any."""
    places, found = None, []
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:depth]), places)
        if spec is None:
            break
        if spec.origin is not None and Path(spec.origin).is_file():
            found.append(Path(spec.origin))
        places = spec.submodule_search_locations
    return found


def _executed(setting: str, what: str, paths: Iterable[Path]) -> Executed:
    contents = [(str(file), _digest(file)) for path in paths for file in _files(path)]
    text = json.dumps([setting, what, contents])
    return Executed(setting, what, hashlib.sha256(text.encode()).hexdigest())


def _files(path: Path) -> list[Path]:
    """The file itself, or all in a folder, such as a model's."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _digest(path: Path) -> str:
    """Hash of a file; empty where it cannot be read, and then it cannot be executed either."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _paths(texts: Iterable[str]) -> list[Path]:
    """Those that name a file or a folder."""
    return [Path(text).absolute() for text in texts if text and os.path.exists(text)]


def _texts(value: Any) -> Iterator[str]:
    """All texts in a table of options."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
