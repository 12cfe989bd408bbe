"""What suites do: one module for each task."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import cast

from gencsp.errors import SuiteError
from gencsp.suites.tasks.base import SuiteTask

#: Where each task is; it is imported when a suite needs it.
TASKS = MappingProxyType(
    {
        "everyday": "gencsp.suites.tasks.everyday:Everyday",
        "searches": "gencsp.suites.tasks.searches:Searches",
        "proposals": "gencsp.suites.tasks.proposals:Proposals",
        "pigen-seeding": "gencsp.suites.tasks.pigen_seeding:PigenSeeding",
        "pigen-funnel": "gencsp.suites.tasks.pigen_funnel:PigenFunnel",
        "chggen": "gencsp.suites.tasks.chggen:Chggen",
        "dp-cdvae": "gencsp.suites.tasks.dp_cdvae:DpCdvae",
    }
)


def task_class(name: str) -> type[SuiteTask]:
    """The class of a task.

    Raises:
        SuiteError: there is no such task.
    """
    if name not in TASKS:
        raise SuiteError(f"there is no task '{name}': a suite has one of {', '.join(TASKS)}.")
    module, _, kind = TASKS[name].partition(":")
    return cast("type[SuiteTask]", getattr(import_module(module), kind))
