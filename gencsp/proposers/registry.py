"""Proposers by name, or by the TOML deck of an external generator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gencsp.plugins import Choice
from gencsp.proposers.base import PROPOSERS, ConfiguredProposer, Proposer, ProposerContext

#: How names of decks end.
DECK = ".toml"


def proposer_names() -> tuple[str, ...]:
    """Names of all proposers that are installed, sorted."""
    return PROPOSERS.names()


def is_proposer(given: str | Mapping[str, Any] | Choice) -> bool:
    """Whether a proposer has this name, or it is the deck of an external generator."""
    return _chosen(given).name in PROPOSERS


def get_proposer(
    given: str | Mapping[str, Any] | Choice,
    options: Mapping[str, Any] | None = None,
    *,
    context: ProposerContext | None = None,
) -> Proposer:
    """Make a proposer.

    Args:
        given: one of :func:`proposer_names`, with or without options of its own
            (``random:attempts=5``), or the TOML deck of an external generator.
        options: of its own, beside those.
        context: settings that all proposers share; ``None`` for the defaults.

    Raises:
        RequestError: no proposer has this name.
        DeckError: an option is unknown or out of range, or the deck cannot be read.
        ProgramError: the deck's program is not installed.
        WeightsError: it needs a score model whose weights are missing or damaged.
        PluginError: the package of the proposer cannot be loaded or is faulty.
    """
    return PROPOSERS.make(_chosen(given), options, context=context or ProposerContext())


def proposer_class(given: str | Mapping[str, Any] | Choice) -> type[ConfiguredProposer]:
    """The class of a proposer's options, which says what it needs; raises as above."""
    found = PROPOSERS.get(_chosen(given).name)
    assert issubclass(found, ConfiguredProposer), "the base of all plug-ins of this kind"
    return found


def label_of(given: str | Mapping[str, Any] | Choice) -> str:
    """The name under which structures of a proposer are counted: its own or that of its deck."""
    return Path(Choice.read(given).name).stem


def _chosen(given: str | Mapping[str, Any] | Choice) -> Choice:
    choice = Choice.read(given)
    if choice.name.endswith(DECK) and Path(choice.name).is_file():
        return Choice.of("external", {**choice.options, "program": choice.name})
    return choice
