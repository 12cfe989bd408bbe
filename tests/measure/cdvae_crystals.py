"""The crystals whose numbers ``cdvae_measures.json`` holds, and these numbers.

They were computed once by the programs that CDVAE's measures come from; ``versions`` says which.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal

REFERENCE: dict[str, Any] = json.loads(
    Path(__file__).with_name("cdvae_measures.json").read_text("utf-8")
)


def crystals() -> dict[str, Atoms]:
    """By name: simple ones, and one without symmetry, a noble gas in it."""
    perovskite = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]
    return {
        "NaCl": bulk("NaCl", "rocksalt", a=5.64),
        "diamond": bulk("C", "diamond", a=3.567),
        "Cu": bulk("Cu"),
        "rutile": crystal(
            ["Ti", "O"],
            [(0, 0, 0), (0.305, 0.305, 0)],
            spacegroup=136,
            cellpar=[4.594, 4.594, 2.959, 90, 90, 90],
        ),
        "CaTiO3": Atoms("CaTiO3", scaled_positions=perovskite, cell=[3.84] * 3, pbc=True),
        "graphite": crystal(
            ["C", "C"],
            [(0, 0, 0.25), (1 / 3, 2 / 3, 0.25)],
            spacegroup=194,
            cellpar=[2.461, 2.461, 6.708, 90, 90, 120],
        ),
        "skewed": Atoms(
            "LiFeXe2PO",
            scaled_positions=np.random.default_rng(3).random((6, 3)),
            cell=[[5, 0.3, 0], [0.8, 5.5, 0.1], [-1, 0.4, 6]],
            pbc=True,
        ),
    }
