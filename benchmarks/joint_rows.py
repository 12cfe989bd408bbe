"""Rows of PIGEN's tables for the joint model: targets, and the parts that they act through.

A target acts through the numbers of atoms that are drawn and through the guidance of the network,
and for the complexity K through the symmetry that is drawn. An arm says which of them have it.
Sampled crystals are kept in a folder, one file for each row and arm, so that no benchmark makes
again what another has made.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from filters import COLUMNS

from gencsp.diffusion.joint.conditions import Property, as_labels
from gencsp.diffusion.joint.guidance import ClassifierFree
from gencsp.diffusion.joint.model import JointModel
from gencsp.diffusion.joint.sampler import JointSamplerSettings, sample
from gencsp.proposers.de_novo import SizeRule, StartDraw, SymmetryRule, size_shares

#: Name of a row: targets and weight w = 1 + g of eq. 7; weight 1 is the ablation without guidance.
ROWS: dict[str, tuple[dict[Property, float], float]] = {
    "unconditional": ({}, 0.0),
    "C = 0.7": ({"compactness": 0.7}, 2.0),
    "M_LED = 9": ({"m_led": 9.0}, 2.0),
    "E_hull = 0": ({"e_hull": 0.0}, 2.0),
    "K = 3": ({"complexity": 3.0}, 2.0),
    "M_LED = 9, C = 0.7": ({"m_led": 9.0, "compactness": 0.7}, 2.0),
    "M_LED = 9, E_hull = 0": ({"m_led": 9.0, "e_hull": 0.0}, 2.0),
    "K = 3, C = 0.7": ({"complexity": 3.0, "compactness": 0.7}, 2.0),
    "C = 0.7, without guidance": ({"compactness": 0.7}, 1.0),
}


@dataclass(frozen=True, slots=True)
class Arm:
    """Which parts have the targets of a row.

    Attributes:
        sizes: whether numbers of atoms are drawn given them; otherwise as in training, which is
            what PIGEN does.
        guidance: whether the network is guided by them.
        symmetry: whether a space group is drawn, given a target of K.
    """

    sizes: bool
    guidance: bool
    symmetry: SymmetryRule = "none"


ARMS: dict[str, Arm] = {
    "none": Arm(sizes=False, guidance=False),
    "sizes": Arm(sizes=True, guidance=False),
    "guidance": Arm(sizes=False, guidance=True),
    "both": Arm(sizes=True, guidance=True),
    "symmetry": Arm(sizes=False, guidance=True, symmetry="drawn"),
}
#: Extended Data Table 1 (A' to K alone) and 2 (A-D; A-E at 100/50/35/25 meV/atom), per cent; F of
#: Table 2 in bits; share outside the first 100 prototypes, Fig. 3d.
PAPER: dict[str, dict[str, object]] = {
    "DiffCSP+PI loss": {
        **dict(zip(COLUMNS, (99.8, 84.6, 72.5, 64.4, 42.4, 28.3), strict=True)),
        "A-D": 17.8,
        "A-E": [5.1, 2.5, 1.6, 1.0],
        "F": 10.7,
    },
    "DiffCSP": {
        **dict(zip(COLUMNS, (99.9, 82.8, 73.6, 61.8, 47.0, 34.0), strict=True)),
        "A-D": 15.6,
        "A-E": [4.0, 1.3, 0.7, 0.5],
        "F": 10.7,
    },
    "C = 0.7": {
        **dict(zip(COLUMNS, (99.9, 83.0, 69.2, 98.3, 41.3, 29.5), strict=True)),
        "A-D": 27.9,
        "A-E": [6.8, 2.2, 1.4, 1.0],
        "F": 10.0,
    },
    "M_LED = 9": {
        **dict(zip(COLUMNS, (99.6, 80.0, 81.6, 67.6, 72.9, 37.3), strict=True)),
        "A-D": 33.7,
        "A-E": [6.7, 2.7, 1.5, 1.0],
        "F": 10.7,
    },
    "E_hull = 0": {
        **dict(zip(COLUMNS, (99.6, 85.3, 68.4, 60.9, 43.1, 30.1), strict=True)),
        "A-D": 14.7,
        "A-E": [2.0, 1.0, 0.7, 0.5],
        "outside 100": 42.0,
        "F": 10.5,
    },
    "K = 3": {
        **dict(zip(COLUMNS, (99.6, 78.4, 81.1, 38.9, 52.0, 60.2), strict=True)),
        "A-D": 14.8,
        "A-E": [1.4, 0.7, 0.4, 0.2],
        "F": 10.5,
    },
    "M_LED = 9, E_hull = 0": {
        **dict(zip(COLUMNS, (99.6, 83.5, 73.8, 68.9, 70.7, 36.0), strict=True)),
        "A-D": 31.5,
        "A-E": [1.8, 0.8, 0.5, 0.4],
        "F": 10.5,
    },
    "K = 3, C = 0.7": {
        **dict(zip(COLUMNS, (99.9, 77.3, 72.8, 94.1, 47.1, 61.3), strict=True)),
        "A-D": 29.6,
        "A-E": [2.9, 1.2, 0.7, 0.5],
        "F": 10.5,
    },
    "M_LED = 9, C = 0.7": {
        **dict(zip(COLUMNS, (99.8, 78.4, 75.1, 89.2, 69.7, 32.1), strict=True)),
        "A-D": 42.0,
        "A-E": [8.7, 3.8, 2.3, 1.5],
        "outside 100": 67.0,
        "F": 10.9,
    },
}
#: The paper's row of a network without the compactness loss that is guided all the same.
WITHOUT_LOSS: dict[str, dict[str, object]] = {
    "unconditional": PAPER["DiffCSP"],
    "M_LED = 9, C = 0.7": dict(zip(COLUMNS, (99.7, 78.0, 74.2, 84.6, 67.2, 31.4), strict=True)),
}
BATCH = 32


def paper_percent(row: str, model: JointModel) -> dict[str, object] | None:
    """What the paper reports of a row, for a network with this one's loss; ``None`` for nothing."""
    if model.objective.weights.compactness == 0:
        return WITHOUT_LOSS.get(row)
    return PAPER["DiffCSP+PI loss"] if row == "unconditional" else PAPER.get(row)


