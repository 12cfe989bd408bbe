"""The deck of an export: the settings of a program in ``seeds/``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gencsp.deck import SeedSettings
from gencsp.exporters.base import EXPORTERS, ExportReport
from gencsp.io.structures import read_structures


class ExportDeck(SeedSettings):
    """Settings of a program in ``seeds/``."""

    pool: tuple[Path, ...] = Field(min_length=1, description="Files or folders of structures.")
    folder: Path = Field(description="New folder for the seeds.")

    def export(self, code: str) -> ExportReport:
        """Write the pool for a code; raises what :meth:`gencsp.exporters.Exporter.write` does."""
        return EXPORTERS.make(code).write(
            read_structures(self.pool),
            self.folder,
            formula=self.formula,
            atoms=self.atoms,
            fit=self.fit,
            pressure=self.pressure,
        )
