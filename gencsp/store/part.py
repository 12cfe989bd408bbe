"""A part of a store: the tasks of one of several compositions that share a run."""

from __future__ import annotations

from collections.abc import Mapping

from gencsp.store.base import Finished, Store


class StorePart:
    """The tasks of a store whose numbers lie in a range; see :class:`gencsp.store.base.Store`.

    The number of a task is what follows its first hyphen: 7 of ``relaxed-0007`` and of
    ``refined-0007.4``. What is written goes to the whole store.

    Args:
        whole: the store.
        first: first number of the part.
        n: how many numbers it has.
    """

    def __init__(self, whole: Store, *, first: int, n: int) -> None:
        self.whole = whole
        self.numbers = range(first, first + n)

    def finish(self, task: str, finished: Finished) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        self.whole.finish(task, finished)

    def finish_all(self, results: Mapping[str, Finished]) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        self.whole.finish_all(results)

    def get(self, task: str) -> Finished | None:
        """See :class:`~gencsp.store.base.Store`."""
        return self.whole.get(task)

    def load(self) -> dict[str, Finished]:
        """Those of the part, see :class:`~gencsp.store.base.Store`."""
        return {task: one for task, one in self.whole.load().items() if self._holds(task)}

    def tasks(self) -> list[str]:
        """Those of the part, see :class:`~gencsp.store.base.Store`."""
        return [task for task in self.whole.tasks() if self._holds(task)]

    def mark(self, key: str, marks: Mapping[str, str]) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        self.whole.mark(key, marks)

    def note(self, notes: Mapping[str, bytes]) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        self.whole.note(notes)

    def notes(self) -> dict[str, bytes]:
        """Those of the whole store, see :class:`~gencsp.store.base.Store`."""
        return self.whole.notes()

    def close(self) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        self.whole.close()

    def _holds(self, task: str) -> bool:
        number = task.partition("-")[2].partition(".")[0]
        return number.isdecimal() and int(number) in self.numbers
