"""Decks of the commands that work on structures from files; see :mod:`gencsp.runs.decks`.

The calls of :mod:`gencsp.api` check the same classes. They return their results, so that ``out``,
the place of a command's files, is no setting of theirs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Ge, Le
from pydantic import Field

from gencsp.deck import (
    MOST,
    BandGap,
    Count,
    Cutoff,
    Deck,
    NonNegative,
    Pressure,
    Seconds,
    SeedSettings,
    Share,
    SpaceGroupNumber,
    Spacing,
    Symprec,
)
from gencsp.diffusion.dp_cdvae.choices import CellSource, Rule, SpeciesRule
from gencsp.errors import DeckError
from gencsp.measure.ranges import (
    BOND_FACTOR,
    BinWidth,
    BondFactor,
    Broadening,
    NeighbourRule,
    Reach,
)
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
    ThreadsSetting,
    WavelengthSetting,
    WeightsSetting,
    XrdSetting,
)
from gencsp.runs.objects import Named, OneOrMany, PotentialField
from gencsp.runs.presets import PresetDeck
from gencsp.symmetry.ladder import LOW_SYMMETRY
from gencsp.symmetry.tolerances import KEPT_SYMPREC

D = TypeVar("D", bound=Deck)


class RelaxDeck(Deck):
    """Settings of ``gencsp relax``."""

    fmax: FmaxSetting = 0.1
    steps: StepsSetting = 200
    pressure: PressureSetting = 0.0
    fixed_cell: bool = Field(False, description="Relax atoms only.")
    keep_symmetry: bool = Field(False, description="Keep the space group.")
    symprec: Symprec = Field(
        KEPT_SYMPREC, description="Tolerance at which spglib finds that space group, Å."
    )
    rigid_units: bool = Field(
        False, description="Relax rigid units, where structures name them, before every atom."
    )
    broken_units: BrokenSetting = "keep"
    minimiser: MinimiserSetting = "quasi-newton"
    time_limit: Seconds | None = Field(None, description="Most wall time of a structure, s.")
    ceiling: float | None = Field(
        None, description="Stop structures that stay above this enthalpy, eV/atom."
    )
    workers: ThreadsSetting = 2
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
    out: OutSetting = Path("relaxed")


class RefineDeck(PresetDeck):
    """Settings of ``gencsp refine``."""

    guests: tuple[str, ...] | None = Field(
        None, description="Species to inpaint, such as Li; chosen for each formula if not given."
    )
    inpaintings: InpaintingsSetting = 3
    inpainter: InpainterSetting = INPAINTER
    preset: PresetSetting = None
    sampler: SamplerSetting = "thorough"
    levels: LevelsSetting = None
    correctors: CorrectorsSetting = None
    sigma_min: SigmaMinSetting = None
    resample: ResampleSetting = None
    jump_length: JumpLengthSetting = None
    ladder: LadderSetting = "above-P1"
    seed: SeedSetting = 0
    fmax: FmaxSetting = 0.1
    steps: StepsSetting = 200
    minimiser: MinimiserSetting = "quasi-newton"
    pressure: PressureSetting = 0.0
    keep_symmetry: KeepInpaintedSetting = False
    workers: ProcessesSetting = 2
    weights: WeightsSetting = None
    engine: EngineSetting = "auto"
    device: DeviceSetting = "auto"
    potential: PotentialSetting = "chgnet"
    hull: HullSetting = None
    same: SameSetting = "tight"
    order: OrderSetting = None
    order_atoms: OrderAtomsSetting = 80
    order_by: OrderBySetting = "auto"
    out: OutSetting = Path("refined")


class DecodeDeck(Deck):
    """Settings of all that decodes latent vectors of DP-CDVAE."""

    weights: Path | None = Field(
        None, description="A DP-CDVAE: its file, or one that ships, such as dp-cdvae-perov-5."
    )
    device: DeviceSetting = "auto"
    rule: Rule = Field(
        "modified", description="Reverse steps: eq. 7 of DP-CDVAE, eq. 6, or renewal of the noise."
    )
    levels: Count | None = Field(
        None, description="Reverse steps; all time steps of the model if not given."
    )
    batch_size: Count = Field(32, description="Crystals decoded together.")
    seed: SeedSetting = 0


class ReconstructDeck(DecodeDeck):
    """Settings of ``gencsp reconstruct``."""

    spread: NonNegative = Field(
        1.0, description="Share of the encoder's standard deviation in z; 0 takes its mean."
    )
    attempts: Count = Field(
        1,
        description="Decodings of each z, of which the one is kept under which the encoder finds "
        "z likeliest; the paper decodes once.",
    )
    species: SpeciesRule = Field(
        "read",
        description="Species: read from z and kept, by known stoichiometries (read) or rounding "
        "alone (rounded), or at each step the likeliest (the paper).",
    )
    keep_species: bool = Field(False, description="Keep the species, not those read from z.")
    keep_cell: bool = Field(False, description="Keep the cell, not the one read from z.")
    out: OutSetting = Path("reconstructed")


class LatentDeck(DecodeDeck):
    """Settings of what is decoded with the atoms of a crystal."""

    cell: CellSource = Field(
        "scaled",
        description="Cell: read from z ('decoded'), the same at the volume per atom of what was "
        "encoded ('scaled'), or that of the crystal, of the first of two ('parent').",
    )


class NeighboursDeck(LatentDeck):
    """Settings of :func:`gencsp.neighbours`."""

    n: Count = Field(10, description="Neighbours of each crystal.")
    strength: NonNegative = Field(
        0.3, description="How far z goes, in standard deviations of its prior; 0 reconstructs."
    )
    noise: Share = Field(
        1.0,
        description="1 decodes from noise alone; less from the coordinates of the crystal with so "
        "much noise, in fractions of the cell.",
    )


class InterpolateDeck(LatentDeck):
    """Settings of :func:`gencsp.interpolate`."""

    points: Annotated[int, Ge(2), Le(MOST)] = Field(
        9, description="Points on the arc, evenly from one crystal to the other, both included."
    )


class HullDeck(Deck):
    """Settings of ``gencsp hull``."""

    pressure: Pressure | None = Field(
        None, description="GPa; that under which the structures were relaxed if not given."
    )
    workers: ThreadsSetting = 2
    engine: EngineSetting = "auto"
    device: DeviceSetting = "auto"
    potential: PotentialSetting = "chgnet"
    hull: HullSetting = None
    xrd: XrdSetting = None
    wavelength: WavelengthSetting = DEFAULT_WAVELENGTH
    out: OutSetting = Path("hull")


class DedupDeck(Deck):
    """Settings of ``gencsp dedup``."""

    same: SameSetting = "close"
    same_energy: NonNegative | None = Field(
        None, description="Different if energies are further apart than this, eV/atom."
    )
    scale: bool = Field(True, description="The same at another volume is the same.")
    prototypes: bool = Field(
        False, description="The same with other species is the same; groups families."
    )
    workers: ThreadsSetting = 2
    engine: EngineSetting = "auto"
    device: DeviceSetting = "auto"
    potential: PotentialSetting = "chgnet"
    out: OutSetting = Path("deduplicated")


class AnalyseDeck(Deck):
    """Settings of ``gencsp analyse``."""

    known: tuple[Path, ...] = Field(
        (), description="Known structures to compare with; again for more files."
    )
    pairs: tuple[str, ...] | None = Field(
        None,
        description="Pairs of elements, such as Li-S,P-S; all of up to four elements if not given.",
    )
    reach: Reach = Field(8.0, description="Radial distribution functions up to here, Å.")
    bin_width: BinWidth = Field(0.05, description="Width of their bins, Å.")
    broadening: Broadening = Field(
        0.1, description="Standard deviation by which distances are broadened, Å; 0 for none."
    )
    neighbours: NeighbourRule = Field(
        "distance", description="Neighbours: by distance, or as pymatgen's CrystalNN finds them."
    )
    bond_factor: BondFactor = Field(
        BOND_FACTOR,
        description="Neighbours by distance: within so many times the sum of covalent radii.",
    )
    low_symmetry: Annotated[tuple[SpaceGroupNumber, ...], OneOrMany] = Field(
        tuple(sorted(LOW_SYMMETRY)),
        description="Space groups that are no success; 1,2,6 as the paper has it for Li-Si.",
    )
    potential: PotentialField | None = Field(
        None,
        description="Evaluates structures before relaxation, for ΔE: the one that relaxed them.",
    )
    workers: ThreadsSetting = 2
    engine: EngineSetting = "auto"
    device: DeviceSetting = "auto"
    out: OutSetting = Path("analysis")


class SeedsDeck(SeedSettings):
    """Settings of ``gencsp export``."""

    to: Named = Field(description="Code: airss, uspex, calypso, xtalopt, ...; or dataset.")


class SecondOpinionDeck(Deck):
    """Settings of ``gencsp second-opinion``."""

    potential: PotentialField = Field(
        description="The other potential, such as sevennet or chgnet:r2scan."
    )
    top: Count = Field(10, description="How many structures it ranks.")
    fmax: FmaxSetting = 0.1
    steps: StepsSetting = 200
    pressure: PressureSetting = 0.0
    engine: EngineSetting = "auto"
    device: DeviceSetting = "auto"
    out: OutSetting = Path("second_opinion")


class ReferencesDeck(Deck):
    """Settings of ``gencsp references``."""

    system: str = Field(description="Chemical system, such as Li-Si.")
    potential: PotentialSetting = "chgnet"
    also: tuple[Path, ...] = Field((), description="More crystals; again for more files.")
    shipped: bool = Field(True, description="Take the crystals that ship with gencsp.")
    pressure: PressureSetting = 0.0
    fmax: FmaxSetting = 0.05
    steps: StepsSetting = 500
    workers: ThreadsSetting = 2
    engine: EngineSetting = "auto"
    device: DeviceSetting = "auto"
    out: Path = Field(Path("references.csv"), description="CSV file for the entries.")


class DftDeck(Deck):
    """Settings of ``gencsp dft write``."""

    code: Named = Field(description="espresso:PSEUDOS, vasp, vasp:scan or gpaw.")
    kind: Literal["static", "relax"] = Field("static", description="Single points, or relaxations.")
    cutoff: Cutoff | None = Field(None, description="Plane-wave cutoff, eV.")
    spacing: Spacing | None = Field(
        None, description="Spacing of k-points, 1/Å; 0.25 if not given. VASP's sets have their own."
    )
    gap: BandGap | None = Field(
        None, description="Band gap, eV, in place of the spacing: 0.22 for 0, 0.44 from 3.3 on."
    )
    pressure: PressureSetting = 0.0
    below: float | None = Field(
        None, description="Those with a decomposition energy up to this, eV/atom, only."
    )
    top: Count | None = Field(None, description="The first so many only.")
    magnetic_orders: Count | None = Field(
        None, description="Most magnetic orders to start each magnetic structure from."
    )


def deck_of_call(kind: type[D], settings: dict[str, Any], *of_command: str) -> D:
    """The deck that the settings of a call make.

    Args:
        kind: the deck.
        settings: as the call was given them.
        of_command: fields that only the command has.

    Raises:
        DeckError: an unknown setting, one out of range, or one of the command alone.
        WrongTypeError: an object that a setting does not take.
    """
    for name in of_command:
        if name in settings:
            raise DeckError(
                f"'{name}' is a setting of the command alone: the call hands over its results."
            )
    return kind.make(**settings)
