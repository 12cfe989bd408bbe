"""Structure proposers: random, by score model, with symmetry, mixed, and from files.

One file each; found by name through entry points.
"""

from gencsp.proposers.base import PROPOSERS, ConfiguredProposer, Proposer, ProposerContext, Request
from gencsp.proposers.call import propose
from gencsp.proposers.registry import get_proposer, proposer_names

__all__ = [
    "PROPOSERS",
    "ConfiguredProposer",
    "Proposer",
    "ProposerContext",
    "Request",
    "get_proposer",
    "propose",
    "proposer_names",
]
