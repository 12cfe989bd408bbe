"""Executors by name: local processes, Dask and Parsl, all ``concurrent.futures.Executor``.

``local`` starts worker processes here. ``dask`` and ``parsl`` are extras: ``dask:ADDRESS`` joins a
running scheduler, ``parsl:FILE`` reads a Python file whose ``config`` is a ``parsl.Config``;
without an address or a file both start a cluster of local processes.
"""

from __future__ import annotations

import runpy
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from pydantic import Field

from gencsp.errors import ExecutorError
from gencsp.executors.local import DEATHS, THREAD_VARIABLES, LocalProcesses, one_thread
from gencsp.plugins import Configured, Registry

#: Environment of a worker that starts as a separate program, set before it loads anything.
ONE_THREAD = "; ".join(f"export {variable}=1" for variable in THREAD_VARIABLES)

#: How often Parsl begins a task again.
RETRIES = DEATHS - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorContext:
    """What a run needs of its executor.

    Attributes:
        workers: processes of one thread each, where they are started here.
    """

    workers: int


class ConfiguredExecutor(Configured):
    """Base of the options of executors; ``build`` gives a context that opens and closes one."""

    kind: ClassVar[str] = "executor"

    def build(self, context: ExecutorContext) -> AbstractContextManager[Executor]:
        """The executor for as long as the context lasts."""
        raise NotImplementedError


#: All executors, by name.
EXECUTORS: Registry[AbstractContextManager[Executor]] = Registry(
    "gencsp.executors", kind="executor", contract=AbstractContextManager, error=ExecutorError
)


def open_executor(
    given: str | Mapping[str, Any], *, workers: int
) -> AbstractContextManager[Executor]:
    """An executor for as long as the context lasts.

    Args:
        given: ``local``, ``dask``, ``dask:ADDRESS``, ``parsl``, ``parsl:FILE``, one of another
            package, or a table with ``name`` and options.
        workers: processes of one thread each, where they are started here.

    Raises:
        ExecutorError: there is no such executor, its package is missing, or it cannot start.
    """
    return EXECUTORS.make(given, context=ExecutorContext(workers=workers))


class Local(ConfiguredExecutor):
    """Worker processes here."""

    name = "local"

    def build(self, context: ExecutorContext) -> LocalProcesses:
        """See :class:`ConfiguredExecutor`."""
        return LocalProcesses(context.workers)


class Dask(ConfiguredExecutor):
    """Dask, at a scheduler that runs, or with processes of its own here."""

    name = "dask"
    main = "address"
    executes = ("address",)

    address: str = Field(
        default="", description="Of a running scheduler; starts processes here if unset."
    )

    def build(self, context: ExecutorContext) -> AbstractContextManager[Executor]:
        """See :class:`ConfiguredExecutor`."""
        return contextmanager(_dask)(self.address, context.workers)


class Parsl(ConfiguredExecutor):
    """Parsl, by a configuration file, or with processes here."""

    name = "parsl"
    main = "file"
    executes = ("file",)

    file: str = Field(
        default="",
        description="Python file whose 'config' is a parsl.Config; starts processes if unset.",
    )

    def build(self, context: ExecutorContext) -> AbstractContextManager[Executor]:
        """See :class:`ConfiguredExecutor`."""
        return contextmanager(_parsl)(self.file, context.workers)


def _dask(address: str, workers: int) -> Iterator[Executor]:
    distributed = _package("distributed", "dask")
    try:
        if address:
            client = distributed.Client(address, timeout=10)
        else:
            cluster = distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None
            )
            client = distributed.Client(cluster)
    except (OSError, ValueError, RuntimeError) as error:
        raise ExecutorError(f"Dask cannot start or be reached ({error}).") from error
    with client:
        # Also on workers that come later, in the place of dead ones.
        client.register_worker_callbacks(setup=one_thread)
        executor: Executor = client.get_executor(pure=False)
        yield executor
    if not address:
        cluster.close()


def _parsl(file: str, workers: int) -> Iterator[Executor]:
    parsl = _package("parsl", "parsl")
    concurrent = _package("parsl.concurrent", "parsl")
    if file:
        if not Path(file).exists():
            raise ExecutorError(f"there is no Parsl configuration {file}.")
        try:
            found = runpy.run_path(file)
        except Exception as error:  # a configuration is a program: anything can be
            raise ExecutorError(f"{file} cannot be run ({error}).") from error
        if not isinstance(found.get("config"), parsl.Config):
            raise ExecutorError(f"{file} sets no 'config' that is a parsl.Config.")
        config = found["config"]
    else:
        executors = _package("parsl.executors", "parsl")
        providers = _package("parsl.providers", "parsl")
        config = parsl.Config(
            executors=[
                executors.HighThroughputExecutor(
                    label="gencsp",
                    max_workers_per_node=workers,
                    provider=providers.LocalProvider(
                        init_blocks=1, max_blocks=1, worker_init=ONE_THREAD
                    ),
                    # Parsl notices a dead worker no sooner than this, in seconds.
                    heartbeat_period=2,
                    heartbeat_threshold=60,
                )
            ]
        )
    # A worker that dies must cost no more than its task; tasks leave nothing else behind.
    config.retries = max(config.retries, RETRIES)
    errors = _package("parsl.errors", "parsl")
    try:
        pool = concurrent.ParslPoolExecutor(config)
        pool.__enter__()
    except (OSError, ValueError, RuntimeError, errors.ParslError) as error:
        raise ExecutorError(f"Parsl cannot start ({error}).") from error
    try:
        executor: Executor = pool
        yield executor
    finally:
        pool.__exit__(None, None, None)


def _package(name: str, extra: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ExecutorError(
            f"the executor '{extra}' needs {error.name}: pip install 'gencsp[{extra}]'."
        ) from error
