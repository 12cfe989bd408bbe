"""Fields that several decks share, each with its type, bounds and description."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gencsp.deck import (
    CellAtoms,
    Count,
    EngineName,
    Fmax,
    Natural,
    Positive,
    Pressure,
    Same,
    Seed,
    VolumePerAtom,
    Workers,
)
from gencsp.plugins.presets import PresetName
from gencsp.runs.objects import HullField, Named, PotentialField, ProposerField
from gencsp.symmetry.ladder import LadderName

#: The proposer that completes a host, by name.
INPAINTER = "mixed"

FmaxSetting = Annotated[Fmax, Field(description="Relaxed when no force exceeds this, eV/Å.")]
StepsSetting = Annotated[Natural, Field(description="Most minimiser steps.")]
PressureSetting = Annotated[Pressure, Field(description="Pressure, GPa.")]
EngineSetting = Annotated[EngineName, Field(description="Engine that runs CHGNet.")]
DeviceSetting = Annotated[
    str,
    Field(
        description="Where models run: cpu, cuda, cuda:1, ...; auto takes a GPU for what PyTorch "
        "alone runs."
    ),
]
BrokenSetting = Annotated[
    Literal["keep", "drop"],
    Field(description="Structures whose rigid units broke as they relaxed: keep or drop."),
]
PotentialSetting = Annotated[
    PotentialField,
    Field(description="Potential: chgnet[:MODEL|FILE], sevennet[:MODEL], FILE.py[:FUNCTION], ..."),
]
HullSetting = Annotated[
    HullField,
    Field(description="Hull entries made with this potential, or none; ours if not given."),
]
SeedSetting = Annotated[Seed, Field(description="Seed of every random choice.")]
InpaintingsSetting = Annotated[
    Count, Field(description="Structures to inpaint into each framework.")
]
KeepInpaintedSetting = Annotated[
    bool, Field(description="Keep the symmetry of inpainted structures while they relax.")
]
SameSetting = Annotated[
    Same,
    Field(
        description="What counts as the same crystal: close (little differs), tight (what is in "
        "doubt is relaxed tightly first) or family (with small distortions)."
    ),
]
#: Radiation of measured powder patterns, where none is named.
DEFAULT_WAVELENGTH = "CuKa"
XrdSetting = Annotated[
    Path | None,
    Field(description="Measured powder pattern (xy, xye, cif) that structures are compared with."),
]
WavelengthSetting = Annotated[
    str, Field(description="Of that pattern: Å, or CuKa, CuKa1, MoKa, CoKa, FeKa, CrKa, AgKa.")
]
PresetSetting = Annotated[
    PresetName | None,
    Field(
        description="All settings of a published method: chggen. Those given beside it take the "
        "place of its own."
    ),
]
SamplerSetting = Annotated[
    Named,
    Field(
        description="How score models propose: thorough, quick (half of the time), fine (four "
        "times), or a sampler by name, such as predictor-corrector."
    ),
]
LevelsSetting = Annotated[
    Count | None, Field(description="Noise levels of the sampler; its own if not given.")
]
CorrectorsSetting = Annotated[
    Natural | None,
    Field(description="Langevin steps at each level, of the sampler predictor-corrector."),
]
SigmaMinSetting = Annotated[
    Positive | None,
    Field(description="Least noise of the sampler, Å; that of the model if not given."),
]
ResampleSetting = Annotated[
    Count | None,
    Field(description="Passes through each noise level around a host; 5 if not given."),
]
JumpLengthSetting = Annotated[
    Count | None,
    Field(description="Noise levels of a jump back between these passes; 1 if not given."),
]
VolumeSetting = Annotated[
    VolumePerAtom | None,
    Field(description="Å³/atom to propose at; predicted at the pressure if not given."),
]
MinimiserSetting = Annotated[Named, Field(description="Minimiser, by name.")]
InpainterSetting = Annotated[
    ProposerField, Field(description="Proposer that puts the guests back, by name.")
]
LadderSetting = Annotated[
    LadderName,
    Field(description="Tolerances of symmetrising: above-P1, above-Pm, or chggen."),
]
WeightsSetting = Annotated[
    Path | None, Field(description="Weights of the model: file or name; ours if not given.")
]
OrderSetting = Annotated[
    Count | None,
    Field(description="Ordered cells to make of each crystal with partly occupied sites."),
]
OrderBy = Literal["auto", "ewald", "potential"]
OrderBySetting = Annotated[
    OrderBy,
    Field(
        description="What chooses among many orders: ewald (at random where no charges are sure), "
        "the potential before relaxation, or auto: Ewald, and the potential without charges."
    ),
]
OrderAtomsSetting = Annotated[CellAtoms, Field(description="Most atoms in such a cell.")]
ProcessesSetting = Annotated[Workers, Field(description="Worker processes of one thread each.")]
ThreadsSetting = Annotated[Workers, Field(description="CPU threads.")]
OutSetting = Annotated[Path, Field(description="Folder for the results.")]
