"""Exporters by name: ours and third parties', through the entry points ``gencsp.exporters``.

An entry point names an :class:`~gencsp.export.base.Exporter`::

    [project.entry-points."gencsp.exporters"]
    mine = "my_package:EXPORTER"
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING

from gencsp.errors import ExportError

if TYPE_CHECKING:
    from gencsp.export.base import Exporter

GROUP = "gencsp.exporters"


def exporter_names() -> tuple[str, ...]:
    """Names of all codes that pools can be exported to, sorted."""
    return tuple(sorted(_registered()))


def get_exporter(name: str) -> Exporter:
    """The exporter for a code.

    Raises:
        ExportError: no exporter has this name.
    """
    if name not in _registered():
        raise ExportError(
            f"there is no exporter for '{name}': choose from {', '.join(exporter_names())}."
        )
    exporter: Exporter = _registered()[name].load()
    return exporter


@cache
def _registered() -> MappingProxyType[str, EntryPoint]:
    return MappingProxyType({point.name: point for point in entry_points(group=GROUP)})
