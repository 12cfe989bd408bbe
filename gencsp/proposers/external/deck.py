"""The deck of an external generator: the program, its command, and its limits."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

from annotated_types import Ge, Le
from pydantic import Field, model_validator

from gencsp.deck import Count, Deck, Natural, Positive, Seconds
from gencsp.errors import DeckError
from gencsp.programs import Limits
from gencsp.proposers.external.presets import PLACEHOLDERS, PRESETS, Preset

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
TEMPLATES = Path(__file__).parent / "templates"


class ExternalDeck(Deck):
    """Settings of the proposer ``external``; the meaning of each stands in its description."""

    preset: str = Field("", description="Generator that gencsp knows; see PRESETS.")
    command: tuple[str, ...] = Field((), description="Command, one argument each, no shell.")
    output: tuple[str, ...] = Field(
        (), description="Where the crystals are in {out}: patterns, the first with files counts."
    )
    name: str = Field("", description="Proposer in the provenance; else the preset, or the deck.")
    environment: Path | None = Field(None, description="Folder of the program's environment.")
    home: Path | None = Field(None, description="Folder of the program, for {home}.")
    model: str = Field("", description="Weights, by path or name, for {model}.")
    variables: dict[str, str] = Field(default_factory=dict, description="Environment variables.")
    arguments: tuple[str, ...] = Field((), description="More arguments, at the end.")
    batch: Count | None = Field(None, description="Structures at once.")
    ask: Annotated[float, Ge(1), Le(1000)] = Field(
        1.0, description="Request this many times the structures wanted."
    )
    launches: Count = Field(3, description="Starts for what is still missing, at most.")
    seconds: Seconds = Field(24 * 3600.0, description="Wall time of one start.")
    silence: Seconds | None = Field(
        None, description="Hung after so many seconds without a new or grown file."
    )
    retries: Natural = Field(2, description="Starts again after a failure.")
    disk_gb: Positive = Field(20.0, description="Gigabytes that it may write.")
    keep: Path | None = Field(None, description="Keep the program's folders here.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.preset and self.preset not in PRESETS:
            raise ValueError(f"no preset '{self.preset}': choose from {', '.join(PRESETS)}")
        if not self.preset and not (self.command and self.output):
            raise ValueError("name a preset, or give both command and output")
        words = (*self.call.command, *self.arguments, *self.call.variables.values())
        used = {name for word in words for name in _PLACEHOLDER.findall(word)}
        unknown = sorted(used - set(PLACEHOLDERS))
        if unknown:
            known = ", ".join(PLACEHOLDERS)
            raise ValueError(f"'{{{unknown[0]}}}' is no placeholder: known are {known}")
        for name, value in (("model", self.model), ("home", self.home)):
            if name in used and not value:
                raise ValueError(f"this command needs '{name}'")
        if any(pattern.startswith("/") or ".." in pattern for pattern in self.call.output):
            raise ValueError("output is looked for inside {out} only")
        return self

    @property
    def call(self) -> Preset:
        """The preset, with what the deck says otherwise."""
        base = PRESETS.get(self.preset, Preset(command=(), output=()))
        return Preset(
            command=self.command or base.command,
            output=self.output or base.output,
            batch=self.batch or base.batch,
            variables={**base.variables, **self.variables},
        )

    @property
    def limits(self) -> Limits:
        """Limits on time, disk space and restarts of the program."""
        return Limits(
            seconds=self.seconds,
            silence=self.silence,
            disk=self.disk_gb * 1e9,
            retries=self.retries,
        )

    @property
    def takes_composition(self) -> bool:
        """Whether the command passes the number of atoms of each species to the program."""
        words = (*self.call.command, *self.arguments)
        return any("{formula}" in word or "{counts}" in word for word in words)

    def filled(self, words: Sequence[str], values: Mapping[str, object]) -> list[str]:
        """Words with their placeholders replaced."""
        fixed = {
            "model": _absolute(self.model),
            "home": "" if self.home is None else self.home.expanduser().absolute(),
            "templates": TEMPLATES,
        }
        table = {**fixed, **values}
        return [_PLACEHOLDER.sub(lambda found: str(table[found[1]]), word) for word in words]

    def model_digest(self) -> str:
        """Short hash of the weights where they are a file, else their name."""
        path = Path(self.model).expanduser()
        if not self.model or not path.is_file():
            return self.model
        total = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    total.update(block)
        except OSError as error:
            raise DeckError(f"the model {path} cannot be read ({error.strerror}).") from error
        return total.hexdigest()[:12]


def _absolute(text: str) -> str:
    """A path made absolute, because programs run elsewhere; a name stays."""
    path = Path(text).expanduser()
    return str(path.absolute()) if text and path.exists() else text
