"""Tests for the plug-ins of other packages: checks of each contract, and exact score models.

A check raises ``AssertionError`` with one sentence that says what is wrong; gencsp's own parts pass
the same checks in its tests. ``docs/extending.md`` shows them in use. The score models
(:class:`WrappedMixture`, :class:`BySize`) are known exactly and need no weights.
"""

from gencsp.testing.exporters import check_exporter
from gencsp.testing.filters import check_filter
from gencsp.testing.models import BySize, WrappedMixture, wrapped_normal
from gencsp.testing.moves import check_move
from gencsp.testing.potentials import check_potential
from gencsp.testing.proposers import check_proposer
from gencsp.testing.strategies import check_strategy

__all__ = [
    "BySize",
    "WrappedMixture",
    "check_exporter",
    "check_filter",
    "check_move",
    "check_potential",
    "check_proposer",
    "check_strategy",
    "wrapped_normal",
]
