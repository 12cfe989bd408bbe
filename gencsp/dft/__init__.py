"""Density functional theory after a search: writing inputs, running codes, reading results."""

from gencsp.dft.base import CODES, CalculationKind, Code, ConfiguredCode
from gencsp.dft.campaign import Campaign, read_campaign, write_campaign

__all__ = [
    "CODES",
    "CalculationKind",
    "Campaign",
    "Code",
    "ConfiguredCode",
    "code_names",
    "get_code",
    "read_campaign",
    "write_campaign",
]

code_names = CODES.names
get_code = CODES.make
