"""Rattle: every atom by a normal displacement; AIRSS calls it shaking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from gencsp.deck_base import Displacement, check_fields
from gencsp.errors import RequestError
from gencsp.search.moves.base import Tools, bare


@dataclass(frozen=True, slots=True)
class Rattle:
    """Normal displacements; their standard deviation is drawn between two limits, Å."""

    least: Displacement = 0.1
    most: Displacement = 0.6
    name: str = "rattle"
    n_parents: int = 1
    keeps_cell: bool = True
    keeps_counts: bool = True
    needs_model: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if self.least > self.most:
            raise RequestError(f"least is {self.least} Å: it must not be above most, {self.most}.")

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """To anything of two atoms or more: one atom alone has no place of its own."""
        return len(parents[0]) > 1

    def __call__(
        self,
        parents: Sequence[Atoms],
        *,
        rng: np.random.Generator,
        tools: Tools,  # noqa: ARG002
    ) -> Atoms | None:
        child = bare(parents[0])
        child.positions += rng.normal(
            scale=rng.uniform(self.least, self.most), size=(len(child), 3)
        )
        return child
