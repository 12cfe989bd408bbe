"""The deck of ``gencsp bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gencsp.deck import Count, Deck, Seconds
from gencsp.runs.fields import (
    DeviceSetting,
    EngineSetting,
    HullSetting,
    PotentialSetting,
    ProcessesSetting,
)
from gencsp.runs.objects import Named, OneOrMany, ProposerField

#: What a score is of that names no suite.
NO_SUITE = "score"

#: Stands for no proposer: searches begin from random structures alone.
UNSEEDED = "none"


class BenchDeck(Deck):
    """Settings of ``gencsp bench``; the meaning of each stands in its description."""

    suite: str = Field(
        description="Suite by name (see --list), or the TOML file of your own; NAME:KEY=VALUE,... "
        "changes its settings."
    )
    proposer: ProposerField = Field(
        "mixed", description="Proposer that is measured, by name; none for unseeded searches."
    )
    method: Named = Field(
        "random",
        description="How suites of searches search: random, hop, genetic, your own, or CrySPY, "
        "such as cryspy-rs:ENVIRONMENT or cryspy-ea:ENVIRONMENT.",
    )
    weights: Path | None = Field(
        None, description="Weights of the model, in suites of one; ours, where some ship."
    )
    potential: PotentialSetting = "chgnet"
    engine: EngineSetting = "auto"
    device: DeviceSetting = "auto"
    hull: HullSetting = None
    seeds: Count = Field(1, description="How often everything is done, with seeds 0, 1, ...")
    compositions: Count | None = Field(
        None, description="Take so many of the suite's compositions; the same ones every time."
    )
    quick: bool = Field(False, description="A part of the suite that ends in some ten minutes.")
    truth: Path | None = Field(
        None, description="Known crystals: a file, a folder of files, or a table of CIF texts."
    )
    time_limit: Seconds | None = Field(
        None, description="Most seconds for the proposals of a composition; what is late is lost."
    )
    workers: ProcessesSetting = 2
    executor: Named = Field("local", description="Where tasks run.")
    out: Path | None = Field(
        None, description="Folder; runs/bench-SUITE[-PROPOSER][-METHOD] if not given."
    )

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        if self.out is not None:
            return self.out
        from gencsp.files import file_name
        from gencsp.plugins import Choice
        from gencsp.runs.objects import chosen

        quick = "-quick" if self.quick else ""
        # What is measured where none is given, the suite says.
        measured = f"-{chosen(self.proposer)}" if "proposer" in self.given else ""
        method = f"-{Choice.read(self.method).name}" if "method" in self.given else ""
        name = file_name(f"bench-{self.suite_name}{quick}{measured}{method}")
        return Path("runs") / name

    @property
    def suite_name(self) -> str:
        """Its name, also of one's own file, without settings."""
        from gencsp.plugins import Choice

        choice = Choice.read(self.suite)
        return Path(choice.name if choice.options else self.suite).stem


class ScoreDeck(Deck):
    """Settings of ``gencsp bench score``; the meaning of each stands in its description."""

    suite: str | None = Field(
        None, description="Suite of proposals whose settings and published rows are taken."
    )
    quick: bool = Field(False, description="Its settings of --quick.")
    truth: Path | None = Field(
        None, description="Known crystals: a file, a folder of files, or a table of CIF texts."
    )
    k: Annotated[tuple[Count, ...] | None, OneOrMany] = Field(
        None, description="How many structures of each crystal count; 1, 5, 20 if not given."
    )
    n: Count | None = Field(
        None, description="Structures of each crystal that are looked at; the suite's, or all."
    )
    matcher: Literal["pymatgen", "cdvae"] | None = Field(
        None, description="Tolerances: pymatgen's own, or stol 0.5, ltol 0.3, 10 degrees."
    )
    by: str | None = Field(
        None, description="Number of info by which they are ordered, too, lowest first: energy, ..."
    )
    relaxed: bool = Field(False, description="The structures are relaxed, whatever they say.")
    relax: bool = Field(False, description="Relax the structures, and measure that, too.")
    compositions: Count | None = Field(None, description="Take so many of the known crystals.")
    potential: PotentialSetting = "chgnet"
    engine: EngineSetting = "auto"
    device: DeviceSetting = "auto"
    workers: ProcessesSetting = 2
    executor: Named = Field("local", description="Where tasks run.")
    out: Path = Field(Path("scored"), description="Folder for the results.")

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.out

    @property
    def suite_name(self) -> str:
        """That of the suite."""
        return NO_SUITE if self.suite is None else Path(self.suite).stem
