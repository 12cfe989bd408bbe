"""Train the networks that the benchmarks of the joint model need beside the shipped one.

    python benchmarks/joint_networks.py perov_5 TRAIN.extxyz.gz --held-out FORMULAS --out RUN

Perov-5 and Carbon-24 need networks of their own, of given compositions alone. Crystals of held-out
formulas are left out first. Carbon is one of those, and all of Carbon-24 is carbon: there, and
there alone, it may occur, and that network is used on its own test set alone. ``compact`` and
``not_compact`` are two short runs on the general training set that differ in the compactness loss
alone. ``guided_compact`` and ``guided_not_compact`` are the same pair, which can be given targets:
PIGEN's DiffCSP+CFG has guidance and no compactness loss. The same command goes on where it was
stopped; the weights are RUN/pigen.safetensors.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ase.io
from ase import Atoms

from gencsp.composition import Composition, read_formula_keys
from gencsp.diffusion.training.data import stream_extxyz
from gencsp.diffusion.training.joint import train_joint


@dataclass(frozen=True)
class Recipe:
    """What differs between the networks; the rest are the defaults of ``gencsp train joint``.

    Attributes:
        steps: of training.
        channels: features of an atom.
        given_share: share of crystals trained with their species given.
        compactness_loss: its weight.
        allowed: held-out formulas that may occur all the same.
        labels: whether it learns properties, so that it can be guided.
    """

    steps: int
    channels: int = 64
    given_share: float = 1.0
    compactness_loss: float = 2.0
    allowed: frozenset[str] = frozenset()
    labels: bool = False


RATE = 1.5e-3
RECIPES = {
    "perov_5": Recipe(steps=12_000),
    "carbon_24": Recipe(steps=12_000, allowed=frozenset({"C"})),
    "compact": Recipe(steps=8000, channels=48, given_share=0.5),
    "not_compact": Recipe(steps=8000, channels=48, given_share=0.5, compactness_loss=0.0),
    "guided_compact": Recipe(steps=8000, channels=48, given_share=0.5, labels=True),
    "guided_not_compact": Recipe(
        steps=8000, channels=48, given_share=0.5, compactness_loss=0.0, labels=True
    ),
}


def kept(data: Path, held_out: frozenset[str]) -> Iterator[Atoms]:
    """The crystals of a file without those of held-out formulas."""
    for atoms in stream_extxyz(data):
        if Composition.of(atoms).formula_key not in held_out:
            yield atoms


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("network", choices=list(RECIPES))
    parser.add_argument("data", type=Path)
    parser.add_argument("--held-out", type=Path, required=True, help="formulas, one a line")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, help="another length of training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compiled", action="store_true", help="faster; needs a C++ compiler")
    options = parser.parse_args()
    recipe = RECIPES[options.network]
    held_out = read_formula_keys(options.held_out) - recipe.allowed
    options.out.mkdir(parents=True, exist_ok=True)
    allowed, formulas = options.out / "train.extxyz.gz", options.out / "held_out.txt"
    formulas.write_text("\n".join(sorted(held_out)) + "\n", encoding="utf-8")
    if not allowed.exists():
        with gzip.open(allowed, "wt", encoding="utf-8") as file:
            ase.io.write(file, list(kept(options.data, held_out)), format="extxyz")
    train_joint(
        allowed,
        options.out,
        held_out=formulas,
        labels=recipe.labels,
        compactness_loss=recipe.compactness_loss,
        given_share=recipe.given_share,
        channels=recipe.channels,
        steps=options.steps or recipe.steps,
        learning_rate=RATE,
        threads=options.threads,
        compiled=options.compiled,
        resume=(options.out / "checkpoint.pt").exists(),
    )


if __name__ == "__main__":
    main()
