"""The registry of everything found by name: proposers, moves, strategies, filters and more.

A plug-in is one class whose fields are its options. It is found through an entry point, and
gencsp's own plug-ins are found in the same way as those of other packages::

    [project.entry-points."gencsp.moves"]
    twist = "my_package:Twist"

The class derives from :class:`Configured`, mostly through the base of its contract, such as
``gencsp.searches.moves.ConfiguredMove``. Its options are checked fields:

    class Twist(ConfiguredMove):
        name = "twist"
        angle: float = Field(30.0, gt=0, description="Largest angle, degrees.")

They are given as a table in a deck (``{name = "twist", angle = 20}``), or as text where only text
can be given (``twist:angle=20``). ``docs/extending.md`` builds one plug-in of each kind.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from inspect import isclass
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gencsp.deck import first_problem
from gencsp.errors import DeckError, GencspError, PluginError, RequestError

T = TypeVar("T")


#: Text that needs no quotes among options.
_BARE = re.compile(r"[^\s,\[\]{}\"']*")
_ASSIGNED = re.compile(r"\s*[A-Za-z_]\w*\s*=")


class Configured(BaseModel):
    """Base of all plug-ins: options are checked fields, set once, that decks and messages name.

    Attributes:
        kind: what the contract is called in messages, such as "filter"; set by its base class.
        name: under which the plug-in is found; the same as that of its entry point.
        main: option that ``NAME:VALUE`` sets; empty where there is none.
        executes: options that name what is executed: programs, files of code, models that are
            pickles, and addresses that exchange pickles. ``None`` stands for all options of a
            plug-in of another package, and for none of gencsp's own. A run folder that sets one
            of them is resumed only where its user allows it, see :mod:`gencsp.runs.trust`.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )

    kind: ClassVar[str] = "plug-in"
    name: ClassVar[str]
    main: ClassVar[str] = ""
    executes: ClassVar[tuple[str, ...] | None] = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From options, as a deck or a call names them.

        Raises:
            DeckError: an unknown option, a missing one, or a value out of range.
        """
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            key, sort, problem, value = first_problem(error)
            known = ", ".join(cls.model_fields) or "none"
            if not key:
                raise DeckError(
                    f"the options of the {cls.kind} '{cls.name}' do not go together: {problem}."
                ) from error
            if sort == "extra_forbidden":
                raise DeckError(
                    f"the {cls.kind} '{cls.name}' has no option '{key}': known are {known}."
                ) from error
            if sort == "missing":
                raise DeckError(f"the {cls.kind} '{cls.name}' needs the option '{key}'.") from error
            raise DeckError(
                f"option '{key}' of the {cls.kind} '{cls.name}' is {value!r}: {problem}."
            ) from error

    @classmethod
    def executed_options(cls) -> tuple[str, ...]:
        """The options that ``executes`` stands for."""
        if cls.executes is not None:
            return cls.executes
        return () if cls.__module__.startswith("gencsp.") else tuple(cls.model_fields)

    def build(self, context: Any) -> Any:  # noqa: ARG002
        """Make the object that fulfils the contract from these options and the context of the run.

        A class that fulfils its contract itself leaves this as it is. One that holds only the
        options of something larger (a model to load, the state of a strategy) makes that here.

        Args:
            context: of the contract, such as :class:`gencsp.searches.moves.Tools`; ``None`` for
                contracts without one.
        """
        return self

    @property
    def text(self) -> str:
        """Name and options that differ from the defaults, for the manifest of a run."""
        options = self.model_dump(mode="json", exclude_defaults=True)
        return str(Choice.of(self.name, options))


@dataclass(frozen=True, slots=True)
class Choice:
    """A plug-in chosen by name with options: hashable, picklable and equal where they are equal.

    Attributes:
        name: of the plug-in.
        settings: its options, as the text of a JSON object with sorted keys.
        value: what stands behind the colon where that names no option, such as ``r2scan`` in
            ``chgnet:r2scan``; it is for the plug-in's main option.
    """

    name: str
    settings: str = "{}"
    value: str = ""

    @classmethod
    def of(cls, name: str, options: Mapping[str, Any]) -> Self:
        """From a name and options that JSON can hold; paths become text."""
        return cls(name, json.dumps(dict(options), sort_keys=True, default=str))

    @classmethod
    def read(cls, given: str | Mapping[str, Any] | Choice) -> Choice:
        """From text (``NAME``, ``NAME:VALUE``, ``NAME:KEY=VALUE,KEY=VALUE``), or from a table.

        Raises:
            RequestError: a table without a name, or options that are not written like this.
        """
        if isinstance(given, Choice):
            return given
        if isinstance(given, Mapping):
            if not isinstance(given.get("name"), str):
                raise RequestError(f"{dict(given)} chooses nothing: it needs a 'name'.")
            return cls.of(given["name"], {k: v for k, v in given.items() if k != "name"})
        name, _, rest = given.partition(":")
        if not _ASSIGNED.match(rest):
            return cls(name, value=rest)
        return cls.of(name, _options_of(rest, given))

    @property
    def options(self) -> dict[str, Any]:
        """The options by name."""
        options: dict[str, Any] = json.loads(self.settings)
        return options

    def __str__(self) -> str:
        if self.value:
            return f"{self.name}:{self.value}"
        parts = [f"{key}={_as_text(value)}" for key, value in self.options.items()]
        return f"{self.name}:{','.join(parts)}" if parts else self.name


class Registry(Generic[T]):
    """The plug-ins of one contract, found by the entry points of one group.

    Args:
        group: of the entry points, such as ``gencsp.moves``.
        kind: what one of them is called in messages, such as "move".
        contract: the type that what they make must be; protocols are checked for their members.
        error: raised where there is none of a name.
        hint: how else one can be given; the end of that message.
    """

    def __init__(
        self,
        group: str,
        *,
        kind: str,
        contract: type[Any],
        error: type[GencspError] = RequestError,
        hint: str = "",
    ) -> None:
        self.group = group
        self.kind = kind
        self.contract = contract
        self.error = error
        self.hint = hint
        self._points: dict[str, list[EntryPoint]] | None = None

    def __contains__(self, name: object) -> bool:
        return name in self._registered()

    def names(self) -> tuple[str, ...]:
        """Names of all plug-ins of this contract, sorted; none of them is loaded."""
        return tuple(sorted(self._registered()))

    def refresh(self) -> None:
        """Look for entry points again: for packages installed while the process runs."""
        self._points = None

    def get(self, name: str) -> type[Configured]:
        """The class of a plug-in.

        Raises:
            GencspError: of the class ``error``, where there is none of this name.
            PluginError: two packages offer it, or it cannot be loaded or is no plug-in.
        """
        return self._load(self._only(name))

    def make(
        self,
        given: str | Mapping[str, Any] | Choice,
        options: Mapping[str, Any] | None = None,
        *,
        context: object = None,
    ) -> T:
        """Make the object of a plug-in from its options.

        Args:
            given: its name; text or a table may hold options as well.
            options: of the plug-in, beside those.
            context: what the run provides, as the contract says.

        Raises:
            GencspError: as :meth:`get`, and whatever the plug-in raises of that class.
            DeckError: an option that is unknown, missing or out of range.
            PluginError: what it makes does not fulfil the contract.
        """
        made = self.configure(given, options).build(context)
        if not isinstance(made, self.contract):
            name = Choice.read(given).name
            missing = _missing(made, self.contract)
            lacks = f" has no {' and no '.join(missing)}" if missing else " is of another type"
            raise PluginError(
                f"the {self.kind} '{name}' of the package '{self._package(name)}' makes a "
                f"{type(made).__name__} that{lacks}: it is no {self.kind}."
            )
        fulfils: T = made
        return fulfils

    def configure(
        self, given: str | Mapping[str, Any] | Choice, options: Mapping[str, Any] | None = None
    ) -> Configured:
        """A plug-in with its options checked, before anything is made of it; as :meth:`make`."""
        choice = Choice.read(given)
        plugin = self.get(choice.name)
        values = {**choice.options, **(options or {})}
        if choice.value:
            if not plugin.main:
                raise self.error(
                    f"there is no {self.kind} '{choice}': '{choice.name}' takes nothing but named "
                    f"options, such as {choice.name}:KEY=VALUE."
                )
            values.setdefault(plugin.main, choice.value)
        return plugin.from_options(values)

    def choose(self, given: str | Mapping[str, Any] | Choice) -> Choice:
        """A choice with its options checked; as :meth:`configure`.

        Options that equal their defaults are left out, so that what does the same is equal.
        """
        plugin = self.configure(given)
        return Choice.of(plugin.name, plugin.model_dump(mode="json", exclude_defaults=True))

    def _only(self, name: str) -> EntryPoint:
        points = self._registered().get(name, [])
        if not points:
            raise self.error(
                f"there is no {self.kind} '{name}': choose from {', '.join(self.names())}"
                f"{self.hint}."
            )
        if len({point.value for point in points}) > 1:
            packages = " and ".join(sorted(f"'{_package_of(point)}'" for point in points))
            raise PluginError(
                f"the packages {packages} both offer a {self.kind} '{name}': uninstall one of them."
            )
        return points[0]

    def _load(self, point: EntryPoint) -> type[Configured]:
        where = f"the {self.kind} '{point.name}' of the package '{_package_of(point)}'"
        try:
            found = point.load()
        except Exception as error:  # somebody else's module: anything can be raised
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise PluginError(
                f"{where} cannot be loaded ({reason}): install what it needs, or uninstall it."
            ) from error
        if not (isclass(found) and issubclass(found, Configured)):
            what = found.__name__ if isclass(found) else type(found).__name__
            raise PluginError(
                f"{where} is no plug-in: {point.value} is a {what}, and no class that derives from "
                f"gencsp.plugins.Configured."
            )
        if getattr(found, "name", "") != point.name or found.kind != self.kind:
            own = getattr(found, "name", "")
            raise PluginError(
                f"{where} calls itself the {found.kind} '{own}': give the class the name of its "
                f"entry point, and the base of a {self.kind}."
            )
        return found

    def _package(self, name: str) -> str:
        return _package_of(self._only(name))

    def _registered(self) -> Mapping[str, list[EntryPoint]]:
        if self._points is None:
            points: dict[str, list[EntryPoint]] = {}
            for point in entry_points(group=self.group):
                points.setdefault(point.name, []).append(point)
            self._points = points
        return self._points


def split_plugins(text: str) -> tuple[str, ...]:
    """Several plug-ins in one text: ``rattle:least=0.1,most=0.3,strain`` are two."""
    found: list[str] = []
    for part in filter(str.strip, _split(text)):
        if found and _ASSIGNED.match(part):
            found[-1] += f",{part.strip()}"
        else:
            found.append(part.strip())
    return tuple(found)


def _package_of(point: EntryPoint) -> str:
    """Name of the distribution, or of the module where there is none."""
    return point.dist.name if point.dist is not None else point.module.partition(".")[0]


def _missing(made: object, contract: type[Any]) -> list[str]:
    """Members of a contract that an object does not have."""
    wanted = {"__call__"} & set(vars(contract))
    for base in contract.__mro__[:-1]:
        own = {*vars(base), *vars(base).get("__annotations__", {})}
        wanted |= {name for name in own if not name.startswith("_")}
    return sorted(f"'{name}'" for name in wanted if not hasattr(made, name))


def _options_of(text: str, whole: str) -> dict[str, Any]:
    """Options written ``KEY=VALUE,KEY=VALUE``; lists and tables in TOML's form."""
    options = {}
    for part in _split(text):
        key, equals, value = part.partition("=")
        if not equals or not key.strip().isidentifier():
            raise RequestError(
                f"the options of '{whole}' cannot be read: write KEY=VALUE,KEY=VALUE."
            )
        options[key.strip()] = _value_of(value.strip(), whole)
    return options


def _value_of(text: str, whole: str) -> Any:
    """Text as it is, which the type of the option turns into a number; else a TOML value."""
    if text[:1] not in ("[", "{", '"', "'"):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"'{text}' in '{whole}' cannot be read ({error}).") from error


def _split(text: str) -> list[str]:
    """The parts between commas that stand in no bracket and in no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        else:
            depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _as_text(value: Any) -> str:
    """A value as :func:`_value_of` reads it."""
    if isinstance(value, dict):
        inner = ", ".join(f"{_quoted(k)} = {_as_toml(v)}" for k, v in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_as_toml, value))}]"
    text = str(value)
    return text if _BARE.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _as_toml(value: Any) -> str:
    if isinstance(value, dict | list):
        return _as_text(value)
    return json.dumps(value, ensure_ascii=False)
