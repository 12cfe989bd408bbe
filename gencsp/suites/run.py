"""A suite run from a deck: opened, gone on with, recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

from gencsp.measure.record import record
from gencsp.measure.reliability import draw_reliability
from gencsp.plugins import Choice
from gencsp.runs.candidates import StageProgress
from gencsp.runs.objects import carried, chosen
from gencsp.runs.parts import run_executor
from gencsp.runs.status import BENCH_KIND
from gencsp.store import DiskStore, MemoryStore, Store
from gencsp.store.base import Manifest
from gencsp.suites.deck import BenchDeck, ScoreDeck
from gencsp.suites.outcome import CONFIDENCE, INTERVALS, Outcome
from gencsp.suites.suite import Suite
from gencsp.suites.tasks import task_class
from gencsp.suites.tasks.base import SuiteTask

#: The record of a run, in its folder.
RESULT = "bench.json"
#: What the record names as the program.
PROGRAM = "gencsp bench"
FORMAT = 1


class Bench:
    """A run of a suite; make one with :func:`open_bench`.

    Args:
        suite: what is measured.
        deck: the settings, also of what is scored.
        task: of the suite, with its inputs.
        manifest: what decides the results.
        store: of the run.
        executor: where its parts run.
        files: names of those that are scored.
    """

    def __init__(
        self,
        suite: Suite,
        deck: BenchDeck | ScoreDeck,
        task: SuiteTask,
        *,
        manifest: Manifest,
        store: Store,
        executor: Executor,
        files: Sequence[str] = (),
    ) -> None:
        self.suite = suite
        self.deck = deck
        self.task = task
        self.manifest = manifest
        self.store = store
        self.executor = executor
        self.files = files

    def irun(self) -> Iterator[StageProgress]:
        """Run what the folder does not have yet, step by step.

        Raises:
            StoreError, WorkerError: as :class:`~gencsp.searches.runner.TaskRunner`.
            GencspError: whatever a proposer or a potential raises.
        """
        yield from self.task.irun(self.store, self.executor, self.deck.workers)

    def outcome(self) -> Outcome:
        """What came of it; of a run that has ended."""
        finished = self.store.load()
        names = (*self.task.parts(), *self.task.later_parts(lambda: finished))
        return self.task.outcome({name: finished[name] for name in names})

    def write(self, outcome: Outcome, path: Path) -> Path:
        """Write the record of the run, and its figure where it has one; returns the record's path.

        Where proposals say how sure they are, ``reliability`` beside it compares that with how
        often they are right.
        """
        if CONFIDENCE in outcome.tables:
            draw_reliability(outcome.tables[CONFIDENCE], path.with_name("reliability"))
        return record(
            path,
            program=PROGRAM,
            command=command_of(self.deck, self.files),
            measured=f"{self.suite.title}: {', '.join(one.name for one in outcome.measures)}",
            sample_size=outcome.sample_size,
            seed=list(range(self.deck.seeds)) if isinstance(self.deck, BenchDeck) else None,
            intervals=INTERVALS,
            protocol={
                "suite": self.deck.suite_name,
                "about": self.suite.about,
                "run": dict(self.manifest),
                **outcome.protocol,
            },
            results={
                "measures": outcome.numbers(),
                "kinds": {one.name: one.kind for one in outcome.measures},
                "units": {one.name: one.unit for one in outcome.measures},
                "better": {one.name: one.better for one in outcome.measures},
                "failures": outcome.failures,
                **outcome.tables,
                "published": [one.model_dump() for one in self.suite.published],
                "rows": [
                    {"key": row.key, "seed": row.seed, "values": row.values} for row in outcome.rows
                ],
            },
        )


def command_of(deck: BenchDeck | ScoreDeck, files: Sequence[str] = ()) -> str:
    """The command that does what a deck says; of files only the names.

    Args:
        deck: of a run, or of a score.
        files: that are scored.
    """
    run = isinstance(deck, BenchDeck)
    words = [PROGRAM, *([_suite(deck.suite)] if isinstance(deck, BenchDeck) else ["score", *files])]
    given = deck.given
    for name in filter(given.__contains__, type(deck).model_fields):
        value = given[name]
        if (name == "suite" and run) or name == "out" or value is None or value is False:
            continue
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words.append(Path(value).name if isinstance(value, Path) else _text(value))
    return " ".join(words)


def _suite(suite: str) -> str:
    """A suite without the folder of its file, with its settings, as a shell takes it."""
    choice = Choice.read(suite)
    return quote(str(replace(choice, name=Path(choice.name).name)))


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    text = str(chosen(value)) if isinstance(value, str | dict) else str(value)
    return text.rpartition("/")[2]


@contextmanager
def open_bench(
    deck: BenchDeck, *, in_memory: bool = False, executor: Executor | None = None
) -> Iterator[Bench]:
    """A run ready to begin or to go on: its inputs are checked, its folder is locked.

    Args:
        deck: the settings.
        in_memory: write nothing.
        executor: where tasks run, which the caller opens and closes; ``None`` opens the one that
            the deck names.

    Raises:
        SuiteError: there is no such suite, or its known crystals are not there.
        StoreError: the folder holds another run, or cannot be written.
        GencspError: a proposer, method or potential that is not there, or whose model is missing.
    """
    suite = Suite.open(deck.suite)
    kind = task_class(suite.task)
    settings = kind.settings_class.make(**{**suite.settings, **(suite.quick if deck.quick else {})})
    task = kind.open(suite, deck, settings)
    with run_executor(
        carried(dict(deck)), deck.executor, workers=deck.workers, opened=executor
    ) as own:
        manifest = {
            "kind": BENCH_KIND,
            "format": FORMAT,
            "task": suite.task,
            "settings": json.dumps(settings.model_dump(mode="json"), sort_keys=True),
            **task.identify(own),
        }
        if in_memory:
            yield Bench(suite, deck, task, manifest=manifest, store=MemoryStore(), executor=own)
            return
        task.folder = deck.folder
        with DiskStore(deck.folder, manifest) as store:
            yield Bench(suite, deck, task, manifest=manifest, store=store, executor=own)


def bench(deck: BenchDeck | None = None, **settings: Any) -> Outcome:
    """Run a suite: ``bench(suite="cspbench", proposer=my_proposer, truth=path)``.

    With ``out`` every result is in that folder at once, the same call goes on where an earlier one
    was stopped, and the record is written to ``bench.json``; without it nothing is written.

    Args:
        deck: whole settings; or give them one by one.
        settings: fields of :class:`~gencsp.suites.deck.BenchDeck`; beside a deck they take the
            place of what it says.

    Raises:
        GencspError: as :func:`open_bench` and :meth:`Bench.irun`.
    """
    whole = BenchDeck.make(**{**({} if deck is None else deck.given), **settings})
    with open_bench(whole, in_memory=whole.out is None) as run:
        for _ in run.irun():
            pass
        outcome = run.outcome()
        if whole.out is not None:
            run.write(outcome, whole.out / RESULT)
    return outcome


__all__ = ["RESULT", "Bench", "bench", "open_bench"]
