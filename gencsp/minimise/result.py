"""The result of a relaxation, and how a relaxation can end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

import numpy as np
from ase import Atoms
from ase.units import GPa
from numpy.typing import NDArray

from gencsp.records.html import FORMULA, html_table
from gencsp.records.keys import STRUCTURE_ID
from gencsp.records.structure_list import cell_formula


class Outcome(StrEnum):
    """How a relaxation ended. Only ``CONVERGED`` counts as a result; the others say why not."""

    CONVERGED = "converged"
    STEP_LIMIT = "step limit reached"
    TIME_LIMIT = "time limit reached"
    HOPELESS = "stopped early: energy far above the best"
    EXPLODED = "cell exploded or collapsed"
    ISOLATED = "isolated atoms"
    NOT_FINITE = "energy or forces not finite"
    BAD_INPUT = "input cannot be evaluated"
    NOT_PERIODIC = "not periodic in three directions"
    CONSTRAINED = "constraints cannot be held"
    STOPPED = "stopped on request"
    TOO_CLOSE = "atoms on top of each other"
    BROKEN_UNITS = "rigid units broken"


#: Called at every point that a relaxation moves to: index of the structure, step
#: (0 for the start), energy in eV, fmax in eV/Å. ``False`` (anything false but ``None``) stops that
#: structure with the verdict ``STOPPED``; an exception ends the whole run and reaches its caller.
StepCallback = Callable[[int, int, float, float], bool | None]

#: Called with a structure's index and its path, start and end included, when it is done.
PathCallback = Callable[[int, list[Atoms]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxed:
    """One relaxed structure, or the structure at which its relaxation ended and why.

    Attributes:
        index: position of the structure in the input.
        atoms: where it ended; carries the info, arrays (tags, moments, charges and the user's own)
            and constraints of the input and, where energies are finite, a
            ``SinglePointCalculator`` with energy, forces, stress and, of CHGNet, the magnitudes of
            magnetic moments (``magmoms``, μ_B).
        energy: potential energy of the cell, eV (NaN where it could not be evaluated).
        enthalpy: energy + pressure x volume, eV.
        fmax: largest generalised force at the end, eV/Å (ASE's convergence measure).
        stress: Voigt stress at the end, eV/Å³, shape (6,) in ASE's sign and order.
        steps: minimiser steps taken.
        outcome: how the relaxation ended.
        reason: details of the outcome, such as the name of a constraint; may be empty.
        energy_model: potential and weights that made the numbers, such as "chgnet-0.3.0".
        energy_digest: short hash of those weights; empty where there is none.
        broken_units: bonds of rigid units that broke and bonds that formed between units, see
            :func:`gencsp.units.broken.broken_units`, joined by ``;``; empty where there are none.
        unit_bond_change: by how much the bond of a rigid unit that changed most became longer, as
            a share of what it was, see :func:`gencsp.units.broken.bond_change`; ``None`` where
            there is none.
    """

    index: int
    atoms: Atoms
    energy: float
    enthalpy: float
    fmax: float
    stress: NDArray[np.float64]
    steps: int
    outcome: Outcome
    reason: str = ""
    energy_model: str = ""
    energy_digest: str = ""
    broken_units: str = ""
    unit_bond_change: float | None = None

    def made_by(self, model: str, digest: str) -> Self:
        """A copy that names the potential behind the energies."""
        return replace(self, energy_model=model, energy_digest=digest)

    @property
    def converged(self) -> bool:
        """Whether the forces and stresses fell below their limits."""
        return self.outcome is Outcome.CONVERGED

    @property
    def energy_per_atom(self) -> float:
        """eV/atom."""
        return self.energy / len(self.atoms)

    @property
    def enthalpy_per_atom(self) -> float:
        """eV/atom."""
        return self.enthalpy / len(self.atoms)

    @property
    def pressure(self) -> float:
        """External pressure, GPa: what is no energy of the enthalpy, over the volume."""
        # Rounded so that 25 GPa is 25.0 and no neighbour of it.
        work = float((self.enthalpy - self.energy) / self.atoms.cell.volume / GPa)
        return round(work, 6) + 0.0

    def _repr_html_(self) -> str:
        titles = (FORMULA, "E (eV/atom)", "fmax (eV/Å)", "steps", "outcome", "id", "potential")
        row = (
            cell_formula(self.atoms),
            f"{self.energy_per_atom:.4f}" if len(self.atoms) else "",
            f"{self.fmax:.4f}",
            str(self.steps),
            ": ".join(filter(None, (str(self.outcome), self.reason))),
            str(self.atoms.info.get(STRUCTURE_ID, "")),
            self.energy_model,
        )
        return html_table(titles, [row], right=titles[1:4])
