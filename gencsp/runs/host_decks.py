"""Decks of the commands on hosts and their guests; see :mod:`gencsp.runs.decks`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from gencsp.deck import CellAtoms, Count, Deck, Natural
from gencsp.runs.fields import (
    DeviceSetting,
    EngineSetting,
    FmaxSetting,
    HullSetting,
    PotentialSetting,
    PressureSetting,
    ProcessesSetting,
    SameSetting,
    SeedSetting,
    StepsSetting,
    WeightsSetting,
)

#: What relaxes, see :data:`gencsp.searches.intercalation_settings.Relaxing`.
Relaxing = Literal["all", "cell", "guests"]


def _series(value: Any) -> Any:
    """Numbers of a script as the text that a command is given."""
    if isinstance(value, str) or not isinstance(value, Iterable | int | float | Fraction):
        return value
    numbers = value if isinstance(value, Iterable) else [value]
    return ",".join(str(one) for one in numbers)


class IntercalateDeck(Deck):
    """Settings of ``gencsp intercalate``; the meaning of each stands in its description."""

    refused: ClassVar[Mapping[str, str]] = {
        "units": "intercalation places single atoms, and relaxes those of the host one by one: "
        "leave --units out; --unit is the formula unit that the content counts by."
    }

    guest: str = Field(description="Species to put into the host, such as Li.")
    x: Annotated[str, BeforeValidator(_series)] = Field(
        "0:1:0.25",
        description="Guests per formula unit of the host: FIRST:LAST:STEP, or 0,1/3,0.5,1.",
    )
    unit: str | None = Field(
        None, description="Formula unit of the host that x counts by, such as C6; reduced if not."
    )
    atoms: CellAtoms = Field(40, description="Most atoms in a supercell, guests included.")
    n: Count = Field(8, description="Structures to inpaint at each content.")
    cells: Count = Field(2, description="Supercells among which they are shared.")
    orderings: Natural = Field(
        4, description="Orders of guests and vacancies on the sites of the given crystal."
    )
    relax: Relaxing = Field(
        "all", description="What relaxes: all, cell (and guests; host sites stay), guests alone."
    )
    charge: Count | None = Field(
        None, description="Charge of a guest ion, e; its usual one if not given."
    )
    seed: SeedSetting = 0
    workers: ProcessesSetting = 2
    weights: WeightsSetting = None
    fmax: FmaxSetting = 0.05
    steps: StepsSetting = 300
    pressure: PressureSetting = 0.0
    engine: EngineSetting = "auto"
    device: DeviceSetting = "auto"
    potential: PotentialSetting = "chgnet"
    hull: HullSetting = None
    same: SameSetting = "tight"
    out: Path | None = Field(None, description="Folder of the run; runs/HOST-GUEST-SEED if not.")
