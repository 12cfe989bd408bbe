"""Proposals of compositions whose crystals are known: match rates at k, as proposed and relaxed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, Self

from ase import Atoms
from pydantic import Field

from gencsp import records
from gencsp.deck import Count, Fmax, Natural
from gencsp.measure.reliability import calibration_error, reliability
from gencsp.minimise.settings import RelaxSettings
from gencsp.runs.objects import chosen
from gencsp.runs.parts import NamedProposer, NamedRelaxer
from gencsp.searches.runner import TaskOutput
from gencsp.similarity.matching import Tolerances
from gencsp.store.base import Finished, Manifest
from gencsp.suites.checked_proposer import CheckedMaker
from gencsp.suites.deck import BenchDeck
from gencsp.suites.identity import identify
from gencsp.suites.matching_rates import (
    AS_PROPOSED,
    BY_ENERGY,
    MATCHERS,
    RELAXED,
    Look,
    MatcherName,
    MatchingRates,
)
from gencsp.suites.outcome import CONFIDENCE, Measure, Outcome, Row, failures_of
from gencsp.suites.polymorphs import Made
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.base import SuiteTask
from gencsp.suites.tasks.proposing import Trying, propose_and_match
from gencsp.suites.truths import CrystalSettings, Sample, seeds_of

#: How far from the share of first proposals that match what these say of it lies, where they do.
CALIBRATION = Measure(
    name="calibration error of the first confidence", kind="whole", better="lower"
)
#: What proposals cost.
COST = Measure(name="processor seconds of a proposal", kind="mean", unit="s", better="lower")


class ProposalsSettings(CrystalSettings):
    """Settings of suites of proposals; the meaning of each stands in its description."""

    n: Count = Field(20, description="Proposals for each composition.")
    k: tuple[Count, ...] = Field((1, 5, 20), description="How many of them count.")
    matcher: MatcherName = Field(
        "pymatgen", description="Tolerances: pymatgen's own, or stol 0.5, ltol 0.3, 10 degrees."
    )
    relaxed: bool = Field(True, description="Relax the proposals, too.")
    rms: bool = Field(False, description="Report RMSE, too.")
    polymorphs: bool = Field(False, description="Report METRe and cRMSE, too.")
    unique: bool = Field(False, description="Leave out known crystals that match one before.")
    fmax: Fmax = Field(0.1, description="Relaxed when no force exceeds this, eV/Å.")
    steps: Natural = Field(200, description="Most minimiser steps.")

    @property
    def counted(self) -> tuple[int, ...]:
        """The numbers of proposals that count, of which there are as many."""
        return tuple(k for k in self.k if k <= self.n) or (self.n,)

    def rates(self, looks: tuple[Look, ...]) -> MatchingRates:
        """What is measured, of structures looked at in these ways."""
        return MatchingRates(
            looks=looks,
            k=self.counted,
            tolerances=MATCHERS[self.matcher],
            rms=self.rms,
            polymorphs=self.polymorphs,
        )

    def proposal_rates(self) -> MatchingRates:
        """What is measured of a proposer."""
        return self.rates((AS_PROPOSED, RELAXED, BY_ENERGY) if self.relaxed else (AS_PROPOSED,))

    @property
    def copies(self) -> Tolerances | None:
        """See :class:`~gencsp.suites.truths.CrystalSettings`."""
        return MATCHERS[self.matcher] if self.unique else None


class Proposals(SuiteTask):
    """Match rates of proposals; see the module."""

    settings_class = ProposalsSettings
    stage = "propose"

    def __init__(
        self,
        settings: ProposalsSettings,
        deck: BenchDeck,
        sample: Sample,
    ) -> None:
        self.settings = settings
        self.deck = deck
        self.sample = sample
        self.crystals = sample.crystals
        self.proposer = NamedProposer(chosen(deck.proposer), device=deck.device)
        self.relaxer = NamedRelaxer(deck.engine, chosen(deck.potential), deck.device)

    @classmethod
    def open(cls, suite: Suite, deck: BenchDeck, settings: Any) -> Self:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        sample = Sample.take(
            suite, deck.truth, lambda every: settings.part_of(every, deck.compositions)
        )
        return cls(settings, deck, sample)

    @classmethod
    def measures_of(cls, settings: ProposalsSettings) -> tuple[Measure, ...]:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        return (*settings.proposal_rates().measures(), CALIBRATION, COST)

    def identify(self, executor: Executor) -> Manifest:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        elements = {s for one in self.crystals for s in one.atoms.get_chemical_symbols()}
        return {
            "truths": self.sample.digest,
            "time_limit": self.deck.time_limit,
            **identify(
                executor,
                self.proposer,
                self.relaxer if self.settings.relaxed else None,
                tuple(sorted(elements)),
            ),
        }

    def parts(self) -> Mapping[str, Callable[[], TaskOutput]]:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`: a crystal with a seed is a part."""
        settings = self.settings
        how = Trying(
            proposer=CheckedMaker(self.proposer, self.deck.time_limit),
            relaxer=self.relaxer if settings.relaxed else None,
            relax=RelaxSettings(fmax=settings.fmax, steps=settings.steps),
            n=settings.n,
            tolerances=MATCHERS[settings.matcher],
        )
        return {
            one.part(seed): partial(propose_and_match, how, one, seed=seed)
            for seed, one in seeds_of(self.crystals, self.deck.seeds)
        }

    def later_parts(
        self, results: Callable[[], Mapping[str, Finished]]
    ) -> Mapping[str, Callable[[], TaskOutput]]:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`: those of polymorphs."""
        if not self.settings.polymorphs:
            return {}
        return self.settings.proposal_rates().polymorph_parts(self.crystals, self._made(results()))

    def note(self, result: Finished) -> str:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        if not result.structures:
            return ""
        info = result.structures[0].info
        known = info.get(records.KNOWN_CRYSTAL, info.get(records.COMPARED_WITH, ""))
        matched = any(records.RMS_TO_KNOWN in atoms.info for atoms in result.structures)
        return f"{known} {'found' if matched else 'not found'}"

    def outcome(self, results: Mapping[str, Finished]) -> Outcome:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        rates = self.settings.proposal_rates()
        structures = self._made(results)
        rows = [
            Row(key=key, seed=seed, values={**dict(rates.values(made)), COST.name: _seconds(made)})
            for (key, seed), made in structures.items()
        ]
        rows = rates.with_polymorphs(rows, structures, results)
        confident = _first_confidences(structures)
        return Outcome(
            measures=self.measures_of(self.settings),
            rows=tuple(rows),
            sample_size={
                "known crystals": len(self.crystals),
                "proposals of each": self.settings.n,
                "seeds": self.deck.seeds,
            },
            protocol={
                "known crystals": self.sample.described,
                "given": "composition and number of atoms of the known cell",
                "matcher": self.settings.matcher,
            },
            failures=failures_of(results),
            **_calibration(*confident),
        )

    def _made(self, results: Mapping[str, Finished]) -> Made:
        """What was made for each crystal with each seed."""
        return {
            (one.key, seed): results[one.part(seed)].structures
            for seed, one in seeds_of(self.crystals, self.deck.seeds)
        }


def _first_confidences(made: Made) -> tuple[list[float], list[bool]]:
    """What the first proposal for each crystal says of itself, and whether it matches."""
    said, right = [], []
    for structures in made.values():
        for atoms in AS_PROPOSED.ordered(structures)[:1]:
            confidence = records.number(atoms.info, records.CONFIDENCE)
            if confidence is not None:
                said.append(confidence)
                right.append(records.RMS_TO_KNOWN in atoms.info)
    return said, right


def _calibration(said: Sequence[float], right: Sequence[bool]) -> dict[str, Any]:
    """The table and the number of an outcome; nothing where nothing was said."""
    error = calibration_error(said, right)
    if error is None:
        return {}
    number = {"value": error, "low": None, "high": None, "n": len(said)}
    return {
        "tables": {CONFIDENCE: reliability(said, right)},
        "wholes": {CALIBRATION.name: number},
    }


def _seconds(structures: Sequence[Atoms]) -> float | None:
    """Mean processor time of proposals; ``None`` where there is none."""
    spent = [records.number(atoms.info, records.PROCESSOR_SECONDS) for atoms in structures]
    known = [one for one in spent if one is not None]
    return sum(known) / len(known) if known else None
