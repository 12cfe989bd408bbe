"""Proposers by name, or by the TOML deck of an external generator."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeAlias

from gencsp.errors import InpainterError, PluginError, RequestError
from gencsp.plugins import Choice
from gencsp.proposers.base import PROPOSERS, ConfiguredProposer, Proposer, ProposerContext
from gencsp.proposers.own import DEFAULT_OBJECT, OwnCode, from_file, from_import, own_proposer

#: A proposer by name, as an object, or as a function.
ProposerGiven = (
    str | Mapping[str, Any] | Choice | Proposer | ConfiguredProposer | Callable[..., Any]
)

#: How names of decks end, and of files of code.
DECK, CODE = ".toml", ".py"
#: Where the code of a proposer is: see :func:`get_proposer`.
ProposerKind: TypeAlias = Literal["plug-in", "file", "module"]
#: Names of Python, with dots between them.
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def proposer_names() -> tuple[str, ...]:
    """Names of all proposers that are installed, sorted."""
    return PROPOSERS.names()


def is_proposer(given: str | Mapping[str, Any] | Choice) -> bool:
    """Whether a proposer has this name, or it is the deck of an external generator, or code."""
    return proposer_choice(given).name in PROPOSERS or proposer_kind(given) != "plug-in"


def proposer_kind(given: str | Mapping[str, Any] | Choice) -> ProposerKind:
    """What a name stands for: a plug-in, an object of a file, or one of a module."""
    choice = proposer_choice(given)
    if choice.name in PROPOSERS or choice.settings != "{}":
        return "plug-in"
    if choice.name.endswith(CODE):
        return "file"
    dotted = _DOTTED.fullmatch(choice.name) and _DOTTED.fullmatch(choice.value)
    return "module" if dotted and not os.path.exists(choice.name) else "plug-in"


def get_proposer(
    given: ProposerGiven,
    options: Mapping[str, Any] | None = None,
    *,
    context: ProposerContext | None = None,
) -> Proposer:
    """Make a proposer.

    Args:
        given: one of :func:`proposer_names`, with or without options of its own
            (``random:attempts=5``), or the TOML deck of an external generator; ``FILE.py`` or
            ``FILE.py:OBJECT`` for a file with a proposer (``propose`` if not named), or
            ``package.module:OBJECT`` for one that can be imported; or an object. Each is a
            proposer, its options (a :class:`~gencsp.proposers.base.ConfiguredProposer`), or a
            function as :class:`~gencsp.proposers.own.FunctionProposer` takes one; in files and
            modules also a class of proposers that is made without arguments.
        options: of its own, beside those.
        context: settings that all proposers share; ``None`` for the defaults.

    Raises:
        RequestError: no proposer has this name, or it is no proposer.
        DeckError: an option is unknown or out of range, or the deck cannot be read.
        ProgramError: the deck's program is not installed.
        WeightsError: it needs a score model whose weights are missing or damaged.
        PluginError: the package of the proposer, or the file, cannot be loaded or is faulty.
    """
    context = context or ProposerContext()
    if isinstance(given, str | Mapping | Choice) and proposer_kind(given) != "plug-in":
        given = own_code(given)
    if not isinstance(given, str | Mapping | Choice):
        if options:
            raise RequestError("a proposer that is an object has its options: leave them out.")
        return own_proposer(given, context)
    return PROPOSERS.make(proposer_choice(given), options, context=context)


def proposer_class(given: str | Mapping[str, Any] | Choice) -> type[ConfiguredProposer]:
    """The class of a proposer's options, which says what it needs; raises as above."""
    if proposer_kind(given) != "plug-in":
        return OwnCode
    return _plugin_class(proposer_choice(given))


def _plugin_class(choice: Choice) -> type[ConfiguredProposer]:
    found = PROPOSERS.get(choice.name)
    assert issubclass(found, ConfiguredProposer), "the base of all plug-ins of this kind"
    return found


