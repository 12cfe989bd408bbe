"""The settings that every relaxation engine obeys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Minimiser = Literal["fire", "quasi-newton"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaxSettings:
    """How to relax.

    Attributes:
        fmax: converged when no generalised force exceeds this, eV/Å (atoms and, unless
            ``fixed_cell``, the cell gradient of ASE's ``FrechetCellFilter``).
        steps: most minimiser steps.
        pressure: external hydrostatic pressure, GPa.
        fixed_cell: keep the cell, relax atoms only.
        keep_symmetry: project forces, stress and steps on the space group of the start
            (found by spglib at ``symprec``), as ASE's ``FixSymmetry`` does.
        symprec: tolerance of that space group, Å.
        minimiser: FIRE, or the trust-region quasi-Newton.
        time_limit: wall seconds for one structure; ``None`` for no limit.
        ceiling: stop a structure that stays above this energy, eV/atom; ``None`` for no limit.
    """

    fmax: float = 0.1
    steps: int = 200
    pressure: float = 0.0
    fixed_cell: bool = False
    keep_symmetry: bool = False
    symprec: float = 0.01
    minimiser: Minimiser = "fire"
    time_limit: float | None = None
    ceiling: float | None = None

    def __post_init__(self) -> None:
        if not self.fmax > 0:
            raise ValueError(f"fmax is {self.fmax}: it must be above zero, in eV/Å.")
        if self.steps < 0:
            raise ValueError(f"steps is {self.steps}: it must be zero or more.")
