"""The options of a command from the fields of its deck, so that they are written once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gencsp.deck import Deck, split_commas
from gencsp.plugins import split_plugins

#: The option that reads a whole deck.
DECK = "deck"
#: Fields that name several plug-ins in one text.
PLUGINS = ("moves", "filters")
#: Fields that an option gives again for each value.
REPEATED = ("seeds", "target", "also", "model", "pool", "known")

Body = Callable[..., None]


def deck_options(
    kind: type[Deck],
    *,
    argument: str = "formula",
    metavar: str = "FORMULA",
    more_names: Mapping[str, tuple[str, ...]] | None = None,
    none: Mapping[str, str] | None = None,
) -> Callable[[Body], Body]:
    """Make a command of a function that takes a deck.

    Each field becomes an option of its name, with its description and default; only those that are
    given are passed on, and ``--deck FILE.toml`` gives the others. What the function takes beside
    ``deck`` stays as it is.

    Args:
        kind: the deck.
        argument: the field that stands without a name.
        metavar: what it is called in the help.
        more_names: other names of options, by field, such as ``{"n": ("-n",)}``.
        none: flags that say that a field is empty, by field, such as ``{"seeds": "--no-seeds"}``.
    """
    names, flags = more_names or {}, none or {}

    def decorate(body: Body) -> Body:
        own = inspect.signature(body, eval_str=True).parameters
        parameters = [p for p in own.values() if p.name != DECK and p.annotation is typer.Context]
        for name, field in kind.model_fields.items():
            parameters.append(_parameter(name, field, argument, metavar, names.get(name, ())))
        for name in kind.refused:  # the deck says why
            parameters.append(_keyword(name, Annotated[str | None, _hidden(name)], None))
        for name, flag in flags.items():
            help_ = typer.Option(flag, help=f"Run without {name}.")
            parameters.append(_keyword(_flag(name), Annotated[bool, help_], False))
        file = typer.Option("--deck", help="TOML deck; options take the place of what it says.")
        parameters.append(_keyword(DECK, Annotated[Path | None, file], None))
        parameters += [p for p in own.values() if p not in parameters and p.name != DECK]

        def command(**given: Any) -> None:
            settings = {
                name: _value(name, given.pop(name, None), field)
                for name, field in kind.model_fields.items()
            }
            changes = {name: value for name, value in settings.items() if value is not None}
            changes |= {name: () for name in flags if given.pop(_flag(name), False)}
            refused = {name: given.pop(name, None) for name in kind.refused}
            changes |= {name: value for name, value in refused.items() if value is not None}
            file = given.pop(DECK, None)
            body(deck=read_deck(kind, file, changes), **given)

        command.__name__, command.__doc__ = body.__name__, body.__doc__
        keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
        command.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        return command

    return decorate


def read_deck(kind: type[Deck], file: Path | None, changes: Mapping[str, Any]) -> Any:
    """A deck from a file, where there is one, and from settings that take the place of its own.

    Raises:
        DeckError: as :meth:`gencsp.deck.Deck.read`.
    """
    if file is None:
        return kind.make(**changes)
    read = kind.read_settings(file)
    return kind.make(**{**read, **changes})


def _parameter(
    name: str, field: FieldInfo, argument: str, metavar: str, more: tuple[str, ...]
) -> inspect.Parameter:
    about = field.description or ""
    if name == argument:
        info = typer.Argument(help=about, metavar=metavar, show_default=False)
        return _keyword(name, Annotated[str | None, info], None)
    option = f"--{name.replace('_', '-')}"
    names = (f"{option}/--no-{name.replace('_', '-')}",) if _is(field, bool) else (option, *more)
    shown = _shown(field.default)
    info = typer.Option(*names, help=about, show_default=shown or False)
    return _keyword(name, Annotated[_kind(name, field) | None, info], None)


def _hidden(name: str) -> Any:
    return typer.Option(f"--{name.replace('_', '-')}", hidden=True)


def _keyword(name: str, annotation: Any, default: object) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, annotation=annotation, default=default)


def _kind(name: str, field: FieldInfo) -> Any:
    """What the command line reads a field as."""
    if _repeated(name, field):
        return list[str]
    for arm in _arms(field.annotation):
        if arm in (bool, int, float, Path) or get_origin(arm) is Literal:
            return arm
    return str


def _repeated(name: str, field: FieldInfo) -> bool:
    return name in REPEATED and _several(field)


def _several(field: FieldInfo) -> bool:
    return any(get_origin(arm) is tuple for arm in _arms(field.annotation))


def _is(field: FieldInfo, kind: type) -> bool:
    return kind in _arms(field.annotation)


def _arms(hint: Any) -> list[Any]:
    """The types of a union, without bounds and without None."""
    if get_origin(hint) is Annotated:
        return _arms(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [arm for one in get_args(hint) for arm in _arms(one)]
    return [] if hint is NoneType else [hint]


def _value(name: str, given: Any, field: FieldInfo) -> Any:
    """What was given as the deck takes it: text with commas for what holds several."""
    if name in PLUGINS and isinstance(given, str):
        return split_plugins(given)
    if _repeated(name, field) and given is not None:
        return tuple(given) or None
    if _several(field) and isinstance(given, str):
        return split_commas(given)
    return given


def _shown(default: object) -> str:
    if default is None or default is PydanticUndefined or isinstance(default, bool):
        return ""
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return str(default)


def _flag(name: str) -> str:
    return f"no_{name}"
