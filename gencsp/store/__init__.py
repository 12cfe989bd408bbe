"""Stores of structures: in memory (the reference) and on disk (``run.db``)."""

from __future__ import annotations

from gencsp.store.base import Finished, Manifest, Store
from gencsp.store.disk import DiskStore
from gencsp.store.memory import MemoryStore

__all__ = ["DiskStore", "Finished", "Manifest", "MemoryStore", "Store"]
