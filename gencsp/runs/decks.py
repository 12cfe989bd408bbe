"""Decks: the settings of a run as a TOML file, every key checked by name.

The command line fills the same classes, so a deck and a command mean the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import MinLen
from pydantic import Field, model_validator

from gencsp.convex_hull.end_members import is_system, read_place
from gencsp.deck import (
    CellAtoms,
    Count,
    Deck,
    Displacement,
    Fraction,
    Minutes,
    Pressure,
    Share,
    SpaceGroupNumber,
    VolumePerAtom,
)
from gencsp.descriptors.least_distances import LeastDistances, LeastDistancesField
from gencsp.runs.fields import (
    EngineSetting,
    FmaxSetting,
    HullSetting,
    InpaintingsSetting,
    KeepInpaintedSetting,
    OutSetting,
    PotentialSetting,
    PressureSetting,
    ProcessesSetting,
    SameSetting,
    SeedSetting,
    StepsSetting,
    WeightsSetting,
)
from gencsp.runs.objects import (
    CellField,
    Named,
    ProposerField,
    SeedsField,
    one_or_many,
)

SamplerName = Literal["thorough", "quick"]

#: Other names of methods of search.
NICKNAMES = {"basin-hopping": "hop"}


class CycleDeck(Deck):
    """Settings of ``gencsp cycle``; the meaning of each stands in its description."""

    formula: str = Field(
        description="Formula unit, such as Li5Si2, or system, such as Li-Si or ZnS-P2S5."
    )
    guests: tuple[str, ...] | None = Field(
        None, description="Species to take out and inpaint; chosen by the cycle if not given."
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
    weights: WeightsSetting = None
    fmax: FmaxSetting = 0.1
    steps: StepsSetting = 200
    pressure: PressureSetting = 0.0
    keep_symmetry: KeepInpaintedSetting = False
    engine: EngineSetting = "auto"
    potential: PotentialSetting = "chgnet"
    hull: HullSetting = None
    same: SameSetting = "tight"

    @property
    def folder(self) -> Path:
        """The folder of the run.

        Raises:
            CompositionError, RequestError: the formula cannot be read.
        """
        return self.out or Path("runs") / f"{read_place(self.formula)}-{self.seed}"


class ProposeDeck(Deck):
    """Settings of ``gencsp propose``; a formula, or ``de_novo``, says what to propose."""

    formula: str | None = Field(
        None, description="Formula unit, such as Li5Si2, or a cell, such as Na4Cl4."
    )
    n: Count = Field(20, description="Structures to propose.")
    atoms: CellAtoms = Field(20, description="Most atoms in a cell.")
    units: Annotated[Annotated[tuple[CellAtoms, ...], MinLen(1)] | None, one_or_many] = Field(
        None, description="Numbers of formula units in a cell; all that fit if not given."
    )
    cell: CellField = Field(None, description="Structure file whose cell is kept fixed.")
    volume: VolumePerAtom | None = Field(
        None, description="Å³/atom to propose at; predicted at the pressure if not given."
    )
    space_groups: Annotated[
        Annotated[tuple[SpaceGroupNumber, ...], MinLen(1)] | None, one_or_many
    ] = Field(None, description="To propose in, by number.")
    pressure: Pressure = Field(
        0.0, description="GPa; proposals have the volume that is likely at this pressure."
    )
    proposer: ProposerField = Field(
        "mixed", description="Proposer, by name, or the TOML deck of an external generator."
    )
    seed: SeedSetting = 0
    host: Path | None = Field(None, description="Structure file to complete to the composition.")
    de_novo: bool = Field(False, description="Let the pigen model choose the compositions, too.")
    elements: tuple[str, ...] | None = Field(
        None, description="Elements that may occur de novo, such as Li,Nb,N."
    )
    target: tuple[str, ...] = Field(
        (), description="Aims of pigen, such as compactness=0.7 or m_led=9."
    )
    guidance: float = Field(
        2.0, description="Pull towards targets: 0 none, 1 as trained, more beyond it (1 + g)."
    )
    weights: Path | None = Field(None, description="Model weights of your own.")
    workers: ProcessesSetting = 1
    out: OutSetting = Path("proposals")


class SearchDeck(Deck):
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
    method: Named = Field("random", description="How to search: random, hop, genetic, or your own.")
    budget: Count = Field(100, description="Trials, each of at most one relaxation.")
    minutes: Minutes | None = Field(None, description="Most wall time of a session.")
    patience: Count | None = Field(
        None, description="Relaxations without a new minimum after which to stop."
    )
    target: Path | None = Field(None, description="Stop when a crystal of this file is found.")
    atoms: CellAtoms = Field(20, description="Most atoms in a cell.")
    units: Annotated[Annotated[tuple[CellAtoms, ...], MinLen(1)] | None, one_or_many] = Field(
        None, description="Numbers of formula units in a cell; all that fit if not given."
    )
    cell: CellField = Field(None, description="Structure file whose cell is kept fixed.")
    volume: VolumePerAtom | None = Field(
        None, description="Å³/atom to propose at; predicted at the pressure if not given."
    )
    volume_spread: Fraction = Field(
        0.1, description="Fraction by which the volumes of random crystals spread."
    )
    space_groups: Annotated[
        Annotated[tuple[SpaceGroupNumber, ...], MinLen(1)] | None, one_or_many
    ] = Field(None, description="To propose in, by number.")
    separations: LeastDistancesField = Field(
        default_factory=LeastDistances, description="Least distances, Å, such as {Si-O = 1.5}."
    )
    seeds: SeedsField = Field(
        ("mixed",), description="Proposers by name and files, NAME or NAME:WEIGHT; [] for none."
    )
    seed_share: Share = Field(0.5, description="Share of seeds among structures without parents.")
    background: ProposerField = Field("random", description="Proposer of the others, by name.")
    sampler: SamplerName = Field(
        "quick", description="How score models propose: quick takes half of the time."
    )
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
    minimiser: Named = Field("quasi-newton", description="Minimiser, by name.")
    pressure: PressureSetting = 0.0
    keep_symmetry: bool = Field(False, description="Keep the symmetry of every start.")
    rattle: Displacement = Field(
        0.0, description="Displacements before the free (or a second, free) relaxation, Å."
    )
    keep_paths: bool = Field(
        False, description="Keep the path of every relaxation, as ASE's trajectories in paths/."
    )
    engine: EngineSetting = "auto"
    potential: PotentialSetting = "chgnet"
    hull: HullSetting = None
    same: SameSetting = "tight"

    @model_validator(mode="before")
    @classmethod
    def _other_names(cls, given: Any) -> Any:
        """A system in the place of a formula, and what methods are called elsewhere."""
        if not isinstance(given, dict):
            return given
        formula, system, method = (given.get(key) for key in ("formula", "system", "method"))
        if isinstance(formula, str) and system is None and is_system(formula):
            given = {**given, "formula": None, "system": formula}
        if isinstance(method, str):
            name, *options = method.split(":", 1)
            given = {**given, "method": ":".join([NICKNAMES.get(name, name), *options])}
        return given
