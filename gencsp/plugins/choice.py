"""A plug-in chosen by name with options, as text, as a table of a deck, and back."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from gencsp.errors import RequestError

#: Text that needs no quotes among options.
_BARE = re.compile(r"[^\s,\[\]{}\"']*")
_ASSIGNED = re.compile(r"\s*[A-Za-z_]\w*\s*=")


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


def split_plugins(text: str) -> tuple[str, ...]:
    """Several plug-ins in one text: ``rattle:least=0.1,most=0.3,strain`` are two."""
    found: list[str] = []
    for part in filter(str.strip, _split(text)):
        if found and _ASSIGNED.match(part):
            found[-1] += f",{part.strip()}"
        else:
            found.append(part.strip())
    return tuple(found)


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
