"""Workers that load what they need while the program that needs them still loads itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from gencsp.executors.local import LocalProcesses


@contextmanager
def early_executor(
    given: str | Mapping[str, Any], *, workers: int, modules: Sequence[str]
) -> Iterator[Executor | None]:
    """Local processes of which the first begins to load at once.

    They are ended at once, too: a command that is done, or that found an error in its input, waits
    for nothing that is still being loaded or made ahead.

    Args:
        given: the executor, as :func:`gencsp.executors.named.open_executor` takes it.
        workers: processes of one thread each.
        modules: what the first worker imports.

    Yields:
        The executor; ``None`` for others than ``local``, which are opened when they are needed.

    Raises:
        ExecutorError: as :class:`~gencsp.executors.local.LocalProcesses`.
    """
    if given != "local":
        yield None
        return
    executor = LocalProcesses(workers)
    try:
        executor.submit(_load, tuple(modules))
        yield executor
    finally:
        executor.abandon()


def _load(modules: tuple[str, ...]) -> None:
    for name in modules:
        import_module(name)
