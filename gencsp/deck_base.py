"""What all decks share: a TOML file, every key checked by name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from gencsp.errors import DeckError


class Deck(BaseModel):
    """What all decks share: where they come from, and what is said of a wrong one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def make(cls, **settings: object) -> Self:
        """From settings in the hand.

        Raises:
            DeckError: an unknown key, a missing one, or a value out of range.
        """
        return cls._validated(settings, "the settings")

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """From a TOML file.

        Raises:
            DeckError: the file is missing or not TOML, or as for :meth:`make`.
        """
        try:
            settings: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise DeckError(f"the deck {path} cannot be read ({error.strerror}).") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DeckError(f"the deck {path} is not TOML ({error}).") from error
        return cls._validated(settings, f"the deck {path}")

    @classmethod
    def _validated(cls, settings: object, where: str) -> Self:
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            key, sort, problem, value = first_problem(error)
            if sort == "extra_forbidden":
                raise DeckError(
                    f"{where} has an unknown key '{key}': known are {', '.join(cls.model_fields)}."
                ) from error
            if sort == "missing":
                raise DeckError(f"{where} lacks the key '{key}'.") from error
            raise DeckError(f"in {where}, '{key}' is {value!r}: {problem}.") from error


def first_problem(error: ValidationError) -> tuple[str, str, str, object]:
    """The first thing wrong: its key, pydantic's name of the problem, words for it, the value."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    return key, first["type"], first["msg"][0].lower() + first["msg"][1:], first["input"]
