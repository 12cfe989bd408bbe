"""Minimisation of energy over positions and cell: settings, results, minimisers, verdicts."""

from __future__ import annotations

from gencsp.minimise.calculator import relax_with
from gencsp.minimise.result import Outcome, Relaxed, StepCallback
from gencsp.minimise.settings import RelaxSettings

__all__ = [
    "Outcome",
    "RelaxSettings",
    "Relaxed",
    "StepCallback",
    "relax_with",
]
