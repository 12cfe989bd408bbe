"""Density functional theory after a search: inputs written, codes run, results read back."""

from gencsp.dft.base import Code, Kind
from gencsp.dft.campaign import Campaign, read_campaign, write_campaign
from gencsp.dft.registry import code_names, get_code

__all__ = [
    "Campaign",
    "Code",
    "Kind",
    "code_names",
    "get_code",
    "read_campaign",
    "write_campaign",
]
