"""Decks: the settings of a run as a TOML file, every key checked by name.

The command line fills the same classes, so a deck and a command mean the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from gencsp.deck import (
    CellAtoms,
    Count,
    Displacement,
    Fraction,
    Minutes,
    NonNegative,
    Pressure,
    Share,
    SpaceGroupNumbers,
    UnitNumbers,
)
from gencsp.descriptors.least_distances import LeastDistances, LeastDistancesField
from gencsp.errors import DeckError
from gencsp.runs.fields import (
    DEFAULT_WAVELENGTH,
    INPAINTER,
    BrokenSetting,
    CorrectorsSetting,
    DeviceSetting,
    EngineSetting,
    FmaxSetting,
    HullSetting,
    InpainterSetting,
    InpaintingsSetting,
    JumpLengthSetting,
    KeepInpaintedSetting,
    LadderSetting,
    LevelsSetting,
    MinimiserSetting,
    OrderAtomsSetting,
    OrderBySetting,
    OrderSetting,
    OutSetting,
    PotentialSetting,
    PresetSetting,
    PressureSetting,
    ProcessesSetting,
    ResampleSetting,
    SameSetting,
    SamplerSetting,
    SeedSetting,
    SigmaMinSetting,
    StepsSetting,
    VolumeSetting,
    WavelengthSetting,
    WeightsSetting,
    XrdSetting,
)
from gencsp.runs.formulas import FormulaDeck
from gencsp.runs.objects import (
    CellField,
    HostField,
    Named,
    OneOrMany,
    ProposerField,
    SeedsField,
    UnitsField,
)

#: Settings of a cycle that a host takes the place of.
OF_GENERATION = ("proposer", "volume", "compositions", "inpaintings", "ladder")
#: Other names of methods of search.
NICKNAMES = {"basin-hopping": "hop"}
#: Method of search that learns from crystals of rigid units.
UNITS_METHOD = "units"


class CycleDeck(FormulaDeck):
    """Settings of ``gencsp cycle``; the meaning of each stands in its description."""

    formula: str = Field(
        "",
        description="Formula unit, such as Li5Si2, or system, such as Li-Si or ZnS-P2S5; that of "
        "the host if not given.",
    )
    host: HostField = Field(
        None, description="Structure file of a host that is kept; only its guests are placed."
    )
    guests: tuple[str, ...] | None = Field(
        None, description="Species to take out and inpaint; chosen by the cycle if not given."
    )
    units: UnitsField = Field(
        None, description="Rigid units of the formula, by name or file, such as NH2 or NH4,ND.xyz."
    )
    atoms: CellAtoms = Field(20, description="Most atoms in a generated cell.")
    n: Count = Field(20, description="Structures to generate, of a system in all.")
    compositions: Count | None = Field(
        None, description="Most compositions of a system; as many as get four structures each."
    )
    inpaintings: InpaintingsSetting = 3
    seed: SeedSetting = 0
    workers: ProcessesSetting = 2
    out: Path | None = Field(None, description="Folder of the run; runs/FORMULA-SEED if not given.")
    proposer: ProposerField = Field("mixed", description="Proposer that generates, by name.")
    inpainter: InpainterSetting = INPAINTER
    preset: PresetSetting = None
    sampler: SamplerSetting = "thorough"
    levels: LevelsSetting = None
    correctors: CorrectorsSetting = None
    sigma_min: SigmaMinSetting = None
    resample: ResampleSetting = None
    jump_length: JumpLengthSetting = None
    volume: VolumeSetting = None
    ladder: LadderSetting = "above-P1"
    weights: WeightsSetting = None
    fmax: FmaxSetting = 0.1
    steps: StepsSetting = 200
    minimiser: MinimiserSetting = "quasi-newton"
    pressure: PressureSetting = 0.0
    keep_symmetry: KeepInpaintedSetting = False
    broken_units: BrokenSetting = "keep"
    engine: EngineSetting = "auto"
    device: DeviceSetting = "auto"
    potential: PotentialSetting = "chgnet"
    hull: HullSetting = None
    same: SameSetting = "tight"
    xrd: XrdSetting = None
    wavelength: WavelengthSetting = DEFAULT_WAVELENGTH
    order: OrderSetting = None
    order_atoms: OrderAtomsSetting = 80
    order_by: OrderBySetting = "auto"

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if not self.formula and self.host is None:
            raise DeckError(
                "a cycle lacks the key 'formula': give one such as Li5Si2, a system such as Li-Si, "
                "or a host."
            )
        return self

    @classmethod
    def _preset_fields(cls, given: Mapping[str, Any]) -> Collection[str]:
        """All, but with a host those that say how it is to be completed and relaxed."""
        without = () if given.get("host") is None else OF_GENERATION
        return [name for name in cls.model_fields if name not in without]

    @property
    def folder(self) -> Path:
        """The folder of the run; with a host see :func:`.host_cycle.plan_host_cycle`.

        Raises:
            CompositionError, RequestError: the formula cannot be read.
        """
        from gencsp.convex_hull.end_members import read_place

        return self.out or Path("runs") / f"{read_place(self.formula)}-{self.seed}"


class ProposeDeck(FormulaDeck):
    """Settings of ``gencsp propose``; a formula, a host or ``de_novo`` says what to propose."""

    formula: str | None = Field(
        None, description="Formula unit, such as Li5Si2, or a cell, such as Na4Cl4."
    )
    n: Count = Field(20, description="Structures to propose.")
    atoms: CellAtoms = Field(20, description="Most atoms in a cell.")
    formula_units: Annotated[UnitNumbers | None, OneOrMany] = Field(
        None, description="Numbers of formula units in a cell; all that fit if not given."
    )
    units: UnitsField = Field(
        None, description="Rigid units of the formula, by name or file, such as NH2 or NH4,ND.xyz."
    )
    cell: CellField = Field(
        None, description="Cell that is kept: structure file, or a,b,c,alpha,beta,gamma."
    )
    volume: VolumeSetting = None
    space_groups: Annotated[SpaceGroupNumbers | None, OneOrMany] = Field(
        None, description="To propose in, by number."
    )
    pressure: Pressure = Field(
        0.0, description="GPa; proposals have the volume that is likely at this pressure."
    )
    proposer: ProposerField = Field(
        "mixed", description="Proposer, by name, or the TOML deck of an external generator."
    )
    preset: PresetSetting = None
    sampler: SamplerSetting = "thorough"
    levels: LevelsSetting = None
    correctors: CorrectorsSetting = None
    sigma_min: SigmaMinSetting = None
    resample: ResampleSetting = None
    jump_length: JumpLengthSetting = None
    seed: SeedSetting = 0
    host: Path | None = Field(None, description="Structure file to complete to the composition.")
    guests: tuple[str, ...] | None = Field(
        None, description="Species to take out of the host and place anew, such as Li."
    )
    order: OrderSetting = None
    order_atoms: OrderAtomsSetting = 80
    order_by: OrderBySetting = "auto"
    de_novo: bool = Field(
        False, description="Let the model choose the compositions, too: pigen, or dp-cdvae."
    )
    elements: tuple[str, ...] | None = Field(
        None, description="Elements that may occur de novo, such as Li,Nb,N."
    )
    target: tuple[str, ...] = Field(
        (), description="Aims of pigen, such as compactness=0.7 or m_led=9."
    )
    guidance: float = Field(
        2.0, description="Pull towards targets: 0 none, 1 as trained, more beyond it (1 + g)."
    )
    energy_guidance: NonNegative = Field(
        0.0, description="Pull of CHGNet's forces on what pigen makes, 1/kT in 1/eV; 0 for none."
    )
    sizes: Literal["training", "targets"] = Field(
        "targets",
        description="Atoms in a cell de novo: as often as in training, or given the targets.",
    )
    symmetry: Literal["none", "drawn"] = Field(
        "none", description="Of what pigen makes: none, or a space group drawn and kept."
    )
    weights: WeightsSetting = None
    device: DeviceSetting = "auto"
    workers: ProcessesSetting = 1
    out: OutSetting = Path("proposals")


class SearchDeck(FormulaDeck):
    """Settings of ``gencsp search``; one of formula, system and airss says where to look.

    A system may stand in the place of the formula: "Ti-O" for "TiO2".
    """

    formula: str | None = Field(
        None, description="Composition to search, such as TiO2, or a cell, such as Ti4O8."
    )
    system: str | None = Field(
        None, description="System to search, such as Li-Si, or tie-line, such as ZnS-P2S5."
    )
    airss: Path | None = Field(None, description="AIRSS .cell deck that says where to look.")
    method: Named = Field(
        "random", description="How to search: random, hop, genetic, units, or your own."
    )
    budget: Count = Field(100, description="Trials, each of at most one relaxation.")
    minutes: Minutes | None = Field(None, description="Most wall time of a session.")
    patience: Count | None = Field(
        None, description="Relaxations without a new minimum after which to stop."
    )
    target: Path | None = Field(None, description="Stop when a crystal of this file is found.")
    atoms: CellAtoms = Field(20, description="Most atoms in a cell.")
    formula_units: Annotated[UnitNumbers | None, OneOrMany] = Field(
        None, description="Numbers of formula units in a cell; all that fit if not given."
    )
    units: UnitsField = Field(
        None, description="Rigid units of the formula, by name or file, such as NH2 or NH4,ND.xyz."
    )
    cell: CellField = Field(
        None, description="Cell that is kept: structure file, or a,b,c,alpha,beta,gamma."
    )
    volume: VolumeSetting = None
    volume_spread: Fraction = Field(
        0.1, description="Fraction by which the volumes of random crystals spread."
    )
    space_groups: Annotated[SpaceGroupNumbers | None, OneOrMany] = Field(
        None, description="To propose in, by number."
    )
    separations: LeastDistancesField = Field(
        default_factory=LeastDistances, description="Least distances, Å, such as {Si-O = 1.5}."
    )
    seeds: SeedsField = Field(
        ("mixed",), description="Proposers by name and files, NAME or NAME:WEIGHT; [] for none."
    )
    seed_share: Share = Field(0.5, description="Share of seeds among structures without parents.")
    preset: PresetSetting = None
    background: ProposerField = Field("random", description="Proposer of the others, by name.")
    sampler: SamplerSetting = "quick"
    levels: LevelsSetting = None
    correctors: CorrectorsSetting = None
    sigma_min: SigmaMinSetting = None
    resample: ResampleSetting = None
    jump_length: JumpLengthSetting = None
    moves: tuple[Named, ...] | None = Field(
        None, description="Moves of hop and genetic, and of the shakes of random, by name."
    )
    ahead: Count = Field(8, description="Trials under way at once; the walkers of hop.")
    batch: Count = Field(1, description="Trials in one task.")
    seed: SeedSetting = 0
    workers: ProcessesSetting = 2
    executor: Named = Field("local", description="Where tasks run.")
    out: Path | None = Field(None, description="Folder; runs/FORMULA-METHOD-SEED if not given.")
    weights: WeightsSetting = None
    fmax: FmaxSetting = 0.1
    steps: StepsSetting = 200
    minimiser: MinimiserSetting = "quasi-newton"
    pressure: PressureSetting = 0.0
    keep_symmetry: bool = Field(False, description="Keep the symmetry of every start.")
    rigid_units: bool | None = Field(
        None,
        description="Relax units rigidly before every atom; done with --units if not given.",
    )
    broken_units: BrokenSetting = "keep"
    rattle: Displacement = Field(
        0.0, description="Displacements before the free (or a second, free) relaxation, Å."
    )
    keep_paths: bool = Field(
        False, description="Keep the path of every relaxation, as ASE's trajectories in paths/."
    )
    engine: EngineSetting = "auto"
    device: DeviceSetting = "auto"
    potential: PotentialSetting = "chgnet"
    hull: HullSetting = None
    same: SameSetting = "tight"
    xrd: XrdSetting = None
    wavelength: WavelengthSetting = DEFAULT_WAVELENGTH
    xrd_weight: NonNegative = Field(
        0.0, description="Fitness gains this times the similarity of the patterns, eV/atom."
    )

    @model_validator(mode="before")
    @classmethod
    def _other_names(cls, given: Any) -> Any:
        """A system in the place of a formula, and what methods are called elsewhere."""
        from gencsp.convex_hull.end_members import is_system

        if not isinstance(given, dict):
            return given
        formula, system, method = (given.get(key) for key in ("formula", "system", "method"))
        if isinstance(formula, str) and system is None and is_system(formula):
            given = {**given, "formula": None, "system": formula}
        if isinstance(method, str):
            name, *options = method.split(":", 1)
            given = {**given, "method": ":".join([NICKNAMES.get(name, name), *options])}
        return given
