"""A store in memory: the reference that the store on disk is tested against."""

from __future__ import annotations

from collections.abc import Mapping

from gencsp.store.base import IDENTITY, Finished, Manifest, portable, set_mark


class MemoryStore:
    """Keeps a run for as long as the process lives; see :class:`gencsp.store.base.Store`."""

    def __init__(self, manifest: Manifest | None = None) -> None:
        self.manifest = dict(manifest or {})
        self._finished: dict[str, Finished] = {}
        self._notes: dict[str, bytes] = {}

    def finish(self, task: str, finished: Finished) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        self._finished.setdefault(task, _copied(finished))

    def finish_all(self, results: Mapping[str, Finished]) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        for task, finished in results.items():
            self.finish(task, finished)

    def get(self, task: str) -> Finished | None:
        """See :class:`~gencsp.store.base.Store`."""
        kept = self._finished.get(task)
        return None if kept is None else _copied(kept)

    def load(self) -> dict[str, Finished]:
        """See :class:`~gencsp.store.base.Store`."""
        return {task: _copied(kept) for task, kept in sorted(self._finished.items())}

    def tasks(self) -> list[str]:
        """See :class:`~gencsp.store.base.Store`."""
        return sorted(self._finished)

    def mark(self, key: str, marks: Mapping[str, str]) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        for finished in self._finished.values():
            for atoms in finished.structures:
                name = str(atoms.info.get(IDENTITY, ""))
                if name in marks:
                    set_mark(atoms.info, key, marks[name])

    def note(self, notes: Mapping[str, bytes]) -> None:
        """See :class:`~gencsp.store.base.Store`."""
        self._notes = {**notes, **self._notes}

    def notes(self) -> dict[str, bytes]:
        """See :class:`~gencsp.store.base.Store`."""
        return dict(self._notes)

    def close(self) -> None:
        """Nothing to let go of."""


def _copied(finished: Finished) -> Finished:
    return Finished(
        structures=tuple(portable(atoms) for atoms in finished.structures),
        failures=dict(finished.failures),
    )
