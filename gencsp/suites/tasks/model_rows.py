"""Rows of tables of a joint model: targets, and the parts of it that they act through.

A target acts through the numbers of atoms that are drawn and through the guidance of the network,
and for the complexity K through the symmetry that is drawn. Nothing that is made is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.deck import Deck, NonNegative
from gencsp.diffusion.joint.conditions import Property, as_labels
from gencsp.diffusion.joint.guidance import ClassifierFree
from gencsp.diffusion.joint.model import JointModel
from gencsp.diffusion.joint.sampler import JointSamplerSettings, sample
from gencsp.proposers.de_novo import SizeRule, StartDraw, SymmetryRule, size_shares
from gencsp.proposers.targets import read_targets


class ModelRow(Deck):
    """One row; the meaning of each field stands in its description."""

    name: str = Field(description="Of the row.")
    targets: tuple[str, ...] = Field((), description="Aims, such as compactness=0.7.")
    guidance: NonNegative = Field(2.0, description="Weight w = 1 + g of PIGEN's eq. 7.")
    sizes: SizeRule = Field(
        "training", description="Atoms in a cell: as in training (the paper), or given the targets."
    )
    guided: bool = Field(True, description="Guide the network; else targets act on sizes alone.")
    symmetry: SymmetryRule = Field("none", description="A space group drawn and kept, or none.")
    made_by: Literal["model", "pseudo-random"] = Field("model", description="The paper's baseline.")

    @property
    def aims(self) -> dict[Property, float]:
        """The targets by name.

        Raises:
            RequestError: one is not written as ``compactness=0.7``.
        """
        return read_targets(self.targets)


def sample_row(
    model: JointModel,
    row: ModelRow,
    rngs: Sequence[np.random.Generator],
    *,
    settings: JointSamplerSettings,
) -> list[Atoms]:
    """Crystals of a row, one for each generator; draws are the same ones for every row.

    Raises:
        RequestError: a target that the model does not know.
    """
    draw = StartDraw(
        sizes=size_shares(model.sizes, row.aims, row.guidance, rule=row.sizes),
        symmetry=row.symmetry,
        complexity=row.aims.get("complexity"),
        weight=row.guidance,
    )
    starts = [draw(rng) for rng in rngs]
    conditions = model.objective.properties.encode(as_labels([row.aims] * len(starts)))
    weight = row.guidance if row.guided and row.aims else 0.0
    made = sample(
        ClassifierFree(model, conditions, weight), starts, settings=settings, rngs=list(rngs)
    )
    for atoms in made:
        atoms.set_constraint()
        atoms.wrap()
    return made
