"""Decks of an export: what is handed over, and the settings of a program in ``seeds/``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gencsp.deck import CellAtoms, Deck, Pressure
from gencsp.exporters.base import EXPORTERS, ExportReport
from gencsp.io.structures import read_structures


class SeedSettings(Deck):
    """What is handed over, whatever the code; the meaning of each stands in its description."""

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
