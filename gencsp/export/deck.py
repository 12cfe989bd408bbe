"""The deck of an export: what a program in ``seeds/`` is told."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gencsp.errors import DeckError
from gencsp.export.base import EXPORTERS, ExportReport
from gencsp.io import read_structures


class ExportDeck(BaseModel):
    """Settings of an export; the meaning of each stands in its description."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pool: tuple[Path, ...] = Field(min_length=1, description="Files or folders of structures.")
    folder: Path = Field(description="New folder for the seeds.")
    formula: str | None = Field(None, description="Composition, of a pool with several.")
    atoms: int | None = Field(None, ge=1, description="Atoms in every cell.")
    fit: bool = Field(False, description="Make supercells, or take primitive cells, to reach it.")

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """From a TOML file.

        Raises:
            DeckError: the file is missing or not TOML, an unknown key, a missing one, or a value
                out of range.
        """
        try:
            settings: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
            return cls.model_validate(settings)
        except OSError as error:
            raise DeckError(f"the deck {path} cannot be read ({error.strerror}).") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DeckError(f"the deck {path} is not TOML ({error}).") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            known = ", ".join(cls.model_fields)
            raise DeckError(
                f"the deck {path}, key '{key}': {first['msg'].lower()} (known keys: {known})."
            ) from error

    def export(self, code: str) -> ExportReport:
        """Hand the pool to a code; see :meth:`gencsp.export.Exporter.write` for what is raised."""
        return EXPORTERS.make(code).write(
            read_structures(self.pool),
            self.folder,
            formula=self.formula,
            atoms=self.atoms,
            fit=self.fit,
        )
