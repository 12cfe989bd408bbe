"""The contract of the tasks of suites."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, ClassVar, Self

from gencsp.deck import Deck
from gencsp.runs.candidates import StageProgress
from gencsp.searches.runner import TaskOutput, TaskRunner
from gencsp.store.base import Finished, Manifest, Store
from gencsp.suites.deck import BenchDeck
from gencsp.suites.outcome import Measure, Outcome
from gencsp.suites.suite import Suite

#: Parts under way for each worker.
AHEAD = 2


class SuiteTask(ABC):
    """One suite with the settings of a run, whose inputs are all there.

    Attributes:
        settings_class: the settings that a suite of this task has.
        stage, later_stage: what the progress is called, of the parts and of those that follow.
        folder: of the run, for what a task keeps beside the store; ``None`` where nothing is
            written.
    """

    settings_class: ClassVar[type[Deck]]
    stage: ClassVar[str] = "bench"
    later_stage: ClassVar[str] = "compare"
    folder: Path | None = None

    @classmethod
    @abstractmethod
    def open(cls, suite: Suite, deck: BenchDeck, settings: Any) -> Self:
        """Find and check all inputs.

        Args:
            suite: what is measured.
            deck: of the run.
            settings: of ``settings_class``.

        Raises:
            GencspError: an input is missing or wrong.
        """

    @classmethod
    def measures_of(cls, settings: Any) -> tuple[Measure, ...] | None:  # noqa: ARG003
        """The measures of a suite with these settings; ``None`` where only a run can say."""
        return None

    @abstractmethod
    def identify(self, executor: Executor) -> Manifest:
        """What decides the results, seeds and number of compositions apart.

        Models are loaded once in a worker, for their names.
        """

    @abstractmethod
    def parts(self) -> Mapping[str, Callable[[], TaskOutput]]:
        """The parts of the run by name, independent of each other, in order."""

    def later_parts(
        self,
        results: Callable[[], Mapping[str, Finished]],  # noqa: ARG002
    ) -> Mapping[str, Callable[[], TaskOutput]]:
        """Parts that need the results of the others; none by default.

        Args:
            results: reads those of the others, by name.
        """
        return {}

    @abstractmethod
    def outcome(self, results: Mapping[str, Finished]) -> Outcome:
        """What the results of all parts come to."""

    def irun(self, store: Store, executor: Executor, workers: int) -> Iterator[StageProgress]:
        """Run what the store does not have, step by step.

        A task that is a workflow of its own does so in its own way, in ``folder``, without parts.
        """
        runner = TaskRunner(store, executor, prepare=self.prepare)

        def results() -> Mapping[str, Finished]:
            runner.keep()
            return store.load()

        try:
            yield from self._run(self.stage, self.parts(), runner, workers)
            later = self.later_parts(results)
            if later:
                yield from self._run(self.later_stage, later, runner, workers)
        finally:
            runner.keep()

    def _run(
        self,
        stage: str,
        calls: Mapping[str, Callable[[], TaskOutput]],
        runner: TaskRunner,
        workers: int,
    ) -> Iterator[StageProgress]:
        names, submitted = list(calls), 0
        yield StageProgress(stage=stage, done=0, total=len(names))
        for number, name in enumerate(names):
            while submitted < min(len(names), number + AHEAD * workers):
                runner.submit([names[submitted]], calls[names[submitted]])
                submitted += 1
            note = self.note(runner.result(name))
            runner.release(name)
            yield StageProgress(stage=stage, done=number + 1, total=len(names), note=note)

    def note(self, result: Finished) -> str:  # noqa: ARG002
        """What is said of a part that ended."""
        return ""

    def prepare(self, finished: Finished) -> Finished:
        """A result as it is stored; for what needs more than a worker has."""
        return finished
