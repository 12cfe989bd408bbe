"""Values out of answers of databases, checked before they are used."""

from __future__ import annotations

from math import isfinite
from typing import Any

from gencsp.descriptors.flaws import MAX_VOLUME_PER_ATOM, MIN_VOLUME_PER_ATOM, Limits

#: What a crystal of a database must keep: spglib and neighbour lists fail on cells beyond these.
CRYSTAL = Limits(volume_per_atom=(MIN_VOLUME_PER_ATOM, MAX_VOLUME_PER_ATOM))


class OddAnswer(Exception):
    """A value of an answer that cannot be; it becomes a :class:`~gencsp.errors.SourceError`."""


#: What is raised where an answer is not of the form that it should have.
ODD = (
    OddAnswer,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)

#: Longest text that is taken for a name.
_LONGEST = 200


def object_of(value: object) -> dict[str, Any]:
    """An object of JSON.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, dict):
        raise TypeError(f"a {type(value).__name__} where an object is due")
    return value


def listed(value: object) -> list[Any]:
    """A list of JSON.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, list):
        raise TypeError(f"a {type(value).__name__} where a list is due")
    return value


def finite(value: object) -> float:
    """A finite number, also one that is written as text.

    Raises:
        TypeError: it is neither number nor text.
        OddAnswer, ValueError: the text is no number, or the number is not finite.
        OverflowError: a whole number that is too large.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"a {type(value).__name__} where a number is due")
    number = float(value)
    if not isfinite(number):
        raise OddAnswer("a number that is not finite")
    return number


def text_of(value: object) -> str:
    """A name: text on one line, or a whole number.

    Raises:
        TypeError: it is neither.
        OddAnswer: it has no place in a table, or cannot be written in UTF-8.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"a {type(value).__name__} where a name is due")
    text = str(value)
    if not (text == "" or text.isprintable()) or len(text) > _LONGEST:
        raise OddAnswer("a name that cannot be printed")
    return text
