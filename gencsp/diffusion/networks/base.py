"""The contract of networks, found by name: a frozen configuration that makes a fresh network.

The configuration is the plug-in. With the tensors it is all that a weights file holds, so a network
keeps it as its attribute ``config``.
"""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from gencsp.errors import WeightsError
from gencsp.plugins import Configured, Registry


class ConfiguredNetwork(Configured):
    """Base of the configurations of networks; ``build`` makes a fresh one."""

    kind: ClassVar[str] = "architecture"

    def build(self, context: None) -> nn.Module:
        """A network with random weights, from torch's generator, that has ``config``."""
        raise NotImplementedError


#: All networks, by the name of their architecture.
NETWORKS: Registry[nn.Module] = Registry(
    "gencsp.networks", kind="architecture", contract=nn.Module, error=WeightsError
)
