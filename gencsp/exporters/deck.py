"""The deck of an export: the settings of a program in ``seeds/``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gencsp.deck import CellAtoms, Deck, Pressure
from gencsp.exporters.base import EXPORTERS, ExportReport
from gencsp.io.structures import read_structures


class ExportDeck(Deck):
    """Settings of an export; the meaning of each stands in its description."""

    pool: tuple[Path, ...] = Field(min_length=1, description="Files or folders of structures.")
    folder: Path = Field(description="New folder for the seeds.")
    formula: str | None = Field(None, description="Composition, of a pool with several.")
    atoms: CellAtoms | None = Field(None, description="Atoms in every cell.")
    fit: bool = Field(False, description="Make supercells, or take primitive cells, to reach it.")
    pressure: Pressure | None = Field(
        None, description="Of the search, GPa; that of the pool if not given."
    )

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
