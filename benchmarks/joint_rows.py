"""Crystals of the rows of PIGEN's tables for the joint model, kept in a folder.

The rows are those of the suite ``pigen-funnel``. Sampled crystals are kept in one file for each row
and arm, so that no benchmark makes again what another has made.
"""

from __future__ import annotations

import time
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

from gencsp.diffusion.joint.model import JointModel
from gencsp.diffusion.joint.sampler import JointSamplerSettings
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.model_rows import ModelRow, sample_row

ROWS: dict[str, ModelRow] = {
    row["name"]: ModelRow.make(**row) for row in Suite.open("pigen-funnel").settings["rows"]
}
#: Which parts of a row have its targets: numbers of atoms, guidance of the network, or both.
ARMS = ("none", "guidance", "both")
BATCH = 32


def generated(
    model: JointModel,
    name: str,
    arm: str,
    n: int,
    *,
    settings: JointSamplerSettings,
    seed: int,
    folder: Path,
) -> list[Atoms]:
    """n crystals of a row and arm; what a file of the folder holds already is not made again."""
    sizes = "targets" if arm == "both" else "training"
    row = ROWS[name].model_copy(update={"sizes": sizes, "guided": arm != "none"})
    path = folder / f"{_word(name)}-{arm}-{seed}.extxyz"
    done = list(ase.io.iread(path, format="extxyz")) if path.exists() else []
    while len(done) < n:
        begun = time.process_time()
        places = range(len(done), min(n, len(done) + BATCH))
        # Draws follow from seed and place, the same ones for every row and arm.
        rngs = [np.random.default_rng([seed, k]) for k in places]
        made = sample_row(model, row, rngs, settings=settings)
        spent = (time.process_time() - begun) / len(made)
        for atoms in made:
            atoms.info["processor_seconds"] = spent
        ase.io.write(path, made, format="extxyz", append=True)
        done += made
        print(name, arm, len(done), f"{60 / spent:.0f} a minute of a core", flush=True)
    return done[:n]


def folder_of(base: Path, model: JointModel, terms: tuple[object, ...]) -> Path:
    """Where crystals of a network and a sampler are kept; it is made."""
    folder = base / "-".join(map(str, (model.digest, *terms)))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _word(row: str) -> str:
    return row.replace(" ", "").replace(",", "_")
