"""Other people's programs, each in its own environment, watched over by custodian."""

from gencsp.programs.launch import Launch, Limits
from gencsp.programs.supervise import Supervised

__all__ = ["Launch", "Limits", "Supervised"]
