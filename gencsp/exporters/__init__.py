"""Pools as seed structures for other CSP codes, and their results read back: one file a code.

Found by name through entry points.
"""

from gencsp.exporters.base import (
    EXPORTERS,
    Exporter,
    ExportReport,
    LeftOut,
    SeedExporter,
    SeedStructure,
)

__all__ = [
    "EXPORTERS",
    "ExportReport",
    "Exporter",
    "LeftOut",
    "SeedExporter",
    "SeedStructure",
    "exporter_names",
    "get_exporter",
]

exporter_names = EXPORTERS.names
get_exporter = EXPORTERS.make
