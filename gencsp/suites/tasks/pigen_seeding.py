"""Searches seeded with generated structures against searches of composition alone (PIGEN).

Extended Data Table 3: a workflow of its own, that of ``gencsp synergy``, once with each seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import Field

from gencsp.deck import Count, Deck, Fmax, Natural, NonNegative
from gencsp.errors import SuiteError
from gencsp.measure.synergy import Comparison
from gencsp.runs.candidates import StageProgress
from gencsp.runs.discover_decks import FILTERED, MODELS, SynergyDeck
from gencsp.runs.novelty import NEW_FRAMEWORK
from gencsp.runs.objects import Named
from gencsp.runs.synergy import Synergy, open_synergy
from gencsp.runs.synergy_model import ModelResult
from gencsp.searches.runner import TaskOutput
from gencsp.store.base import Finished, Manifest, Store
from gencsp.suites.deck import BenchDeck
from gencsp.suites.generator import POOL, generator_of
from gencsp.suites.outcome import Measure, Outcome, Row
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.base import SuiteTask

#: Trials after which the mean of the lowest energies is recorded.
AFTER = (10, 20, 50, 100, 200, 500, 1000)
#: What stands for the compositions of all models together.
ALL = "all"
HALVES = {True: "filtered", False: "unfiltered"}
#: Measures of all compositions, beside the columns.
BELOW = "searches end below the generated structure"
HIGHER = "seeded search ends higher"
REBUILT = "lowest structure is not the generated one"


class SeedingSettings(Deck):
    """Settings of the suite; the meaning of each stands in its description."""

    models: tuple[str, ...] = Field(
        MODELS, description="Targets such as m_led=9,compactness=0.7; plain for none."
    )
    n: Count = Field(40, description="Compositions of each model: half filtered, half not.")
    generate: Count = Field(2000, description="Most structures to generate for each model.")
    guidance: NonNegative = Field(2.0, description="Pull towards targets.")
    filters: tuple[Named, ...] = Field(FILTERED, description="Filters of the filtered half.")
    method: Named = Field("hop", description="How to search.")
    budget: Count = Field(100, description="Trials of each search.")
    patience: Count | None = Field(None, description="Trials without a new minimum.")
    fmax: Fmax = Field(0.05, description="Relaxed when no force exceeds this, eV/Å.")
    steps: Natural = Field(200, description="Most minimiser steps.")


class PigenSeeding(SuiteTask):
    """Seeded against unseeded searches; see the module."""

    settings_class = SeedingSettings
    stage = "search"

    def __init__(self, settings: SeedingSettings, deck: BenchDeck, first: Synergy) -> None:
        self.settings = settings
        self.deck = deck
        self.first = first
        self.results: list[tuple[int, ModelResult]] = []

    @classmethod
    def open(cls, suite: Suite, deck: BenchDeck, settings: Any) -> Self:  # noqa: ARG003
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        if deck.executor != "local":
            raise SuiteError("searches of this suite run in local workers: leave out --executor.")
        generator = generator_of(deck)
        files = isinstance(generator, Path)
        whole = SynergyDeck.make(
            model=(str(generator),) if files else settings.models,
            proposer="pigen" if files else generator,
            n=deck.compositions or settings.n,
            method=deck.method if "method" in deck.given else settings.method,
            **{name: getattr(settings, name) for name in _SAME},
            **{
                name: getattr(deck, name)
                for name in ("potential", "engine", "device", "workers", "weights")
            },
        )
        return cls(settings, deck, open_synergy(whole))

    def identify(self, executor: Executor) -> Manifest:  # noqa: ARG002
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`; the models were loaded before."""
        manifests = list(self.first.manifests.values())
        different = ("kind", "format", "n", "seed", "generator", "generator_model")
        return {
            **{key: value for key, value in manifests[0].items() if key not in different},
            "proposer": ", ".join(
                map(str, (POOL if m.files else m.text for m in self.first.sources))
            ),
            "generators": [str(one["generator"]) for one in manifests],
            "generator_models": [str(one["generator_model"]) for one in manifests],
            "method": str(self.first.deck.method),
        }

    def parts(self) -> Mapping[str, Callable[[], TaskOutput]]:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`: there are none."""
        return {}

    def irun(self, store: Store, executor: Executor, workers: int) -> Iterator[StageProgress]:  # noqa: ARG002
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`: the runs of one seed after another."""
        self.results = []
        for seed in range(self.deck.seeds):
            run = self._of_seed(seed, executor)
            yield from run.irun()
            self.results += [(seed, result) for result in run.results]

    def outcome(self, results: Mapping[str, Finished]) -> Outcome:  # noqa: ARG002
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`; after :meth:`irun`."""
        compared = [
            (seed, replace(one.comparison, model=_model(result)))
            for seed, result in self.results
            for one in result.compared
        ]
        names = list(dict.fromkeys(_name(one) for _, one in compared))
        return Outcome(
            measures=tuple(_measures(names)),
            rows=tuple(row for seed, one in compared for row in _rows(seed, one)),
            sample_size={
                "compositions of each model": self.first.deck.n,
                "seeds": self.deck.seeds,
            },
            protocol={
                "columns": "as gencsp.measure.synergy.Columns defines them",
                "method": str(self.first.deck.method),
                "missing": {
                    f"{_model(result)}, seed {seed}": result.missing
                    for seed, result in self.results
                },
            },
            tables={
                "traces": {
                    name: traces([one for _, one in compared if _name(one) == name])
                    for name in names
                },
                "generated": {
                    f"{_model(result)}, seed {seed}": {
                        "structures": result.generated,
                        **result.summary.as_dict(),
                    }
                    for seed, result in self.results
                },
            },
        )

    def _of_seed(self, seed: int, executor: Executor) -> Synergy:
        """The runs of all models with one seed; all inputs are those that were checked."""
        out = None if self.folder is None else self.folder / f"seed-{seed}"
        return Synergy(
            self.first.deck.model_copy(update={"seed": seed, "out": out}),
            parts=self.first.parts,
            sources=self.first.sources,
            manifests={m: {**one, "seed": seed} for m, one in self.first.manifests.items()},
            in_memory=out is None,
            executor=executor,
        )


