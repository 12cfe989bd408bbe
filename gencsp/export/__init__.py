"""Pools handed to other CSP codes as seeds, and their results brought back: one file a code.

Found by name through entry points.
"""

from gencsp.export.base import Exporter, ExportReport, LeftOut, Seed
from gencsp.export.registry import exporter_names, get_exporter

__all__ = ["ExportReport", "Exporter", "LeftOut", "Seed", "exporter_names", "get_exporter"]
