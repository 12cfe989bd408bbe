"""Proposers by name, or by the TOML deck of an external generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gencsp.errors import InpainterError, PluginError, RequestError
from gencsp.plugins import Choice
from gencsp.proposers.base import PROPOSERS, ConfiguredProposer, Proposer, ProposerContext
from gencsp.proposers.own import own_proposer

#: A proposer by name, as an object, or as a function.
ProposerGiven = (
    str | Mapping[str, Any] | Choice | Proposer | ConfiguredProposer | Callable[..., Any]
)

#: How names of decks end.
DECK = ".toml"


def proposer_names() -> tuple[str, ...]:
    """Names of all proposers that are installed, sorted."""
    return PROPOSERS.names()


def is_proposer(given: str | Mapping[str, Any] | Choice) -> bool:
    """Whether a proposer has this name, or it is the deck of an external generator."""
    return proposer_choice(given).name in PROPOSERS


def get_proposer(
    given: ProposerGiven,
    options: Mapping[str, Any] | None = None,
    *,
    context: ProposerContext | None = None,
) -> Proposer:
    """Make a proposer.

    Args:
        given: one of :func:`proposer_names`, with or without options of its own
            (``random:attempts=5``), or the TOML deck of an external generator; or a proposer, its
            options (a :class:`~gencsp.proposers.base.ConfiguredProposer`), or a function as
            :class:`~gencsp.proposers.own.FunctionProposer` takes one.
        options: of its own, beside those.
        context: settings that all proposers share; ``None`` for the defaults.

    Raises:
        RequestError: no proposer has this name, or it is no proposer.
        DeckError: an option is unknown or out of range, or the deck cannot be read.
        ProgramError: the deck's program is not installed.
        WeightsError: it needs a score model whose weights are missing or damaged.
        PluginError: the package of the proposer cannot be loaded or is faulty.
    """
    context = context or ProposerContext()
    if not isinstance(given, str | Mapping | Choice):
        if options:
            raise RequestError("a proposer that is an object has its options: leave them out.")
        return own_proposer(given, context)
    return PROPOSERS.make(proposer_choice(given), options, context=context)


def proposer_class(given: str | Mapping[str, Any] | Choice) -> type[ConfiguredProposer]:
    """The class of a proposer's options, which says what it needs; raises as above."""
    found = PROPOSERS.get(proposer_choice(given).name)
    assert issubclass(found, ConfiguredProposer), "the base of all plug-ins of this kind"
    return found


def inpaints(given: ProposerGiven) -> bool:
    """Whether a proposer completes a host; one of a script does, unless its ``inpaints`` says no.

    Raises:
        RequestError: no proposer has this name.
        PluginError: its package cannot be loaded or is faulty.
    """
    if isinstance(given, str | Mapping | Choice):
        return proposer_class(given).inpaints
    return bool(getattr(given, "inpaints", True))


def require_inpainter(given: ProposerGiven) -> None:
    """Find out whether a proposer completes a host, before anything is made of it.

    Raises:
        InpainterError: it makes whole crystals alone.
        RequestError, PluginError: as :func:`inpaints`.
        DeckError: an option that it does not have, or out of its range.
    """
    if inpaints(given):
        if isinstance(given, str | Mapping | Choice):
            PROPOSERS.configure(proposer_choice(given))
        return
    raise InpainterError(
        f"the proposer '{label_of(given)}' makes whole crystals and cannot put atoms into a host: "
        f"take {' or '.join(_inpainters())}."
    )


def _inpainters() -> list[str]:
    """Names of the proposers that complete a host, of all that can be loaded."""
    found = []
    for name in PROPOSERS.names():
        with suppress(PluginError):
            if inpaints(name):
                found.append(name)
    return found


def label_of(given: ProposerGiven) -> str:
    """The name under which structures of a proposer are counted: its own or that of its deck."""
    if not isinstance(given, str | Mapping | Choice):
        return str(getattr(given, "name", None) or getattr(given, "__name__", "own"))
    return Path(Choice.read(given).name).stem


def proposer_choice(given: str | Mapping[str, Any] | Choice) -> Choice:
    """What a name stands for: the deck of an external generator is the option of ``external``."""
    choice = Choice.read(given)
    if choice.name.endswith(DECK) and Path(choice.name).is_file():
        return Choice.of("external", {**choice.options, "program": choice.name})
    return choice
