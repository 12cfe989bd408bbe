"""Decks: the settings of a run as a TOML file, every key checked by name.

The command line fills the same classes, so a deck and a command mean the same.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gencsp.composition import Composition
from gencsp.errors import DeckError

#: The filters of PIGEN's protocol that need no relaxation (Fig. 4a-d), behind the usual test of
#: distances.
PIGEN_FUNNEL = (
    "distances",
    "pair_potential",
    "compositional_novelty",
    "compactness",
    "local_diversity",
)


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
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                raise DeckError(
                    f"{where} has an unknown key '{key}': known are {', '.join(cls.model_fields)}."
                ) from error
            if first["type"] == "missing":
                raise DeckError(f"{where} lacks the key '{key}'.") from error
            problem = first["msg"][0].lower() + first["msg"][1:]
            raise DeckError(f"in {where}, '{key}' is {first['input']!r}: {problem}.") from error


class CycleDeck(Deck):
    """Settings of ``gencsp cycle``; the meaning of each stands in its description."""

    formula: str = Field(description="Formula unit, such as Li5Si2.")
    guests: tuple[str, ...] | None = Field(
        None, description="Species to take out and inpaint; chosen by the cycle if not given."
    )
    atoms: int = Field(20, ge=1, description="Most atoms in a generated cell.")
    n: int = Field(20, ge=1, description="Structures to generate.")
    inpaintings: int = Field(3, ge=1, description="Structures to inpaint into each framework.")
    seed: int = Field(0, ge=0, description="Seed of every random choice.")
    workers: int = Field(2, ge=1, description="Worker processes of one thread each.")
    out: Path | None = Field(None, description="Folder of the run; runs/FORMULA-SEED if not given.")
    proposer: str = Field("mixed", description="Proposer that generates, by name.")
    weights: Path | None = Field(None, description="Score-model weights; ours if not given.")
    fmax: float = Field(0.1, gt=0, description="Relaxed when no force exceeds this, eV/Å.")
    steps: int = Field(200, ge=0, description="Most minimiser steps.")
    pressure: float = Field(0.0, description="Pressure, GPa.")
    keep_symmetry: bool = Field(
        False, description="Keep the symmetry of inpainted structures while they relax."
    )
    engine: Literal["auto", "native", "torch"] = Field("auto", description="Relaxation engine.")
    hull: Path | None = Field(None, description="File of hull entries; ours if not given.")

    @property
    def folder(self) -> Path:
        """The folder of the run.

        Raises:
            CompositionError: the formula cannot be read.
        """
        return self.out or Path("runs") / f"{Composition.parse(self.formula)}-{self.seed}"


class FilterDeck(Deck):
    """Settings of ``gencsp filter``: the funnel, and what goes with it."""

    filters: tuple[dict[str, Any], ...] = Field(
        tuple({"name": name} for name in PIGEN_FUNNEL),
        description="The filters in order: a name, and options of that filter.",
    )
    workers: int = Field(2, ge=1, description="Worker processes of one thread each.")
    out: Path = Field(Path("filtered"), description="Folder for the results.")
    plots: bool = Field(True, description="Draw the survival histogram and the distributions.")

    @field_validator("filters")
    @classmethod
    def _named(cls, filters: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        if not filters:
            raise ValueError("name at least one filter")
        for one in filters:
            if not isinstance(one.get("name"), str):
                raise ValueError("each filter needs a name")
        return filters

    @property
    def stages(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Names and options, in order."""
        return tuple(
            (one["name"], {key: value for key, value in one.items() if key != "name"})
            for one in self.filters
        )
