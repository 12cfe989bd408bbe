"""What ``gencsp make-data`` came to, and its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from gencsp import __version__
from gencsp.files import write_whole
from gencsp.io.structures import write_extxyz
from gencsp.store.base import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeData:
    """What a run came to.

    Attributes:
        crystals: near the hull, one of each, by E_d; ``energy_above_hull`` (eV/atom) in ``info`` is
            what ``gencsp train joint`` reads.
        tried: known crystals whose elements were exchanged.
        near: structures near the hull, those that are the same crystal among them.
        failures: what was left out, by reason.
        manifest: the settings that the crystals depend on, and the models.
    """

    crystals: tuple[Atoms, ...]
    tried: int
    near: int
    failures: dict[str, int]
    manifest: Manifest

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write ``crystals.extxyz`` and ``card.json``, which says what they are; returns both.

        Raises:
            StoreError: they cannot be written.
        """
        card = {
            "what": "known crystals whose elements were exchanged, relaxed and near the hull",
            "crystals": len(self.crystals),
            "tried": self.tried,
            "near_the_hull": self.near,
            "left_out": self.failures,
            "settings": dict(self.manifest),
            "known_crystals": "those of OQMD-ICSD that ship with gencsp (OQMD data, CC-BY-4.0)",
            "gencsp": __version__,
        }
        text = json.dumps(card, indent=1) + "\n"
        crystals = write_extxyz(folder / "crystals.extxyz", self.crystals)
        return crystals, write_whole(folder / "card.json", lambda file: file.write(text))
