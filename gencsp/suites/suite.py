"""A suite as its TOML file has it, and the suites that ship with gencsp."""

from __future__ import annotations

import json
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from gencsp.deck import Count, Deck
from gencsp.errors import SuiteError
from gencsp.plugins import Choice

SUFFIX = ".toml"


class Truths(Deck):
    """Where the known crystals of a suite come from."""

    file: str = Field(description="Name of the file or folder that they are looked for under.")
    crystals: Count = Field(description="How many the whole suite has.")
    where: str = Field(description="Where they can be had, in words.")


class Published(Deck):
    """What was published on a suite, or on one much like it."""

    name: str = Field(description="Of the method.")
    values: dict[str, float] = Field(description="By the names of the suite's measures.")
    source: str = Field(description="Where the numbers stand.")
    difference: str = Field("", description="In data and protocol, in words.")


class Suite(Deck):
    """A benchmark suite; the meaning of each field stands in its description."""

    title: str = Field(description="What it is, in one line.")
    task: str = Field(description="What is done: one of gencsp.suites.tasks.TASKS.")
    source: str = Field(description="Paper or program that the suite is from.")
    about: str = Field(description="What one must know beside the numbers, in-sample warnings too.")
    truths: Truths | None = Field(None, description="The known crystals; none if not given.")
    settings: dict[str, Any] = Field({}, description="Of the task.")
    quick: dict[str, Any] = Field({}, description="Settings that --quick puts in their place.")
    published: tuple[Published, ...] = Field((), description="Rows to stand beside ours.")

    @property
    def digest(self) -> str:
        """Short hash of all that the file says, 12 hexadecimal digits."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return sha256(text.encode()).hexdigest()[:12]

    @classmethod
    def open(cls, name: str) -> Self:
        """A suite of gencsp by name, or one's own by the path of its file.

        Args:
            name: ``cspbench``; with settings in place of its own, ``cspbench:KEY=VALUE,...``, which
                come before those of --quick, too.

        Raises:
            SuiteError: there is no such suite.
            DeckError: a file that is no suite.
            RequestError: settings that are not written like this.
        """
        own = Choice.read(name)
        if not own.options:
            return cls._named(name)
        suite = cls._named(own.name)
        quick = {key: value for key, value in suite.quick.items() if key not in own.options}
        return suite.model_copy(update={"settings": suite.settings | own.options, "quick": quick})

    @classmethod
    def _named(cls, name: str) -> Self:
        if name.endswith(SUFFIX):
            return cls.read(name)
        if name not in suite_names():
            raise SuiteError(
                f"there is no suite '{name}': give one of {', '.join(suite_names())}, or the TOML "
                f"file of your own."
            )
        with resources.as_file(_catalogue() / f"{name}{SUFFIX}") as path:
            return cls.read(path)


def suite_names() -> tuple[str, ...]:
    """Names of the suites that ship with gencsp, sorted."""
    files = (Path(file.name) for file in _catalogue().iterdir())
    return tuple(sorted(file.stem for file in files if file.suffix == SUFFIX))


def _catalogue() -> Any:
    return resources.files("gencsp.suites") / "catalogue"
