"""Stores of structures: in memory (the reference) and on disk (``run.db``).

They load on first use: ASE imports this package to find the reader of ``run.db``.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gencsp.store.base import Finished, Manifest, Store
    from gencsp.store.disk import DiskStore
    from gencsp.store.memory import MemoryStore

__all__ = ["DiskStore", "Finished", "Manifest", "MemoryStore", "Store"]

_MODULES = MappingProxyType(
    {
        "DiskStore": "gencsp.store.disk",
        "Finished": "gencsp.store.base",
        "Manifest": "gencsp.store.base",
        "MemoryStore": "gencsp.store.memory",
        "Store": "gencsp.store.base",
    }
)


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