#: Settings that the deck of ``gencsp synergy`` has by the same names.
_SAME = ("generate", "guidance", "filters", "budget", "patience", "fmax", "steps")


def traces(some: Sequence[Comparison]) -> list[dict[str, float]]:
    """Mean of the lowest energy so far above the lowest of both searches, meV/atom (Fig. 5).

    Of the compositions where both searches have a structure by then.
    """
    longest = max((max(one.seeded.trials, one.unseeded.trials) for one in some), default=0)
    found = []
    for trials in [n for n in AFTER if n < longest] + [longest]:
        pairs = np.array(
            [
                [one.seeded.lowest_after(trials), one.unseeded.lowest_after(trials)]
                - np.array(one.found)
                for one in some
                if np.isfinite(one.found)
            ]
        ).reshape(-1, 2)
        pairs = pairs[np.isfinite(pairs).all(axis=1)]
        if len(pairs):
            seeded, unseeded = 1000 * pairs.mean(axis=0)
            found.append(
                {
                    "trials": trials,
                    "compositions": len(pairs),
                    "seeded": float(seeded),
                    "unseeded": float(unseeded),
                }
            )
    return found


def _measures(names: Sequence[str]) -> Iterator[Measure]:
    for name in (*names, ALL):
        yield Measure(name=f"{name}: a", kind="share", better="")
        yield Measure(name=f"{name}: b", kind="share")
        for column in "cd":
            yield Measure(name=f"{name}: {column}", kind="mean", unit="meV/atom", better="")
        yield Measure(name=f"{name}: e", kind="share")
        yield Measure(name=f"{name}: f", kind="share", better="lower")
    yield Measure(name=BELOW, kind="share", better="")
    yield Measure(name=HIGHER, kind="share", better="lower")
    yield Measure(name=REBUILT, kind="share", better="")
    for half in HALVES.values():
        yield Measure(name=_new(half), kind="share")


def _rows(seed: int, one: Comparison) -> Iterator[Row]:
    """Those of one composition: a second one where both searches end above what was generated."""
    key = f"{_name(one)}, {one.formula}"
    columns: dict[str, float | None] = {
        "a": float(one.remains_lowest),
        "b": float(one.seeding_helps),
        "c": None if one.gain is None else 1000 * one.gain,
        "e": float(one.best_start),
        "f": float(one.generated is None),
    }
    both = {f"{who}: {c}": v for who in (_name(one), ALL) for c, v in columns.items()}
    beside = {
        BELOW: float(not one.remains_lowest),
        HIGHER: float(one.seeding_harms),
        REBUILT: float(not one.unchanged),
        _new(HALVES[one.filtered]): float(one.novelty == NEW_FRAMEWORK),
    }
    yield Row(key=key, seed=seed, values={**both, **beside})
    for number, above in enumerate(one.deficits, start=1):
        deficit = {f"{who}: d": 1000 * above for who in (_name(one), ALL)}
        yield Row(key=f"{key}, search {number}", seed=seed, values=deficit)


def _new(half: str) -> str:
    return f"seeded search ends in a new framework, {half}"


def _name(one: Comparison) -> str:
    return f"{one.model}, {HALVES[one.filtered]}"


def _model(result: ModelResult) -> str:
    return POOL if result.model.files else result.model.text
