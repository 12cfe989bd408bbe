"""External programs, each in its own environment, supervised by custodian."""

from gencsp.programs.launch import Launch, Limits
from gencsp.programs.supervise import Supervised

__all__ = ["Launch", "Limits", "Supervised"]
