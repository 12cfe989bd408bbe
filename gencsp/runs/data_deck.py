"""Deck of ``gencsp make-data``; see :mod:`gencsp.runs.decks`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gencsp.deck import CellAtoms, Count, Deck, NonNegative
from gencsp.runs.fields import (
    DeviceSetting,
    EngineSetting,
    FmaxSetting,
    HullSetting,
    PotentialSetting,
    ProcessesSetting,
    SeedSetting,
    StepsSetting,
)


class MakeDataDeck(Deck):
    """Settings of ``gencsp make-data``; the meaning of each stands in its description."""

    n: Count = Field(
        1000, description="Known crystals whose elements are exchanged, in blocks of 32."
    )
    held_out: Path = Field(description="Formulas that must not be made, one a line.")
    atoms: CellAtoms = Field(20, description="Most atoms in a primitive cell.")
    within: NonNegative = Field(0.1, description="Keep what relaxes to this E_d or less, eV/atom.")
    below: NonNegative = Field(
        0.1,
        description="Leave out what lies further below the hull, eV/atom: the potential's error.",
    )
    seed: SeedSetting = 0
    workers: ProcessesSetting = 2
    fmax: FmaxSetting = 0.1
    steps: StepsSetting = 200
    engine: EngineSetting = "auto"
    device: DeviceSetting = "auto"
    potential: PotentialSetting = "chgnet"
    hull: HullSetting = None
    out: Path | None = Field(None, description="Folder; runs/data-SEED if not given.")

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.out or Path("runs") / f"data-{self.seed}"
