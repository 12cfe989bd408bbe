"""Structure proposers: random, by score model, with symmetry, mixed, and from files.

One file each; found by name through entry points.
"""

from gencsp.proposers.base import Proposer, Request
from gencsp.proposers.face import propose
from gencsp.proposers.registry import get_proposer, proposer_names

__all__ = ["Proposer", "Request", "get_proposer", "propose", "proposer_names"]