def generated(
    model: JointModel,
    row: str,
    arm: str,
    n: int,
    *,
    settings: JointSamplerSettings,
    seed: int,
    folder: Path,
) -> list[Atoms]:
    """n crystals of a row and arm; what a file of the folder holds already is not made again."""
    targets, weight = ROWS[row]
    parts = ARMS[arm]
    rule: SizeRule = "targets" if parts.sizes else "training"
    draw = StartDraw(
        sizes=size_shares(model.sizes, targets, weight, rule=rule),
        symmetry=parts.symmetry,
        complexity=targets.get("complexity"),
        weight=weight,
    )
    conditions = model.objective.properties.encode(as_labels([targets]))
    path = folder / f"{_word(row)}-{arm}-{seed}.extxyz"
    done = list(ase.io.iread(path, format="extxyz")) if path.exists() else []
    while len(done) < n:
        begun = time.process_time()
        places = range(len(done), min(n, len(done) + BATCH))
        # Draws follow from seed and place, the same ones for every row and arm.
        rngs = [np.random.default_rng([seed, k]) for k in places]
        starts = [draw(rng) for rng in rngs]
        guided = ClassifierFree(
            model, conditions.expand(len(starts), -1), weight if parts.guidance else 0.0
        )
        made = sample(guided, starts, settings=settings, rngs=rngs)
        spent = (time.process_time() - begun) / len(made)
        for atoms in made:
            atoms.set_constraint()
            atoms.wrap()
            atoms.info["processor_seconds"] = spent
        ase.io.write(path, made, format="extxyz", append=True)
        done += made
        print(row, arm, len(done), f"{60 / spent:.0f} a minute of a core", flush=True)
    return done[:n]


def folder_of(base: Path, model: JointModel, terms: tuple[object, ...]) -> Path:
    """Where crystals of a network and a sampler are kept; it is made."""
    folder = base / "-".join(map(str, (model.digest, *terms)))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _word(row: str) -> str:
    return row.replace(" ", "").replace(",", "_")
