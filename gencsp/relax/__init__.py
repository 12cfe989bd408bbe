"""Relaxation of atoms and cells: settings, results, and the call that does it."""

from __future__ import annotations

from gencsp.relax.calculator import relax_with
from gencsp.relax.face import relax
from gencsp.relax.result import Outcome, Relaxed, StepCallback
from gencsp.relax.settings import RelaxSettings

__all__ = [
    "Outcome",
    "RelaxSettings",
    "Relaxed",
    "StepCallback",
    "relax",
    "relax_with",
]
