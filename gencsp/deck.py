"""What all decks and settings share: fields with bounds, checked with errors that name them.

A bound is written once, in the type of a field, such as ``fmax: Fmax = 0.1``. Pydantic reads it in
a :class:`Deck` and :func:`check_fields` in a dataclass, so that both refuse the same values.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from math import isfinite
from numbers import Integral, Real
from pathlib import Path
from reprlib import repr  # shortens what is long
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Self,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from annotated_types import Ge, Gt, Le, Lt, MinLen, Unit
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gencsp.errors import DeckError, GencspError, RequestError, WrongTypeError

#: Largest count: the native engine counts in 32 bits.
MOST = 2**31 - 1
#: Most atoms in a cell. Distances of all pairs at ten times as many would fill 80 GB.
MOST_ATOMS = 10_000

Natural = Annotated[int, Ge(0), Le(MOST)]
Count = Annotated[int, Ge(1), Le(MOST)]
#: Atoms in a cell, and formula units.
CellAtoms = Annotated[int, Ge(1), Le(MOST_ATOMS)]
#: Seeds go into databases, whose integers have 64 bits.
Seed = Annotated[int, Ge(0), Le(2**63 - 1)]
#: Worker processes or threads; the largest machines have some hundred cores.
Workers = Annotated[int, Ge(1), Le(4096)]
SpaceGroupNumber = Annotated[int, Ge(1), Le(230)]
#: To draw from, at least one.
SpaceGroupNumbers = Annotated[tuple[SpaceGroupNumber, ...], MinLen(1)]
#: Numbers of formula units in a cell, at least one.
UnitNumbers = Annotated[tuple[CellAtoms, ...], MinLen(1)]

Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
#: A share of a whole.
Share = Annotated[float, Ge(0), Le(1)]
#: A share that is not nothing.
SomeShare = Annotated[float, Gt(0), Le(1)]
#: A fraction by which something may be less: never all of it.
Fraction = Annotated[float, Ge(0), Lt(1)]
#: Wall time. Timers of the operating system overflow at about ten times the bound, 30 years.
Seconds = Annotated[float, Gt(0), Le(1e9), Unit("s")]
Minutes = Annotated[float, Gt(0), Le(1e7), Unit("min")]

#: Engines that run CHGNet; "auto" takes the native one where it is there.
EngineName = Literal["auto", "native", "torch"]

#: What counts as the same crystal, see :mod:`gencsp.similarity.rules`.
Same = Literal["tight", "close", "family"]

#: Largest force of a relaxed structure.
Fmax = Annotated[float, Gt(0), Unit("eV/Å")]
#: Beyond the bound, twice that in the centre of Jupiter, cores overlap and no potential here means
#: anything; so much tension tears every crystal apart, which is a verdict of the relaxation.
Pressure = Annotated[float, Ge(-10_000), Le(10_000), Unit("GPa")]
#: Volume of an atom. Caesium, the widest solid, has 115; isolated atoms are no crystal.
VolumePerAtom = Annotated[float, Gt(0), Le(1000), Unit("Å³/atom")]
#: Least distance of two atoms. Nearest neighbours in caesium are 5.2 apart, in no crystal ten.
Separation = Annotated[float, Gt(0), Le(10), Unit("Å")]
#: A standard deviation of displacements; larger ones leave nothing of a structure.
Displacement = Annotated[float, Ge(0), Le(10), Unit("Å")]
#: Of plane waves, and spacing of k-points (2π included).
Cutoff = Annotated[float, Ge(1), Le(100_000), Unit("eV")]
Spacing = Annotated[float, Ge(0.01), Le(100), Unit("1/Å")]
#: Between electrons and holes; solid helium and neon have about 20.
BandGap = Annotated[float, Ge(0), Le(30), Unit("eV")]
#: Tolerances of spglib: above these, every atom lies on every other.
Symprec = Annotated[float, Gt(0), Le(5), Unit("Å")]
AngleTolerance = Annotated[float, Gt(0), Le(90), Unit("degrees")]


def split_commas(text: str) -> tuple[str, ...]:
    """The parts of a text with commas, as the command line takes several values."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def one_or_many(value: Any) -> Any:
    """A whole number or name, several of them, or a text of them with commas, as a tuple.

    Anything else stays what it is, for a check to refuse.
    """
    if isinstance(value, str):
        parts = split_commas(value)
        return tuple(int(part) if part.isdecimal() else part for part in parts)
    if isinstance(value, bool):
        return value
    if isinstance(value, Integral):  # numpy's as well
        return (int(value),)
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, dict) else value


def check_fields(settings: Any, error: type[GencspError] = RequestError) -> None:
    """Compare every field of a dataclass with its type: to be called in ``__post_init__``.

    Numbers must be finite, and within the bounds of their type; other types must fit as far as they
    can be distinguished at run time (protocols and functions are not looked at).

    Args:
        settings: an instance of a dataclass.
        error: class of what is raised.

    Raises:
        GencspError: a field does not fit, as ``error``; the message says what is accepted.
    """
    kind: Any = type(settings)
    for name, hint in _hints(kind).items():
        check(name, getattr(settings, name), hint, error)


def check(name: str, value: object, hint: Any, error: type[GencspError] = RequestError) -> None:
    """Compare one value with a type, such as ``check("workers", workers, Workers)``.

    Args:
        name: for the message.
        value: what was given.
        hint: a type of this module or any other.
        error: class of what is raised.

    Raises:
        GencspError: the value does not fit, as ``error``.
    """
    if not _fits(value, hint):
        raise error(f"{name} is {repr(value)}: give {_accepted(hint)}.")


