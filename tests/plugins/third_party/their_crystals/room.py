"""A filter: the volume that an atom has."""

from typing import ClassVar

from ase import Atoms
from pydantic import Field

from gencsp.filters import ConfiguredFilter, Verdict


class Room(ConfiguredFilter):
    """Passes a crystal whose volume per atom (Å³) lies in a window."""

    name = "room"
    quantity: ClassVar[str] = "volume (Å³/atom)"

    low: float = Field(default=5.0, gt=0, description="Å³/atom.")
    high: float = Field(default=50.0, gt=0, description="Å³/atom.")

    def judge(self, atoms: Atoms) -> Verdict:
        return self.verdict(atoms.cell.volume / len(atoms), (self.low, self.high))
