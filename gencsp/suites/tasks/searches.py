"""Searches for known crystals: relaxations and time until each is found, by method and seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import Any, Self

from pydantic import Field

from gencsp import records
from gencsp.deck import Count, Fmax, Natural
from gencsp.errors import SuiteError
from gencsp.minimise.settings import RelaxSettings
from gencsp.plugins import Choice
from gencsp.runs.objects import chosen
from gencsp.runs.parts import NamedProposer, NamedRelaxer
from gencsp.searches.runner import TaskOutput
from gencsp.searches.strategy import STRATEGIES
from gencsp.store.base import Finished, Manifest
from gencsp.suites.cryspy import CRYSPY, CryspySearcher, cryspy_version
from gencsp.suites.deck import UNSEEDED, BenchDeck
from gencsp.suites.identity import identify
from gencsp.suites.outcome import Measure, Outcome, Row, failures_of
from gencsp.suites.searchers import OwnSearcher, moves_without_model
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.base import SuiteTask
from gencsp.suites.tasks.searching import LOWER, UNRELAXED, Searching, search_for
from gencsp.suites.truths import (
    CrystalSettings,
    Sample,
    seeds_of,
)

#: Names of measures.
KNOWN_OR_LOWER = "known structure or a lower one"
RELAXATIONS = "relaxations until found"
SECONDS = "processor seconds until found"
ABOVE = "energy of the lowest above the known"


class SearchesSettings(CrystalSettings):
    """Settings of suites of searches; the meaning of each stands in its description."""

    budget: Count = Field(100, description="Trials of a search, each of at most one relaxation.")
    marks: tuple[Count, ...] = Field((50, 100), description="Relaxations within which to find.")
    fmax: Fmax = Field(0.1, description="Relaxed when no force exceeds this, eV/Å.")
    steps: Natural = Field(200, description="Most minimiser steps.")
    keep_symmetry: bool = Field(False, description="Keep the symmetry of every start.")
    score_moves: bool = Field(
        False, description="Let hop and genetic make moves with the score model, too."
    )

    @property
    def counted(self) -> tuple[int, ...]:
        """The marks within the budget; else the budget."""
        return tuple(mark for mark in self.marks if mark <= self.budget) or (self.budget,)


class Searches(SuiteTask):
    """Searches for known crystals; see the module."""

    settings_class = SearchesSettings
    stage = "search"

    def __init__(
        self,
        settings: SearchesSettings,
        deck: BenchDeck,
        sample: Sample,
    ) -> None:
        self.settings = settings
        self.deck = deck
        self.sample = sample
        self.crystals = sample.crystals
        self.relax = RelaxSettings(
            fmax=settings.fmax, steps=settings.steps, keep_symmetry=settings.keep_symmetry
        )
        self.relaxer = NamedRelaxer(deck.engine, chosen(deck.potential), deck.device)
        self.searcher = self._searcher()

    @classmethod
    def open(cls, suite: Suite, deck: BenchDeck, settings: Any) -> Self:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        sample = Sample.take(
            suite, deck.truth, lambda every: settings.part_of(every, deck.compositions)
        )
        task = cls(settings, deck, sample)
        if isinstance(task.searcher, OwnSearcher):
            # So that a method or a proposer that cannot work is known before anything is computed.
            task.searcher.plan(task.crystals[0], seed=0)
        return task

    @property
    def method(self) -> str:
        """The method, with its options."""
        return str(STRATEGIES.choose(self.deck.method))

    @property
    def seeded(self) -> bool:
        """Whether a proposer seeds the searches."""
        return isinstance(self.searcher, OwnSearcher) and self.deck.proposer != UNSEEDED

    @classmethod
    def measures_of(cls, settings: SearchesSettings) -> tuple[Measure, ...]:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        return (
            *(Measure(name=within(mark), kind="share") for mark in settings.counted),
            Measure(name=KNOWN_OR_LOWER, kind="share"),
            Measure(name=RELAXATIONS, kind="median", better="lower"),
            Measure(name=SECONDS, kind="median", unit="s", better="lower"),
            Measure(name=ABOVE, kind="median", unit="eV/atom", better="lower"),
        )

    def identify(self, executor: Executor) -> Manifest:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        elements = {s for one in self.crystals for s in one.atoms.get_chemical_symbols()}
        choice = chosen(self.deck.proposer) if self.seeded else Choice("random")
        proposer = NamedProposer(choice, device=self.deck.device)
        named = identify(executor, proposer, self.relaxer, tuple(sorted(elements)))
        unseeded = {"proposer": UNSEEDED, "proposer_name": UNSEEDED}
        if isinstance(self.searcher, OwnSearcher):
            method = self.method
        else:
            method = f"{self.searcher.kind} {cryspy_version(executor, self.searcher.client)}"
        return {
            "truths": self.sample.digest,
            "time_limit": self.deck.time_limit,
            "method": method,
            **named,
            **({} if self.seeded else unseeded),
        }

    def parts(self) -> Mapping[str, Callable[[], TaskOutput]]:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`: a crystal with a seed is a part."""
        how = Searching(searcher=self.searcher, relaxer=self.relaxer, relax=self.relax)
        return {
            one.part(seed): partial(search_for, how, one, seed=seed)
            for seed, one in seeds_of(self.crystals, self.deck.seeds)
        }

    def note(self, result: Finished) -> str:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        if not result.structures:
            return "nothing relaxed"
        info = result.structures[0].info
        after = info.get(records.FOUND_AFTER)
        found = "not found" if after is None else f"found after {after}"
        return f"{info[records.KNOWN_CRYSTAL]} {found}"

    def outcome(self, results: Mapping[str, Finished]) -> Outcome:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        return Outcome(
            measures=self.measures_of(self.settings),
            rows=tuple(
                Row(key=one.key, seed=seed, values=dict(self._values(results[one.part(seed)])))
                for seed, one in seeds_of(self.crystals, self.deck.seeds)
            ),
            sample_size={
                "known crystals": len(self.crystals),
                "relaxations of a search, at most": self.settings.budget,
                "seeds": self.deck.seeds,
            },
            protocol={
                "known crystals": self.sample.described,
                "given": "composition and number of atoms of the known cell",
                "found": "once pymatgen's StructureMatcher at its defaults takes a relaxed "
                "structure for the known crystal, as it is or relaxed in its symmetry by the same "
                "potential",
                "lower": f"by more than {LOWER} eV/atom than the known crystal so relaxed",
                "median": "of all searches; one that found nothing counts as more than all others",
                "seconds": "of the processor, for proposals, relaxations and the books of the "
                "search; not for models that load once, nor for the comparison with what is known",
            },
            failures=failures_of(results),
        )

    def _searcher(self) -> OwnSearcher | CryspySearcher:
        settings, deck = self.settings, self.deck
        choice = Choice.read(deck.method)
        if choice.name in CRYSPY:
            if deck.given.get("proposer", UNSEEDED) != UNSEEDED:
                raise SuiteError(
                    "CrySPY makes its own first structures: leave out --proposer, or give "
                    f"--proposer {UNSEEDED}."
                )
            return CryspySearcher.of(
                choice, relaxer=self.relaxer, relax=self.relax, budget=settings.budget
            )
        return OwnSearcher(
            settings={
                "method": deck.method,
                "moves": None if settings.score_moves else moves_without_model(deck.method),
                "seeds": () if deck.proposer == UNSEEDED else (deck.proposer,),
                "budget": settings.budget,
                "fmax": settings.fmax,
                "steps": settings.steps,
                "keep_symmetry": settings.keep_symmetry,
                "engine": deck.engine,
                "device": deck.device,
                "potential": deck.potential,
            },
            limit=deck.time_limit,
        )

    def _values(self, finished: Finished) -> Iterator[tuple[str, float | None]]:
        """What one search comes to, by the names of measures; one of no structures counts, too."""
        info = finished.structures[0].info if finished.structures else {}
        found = records.number(info, records.FOUND_AFTER)
        for mark in self.settings.counted:
            yield within(mark), float(found is not None and found <= mark)
        yield KNOWN_OR_LOWER, float(found is not None or records.LOWER_AFTER in info)
        yield RELAXATIONS, found
        seconds = records.number(info, records.PROCESSOR_SECONDS)
        yield SECONDS, None if found is None else seconds
        if UNRELAXED not in finished.failures:
            yield ABOVE, records.number(info, records.ENERGY_ABOVE_KNOWN)


def within(mark: int) -> str:
    """Name of the share of searches that find the crystal within so many relaxations."""
    return f"found within {mark} relaxations"
