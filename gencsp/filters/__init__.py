"""Filters of crystal structures, one file each, and the funnel that applies them in order.

They are found by name through entry points. Protocol and letters (A to E) are those of PIGEN
(A. Vasylenko et al., *Physics-informed diffusion models for extrapolating crystal structures beyond
known motifs*), Fig. 4.
"""

from gencsp.filters.base import FILTERS, ConfiguredFilter, Filter, Verdict, Window
from gencsp.filters.funnel import Funnel, Judged, judge_pool
from gencsp.filters.summary import Summary

__all__ = [
    "FILTERS",
    "ConfiguredFilter",
    "Filter",
    "Funnel",
    "Judged",
    "Summary",
    "Verdict",
    "Window",
    "filter_names",
    "get_filter",
    "judge_pool",
]

filter_names = FILTERS.names
get_filter = FILTERS.make