@cache
def _hints(settings: Any) -> dict[str, Any]:
    hints = get_type_hints(settings, include_extras=True)
    return {field.name: hints[field.name] for field in fields(settings) if field.init}


def _fits(value: Any, hint: Any) -> bool:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _fits(value, args[0]) and all(_within(value, bound) for bound in args[1:])
    if origin in (Union, UnionType):
        return any(_fits(value, arm) for arm in args)
    if origin is Literal:
        return any(value is one or (type(value) is type(one) and value == one) for one in args)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        each = args[:1] * len(value) if args[1:] == (...,) else args
        return len(each) == len(value) and all(map(_fits, value, each))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            _fits(key, args[0]) and _fits(one, args[1]) for key, one in value.items()
        )
    return _is_a(value, hint)


def _is_a(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if kind is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if kind is float:
        return not isinstance(value, bool) and isinstance(value, Real) and _finite(value)
    if not isinstance(kind, type) or getattr(kind, "_is_protocol", False):
        return True
    return isinstance(value, kind)


def _finite(value: Real) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # a whole number too large for a float
        return False


def _within(value: Any, bound: object) -> bool:
    match bound:
        case Gt(gt=least):
            return bool(value > least)
        case Ge(ge=least):
            return bool(value >= least)
        case Lt(lt=most):
            return bool(value < most)
        case Le(le=most):
            return bool(value <= most)
        case MinLen(min_length=least):
            return len(value) >= least
    return True


_NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a finite number",
    bool: "True or False",
    str: "a text",
    Path: "a pathlib.Path",
    NoneType: "None",
    Any: "anything",
}


def _accepted(hint: Any) -> str:
    """What a type accepts, in words: "a finite number above 0 (eV/Å)"."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return " ".join([_accepted(args[0]), *filter(None, map(_bound, args[1:]))])
    if origin in (Union, UnionType):
        return " or ".join(map(_accepted, args))
    if origin is Literal:
        return "one of " + ", ".join(repr(one) for one in args)
    if origin is tuple:
        if args[1:] == (...,):
            return f"a tuple, each {_accepted(args[0])}"
        return f"a tuple of {', '.join(map(_accepted, args))}"
    if origin is not None and args:
        return f"a mapping of {_accepted(args[0])} to {_accepted(args[-1])}"
    return _NAMES.get(hint) or f"a {getattr(hint, '__name__', hint)}"


def _bound(bound: object) -> str:
    match bound:
        case Gt(gt=least):
            return f"above {least:,}"
        case Ge(ge=least):
            return f"from {least:,}"
        case Lt(lt=most):
            return f"and below {most:,}"
        case Le(le=most):
            return f"up to {most:,}"
        case MinLen(min_length=least):
            return f"({least} at least)"
        case Unit(unit=unit):
            return f"({unit})"
    return ""


class Deck(BaseModel):
    """What all decks share: where they come from, and what is said of a wrong one.

    Attributes:
        refused: keys of other decks that one may look for here, and why there are none.
    """

    refused: ClassVar[Mapping[str, str]] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @property
    def given(self) -> dict[str, Any]:
        """The settings that were given, by name; all others have their defaults."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    @classmethod
    def make(cls, **settings: object) -> Self:
        """From settings in the hand.

        Raises:
            DeckError: an unknown key, a missing one, or a value out of range.
            WrongTypeError: an object that a key does not take.
        """
        return cls._validated(settings, "the settings")

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """From a TOML file.

        Raises:
            DeckError: the file is missing or not TOML, or as for :meth:`make`.
        """
        return cls._validated(cls.read_settings(path), f"the deck {path}")

    @staticmethod
    def read_settings(path: Path | str) -> dict[str, Any]:
        """The settings in a TOML file, before they are checked.

        Raises:
            DeckError: the file is missing or not TOML.
        """
        try:
            settings: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise DeckError(f"the deck {path} cannot be read ({error.strerror}).") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DeckError(f"the deck {path} is not TOML ({error}).") from error
        return settings

    @classmethod
    def _validated(cls, settings: object, where: str) -> Self:
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            cause = error.errors(include_url=False)[0].get("ctx", {}).get("error")
            if isinstance(cause, WrongTypeError | DeckError):  # says it all
                raise cause from None
            key, sort, problem, value = first_problem(error)
            if sort == "extra_forbidden" and key in cls.refused:
                raise DeckError(cls.refused[key]) from error
            if sort == "extra_forbidden":
                raise DeckError(
                    f"{where} has an unknown key '{key}': known are {', '.join(cls.model_fields)}."
                ) from error
            if sort == "missing":
                raise DeckError(f"{where} lacks the key '{key}'.") from error
            if not key:  # of several settings together
                problem = problem.removeprefix("value error, ")
                raise DeckError(f"in {where}, {problem}.") from error
            raise DeckError(f"in {where}, '{key}' is {value!r}: {problem}.") from error


def first_problem(error: ValidationError) -> tuple[str, str, str, object]:
    """The first thing wrong: its key, pydantic's name of the problem, words for it, the value."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    return key, first["type"], first["msg"][0].lower() + first["msg"][1:], first["input"]


class SeedSettings(Deck):
    """What is handed over to another code; the meaning of each stands in its description.

    It stands here for the decks of the command and of the programs, of which the first must not
    load what the second needs.
    """

    formula: str | None = Field(
        None, description="Composition to hand over, of a pool with several."
    )
    atoms: CellAtoms | None = Field(None, description="Atoms in every cell.")
    fit: bool = Field(
        False, description="Make supercells, or take primitive cells, to reach that number."
    )
    pressure: Pressure | None = Field(
        None, description="Of the search, GPa; that of the pool if not given."
    )
