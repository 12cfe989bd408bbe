"""Decks of ``gencsp discover`` and ``gencsp synergy``; see :mod:`gencsp.runs.decks`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

from annotated_types import MinLen
from pydantic import Field, model_validator

from gencsp.deck import CellAtoms, Count, Deck, NonNegative
from gencsp.errors import DeckError
from gencsp.filters.deck import PIGEN_FUNNEL
from gencsp.plugins import Choice
from gencsp.runs.decks import UNITS_METHOD
from gencsp.runs.fields import (
    DeviceSetting,
    EngineSetting,
    FmaxSetting,
    HullSetting,
    PotentialSetting,
    ProcessesSetting,
    SameSetting,
    SeedSetting,
    StepsSetting,
)
from gencsp.runs.objects import Carried, Named, ProposerField, SeedsField

#: Filters A' to D, and E at the threshold of PIGEN's set "filtered", 50 meV/atom.
FILTERED = (*PIGEN_FUNNEL, "hull_energy:threshold=0.05")
#: The conditions of PIGEN that one network with targets has: plain, C, M_LED, and both.
MODELS = ("plain", "compactness=0.7", "m_led=9", "m_led=9,compactness=0.7")


#: Methods and proposers that need rigid units.
OF_UNITS = (UNITS_METHOD, "units-random")
NO_UNITS = (
    "compositions that are generated have no rigid units that could be named: leave them out, or "
    "search one formula with them, as by 'gencsp search NaNH2 --units NH2'."
)


class CandidateDeck(Deck):
    """What the two have in common: how crystals are generated, relaxed and searched."""

    refused: ClassVar[Mapping[str, str]] = dict.fromkeys(("units", "rigid_units"), NO_UNITS)

    elements: tuple[str, ...] | None = Field(
        None, description="Elements that may occur, such as Li,Nb,N; all if not given."
    )
    atoms: CellAtoms = Field(20, description="Most atoms in a generated cell.")
    proposer: Named = Field("pigen", description="Generator, with options such as pigen:...")
    guidance: float = Field(
        2.0, description="Pull towards targets: 0 none, 1 as trained, more beyond it (1 + g)."
    )
    weights: Path | None = Field(None, description="Weights of the generator; ours if not given.")
    filters: tuple[Named, ...] = Field(
        PIGEN_FUNNEL, description="Filters in order, before anything is relaxed."
    )
    method: Named = Field("random", description="How to search: random, hop, genetic, or your own.")
    budget: Count = Field(100, description="Trials of each search.")
    patience: Count | None = Field(
        None, description="Relaxations without a new minimum after which a search stops."
    )
    seeds: SeedsField = Field(
        ("mixed",), description="Proposers and files that seed a search as well; [] for none."
    )
    background: ProposerField = Field(
        "random", description="Proposer of a search's other structures without parents."
    )
    moves: tuple[Named, ...] | None = Field(
        None, description="Moves of hop and genetic, and of the shakes of random, by name."
    )
    ahead: Count = Field(8, description="Trials under way at once; the walkers of hop.")
    seed: SeedSetting = 0
    workers: ProcessesSetting = 2
    fmax: FmaxSetting = 0.1
    steps: StepsSetting = 200
    engine: EngineSetting = "auto"
    device: DeviceSetting = "auto"
    potential: PotentialSetting = "chgnet"
    hull: HullSetting = None

    @model_validator(mode="after")
    def _without_units(self) -> Self:
        for one in (self.method, self.background, *self.seeds):
            if not isinstance(one, Carried) and Choice.read(one).name in OF_UNITS:
                raise DeckError(f"'{Choice.read(one).name}': {NO_UNITS}")
        return self


class DiscoverDeck(CandidateDeck):
    """Settings of ``gencsp discover``; the meaning of each stands in its description."""

    n: Count = Field(1000, description="Structures to generate.")
    target: tuple[str, ...] = Field(
        (), description="Aims of the generator, such as compactness=0.7 or m_led=9."
    )
    pool: tuple[Path, ...] = Field(
        (), description="Files of another generator's structures, in place of generation."
    )
    within: NonNegative = Field(
        0.1, description="Search survivors that relax to this E_d or less, eV/atom."
    )
    top: Count = Field(10, description="Compositions to search, those of lowest E_d.")
    same: SameSetting = "tight"
    out: Path | None = Field(None, description="Folder; runs/discover-SEED if not given.")

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.out or Path("runs") / f"discover-{self.seed}"


class SynergyDeck(CandidateDeck):
    """Settings of ``gencsp synergy``; the meaning of each stands in its description."""

    model: Annotated[tuple[str, ...], MinLen(1)] = Field(
        MODELS,
        description="Targets of a model, such as m_led=9,compactness=0.7; plain for none; or a "
        "file of another generator's structures. Again for more models.",
    )
    n: Annotated[Count, Field(ge=2)] = Field(
        40, description="Compositions of each model: half filtered, half not."
    )
    generate: Count = Field(2000, description="Most structures to generate for each model.")
    filters: tuple[Named, ...] = Field(FILTERED, description="Filters of the filtered half.")
    method: Named = Field("hop", description="How to search: random, hop, genetic, or your own.")
    seeds: SeedsField = Field(
        (), description="Proposers and files that seed both searches; none if not given."
    )
    out: Path | None = Field(None, description="Folder; runs/synergy-SEED if not given.")

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.out or Path("runs") / f"synergy-{self.seed}"