def wrapped(given: str | Mapping[str, Any] | Choice) -> Choice | None:
    """The proposer whose structures another one hands over; ``None`` where it makes its own.

    Raises:
        RequestError, PluginError: as :func:`get_proposer`.
    """
    choice = proposer_choice(given)
    if proposer_kind(choice) != "plug-in":
        return None
    kind = _plugin_class(choice)
    if not kind.wraps:
        return None
    default = kind.model_fields[kind.wraps].default
    return proposer_choice(_all_options(kind, choice).get(kind.wraps, default))


def _all_options(kind: type[ConfiguredProposer], choice: Choice) -> dict[str, Any]:
    """The options of a choice, the one behind its colon among them."""
    main = {kind.main: choice.value} if choice.value and kind.main else {}
    return {**main, **choice.options}


def with_options(given: ProposerGiven, options: Mapping[str, Any] | None) -> ProposerGiven:
    """A proposer by name together with options that are given beside it; an object as it is.

    Raises:
        RequestError, PluginError: as :func:`get_proposer`.
    """
    if not options or not isinstance(given, str | Mapping | Choice):
        return given
    choice = proposer_choice(given)
    if proposer_kind(choice) != "plug-in":
        return given
    return Choice.of(choice.name, {**_all_options(_plugin_class(choice), choice), **options})


def maker_class(given: str | Mapping[str, Any] | Choice) -> type[ConfiguredProposer]:
    """:func:`proposer_class` of the one that makes the structures, where another hands them over.

    It says whether a score model is needed, a host can be completed, and calls can be divided.
    """
    inner = wrapped(given)
    return proposer_class(given) if inner is None else maker_class(inner)


def block_of(given: str | Mapping[str, Any] | Choice) -> int | None:
    """Structures of one task of a search; see :class:`~gencsp.proposers.base.ConfiguredProposer`.

    Raises:
        RequestError, PluginError, DeckError: as :func:`get_proposer`.
    """
    choice = proposer_choice(given)
    kind = proposer_class(choice)
    return kind.block_with(_all_options(kind, choice))


def inpaints(given: ProposerGiven) -> bool:
    """Whether a proposer completes a host; one of a script does, unless its ``inpaints`` says no.

    Raises:
        RequestError: no proposer has this name.
        PluginError: its package cannot be loaded or is faulty.
    """
    if isinstance(given, str | Mapping | Choice):
        return maker_class(given).inpaints
    return bool(getattr(given, "inpaints", True))


def require_inpainter(given: ProposerGiven) -> None:
    """Find out whether a proposer completes a host, before anything is made of it.

    Raises:
        InpainterError: it makes whole crystals alone.
        RequestError, PluginError: as :func:`inpaints`.
        DeckError: an option that it does not have, or out of its range.
    """
    if inpaints(given):
        if isinstance(given, str | Mapping | Choice) and proposer_kind(given) == "plug-in":
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
    choice = Choice.read(given)
    if proposer_kind(choice) == "module":
        return choice.value.rpartition(".")[2]
    return Path(choice.name).stem


def own_code(given: str | Mapping[str, Any] | Choice) -> Any:
    """The object of a file or a module that a name stands for; raises as :func:`get_proposer`."""
    choice = proposer_choice(given)
    if proposer_kind(choice) == "file":
        return from_file(Path(choice.name), choice.value or DEFAULT_OBJECT)
    if choice.value:
        return from_import(choice.name, choice.value, known=proposer_names())
    raise RequestError(f"'{choice}' is no code: give FILE.py:OBJECT or package.module:OBJECT.")


def proposer_choice(given: str | Mapping[str, Any] | Choice) -> Choice:
    """What a name stands for: the deck of an external generator is the option of ``external``."""
    choice = Choice.read(given)
    if choice.name.endswith(DECK) and Path(choice.name).is_file():
        return Choice.of("external", {**choice.options, "program": choice.name})
    return choice
