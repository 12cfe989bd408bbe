"""Energy guidance: a potential drives a reverse diffusion towards lower energy.

Sampling p(x)·exp(−E(x)/kT) instead of p(x) adds F/kT to the score. At noise σ the structure is not
yet a crystal, so the forces are those at x̂₀, the crystal that the model would denoise to (universal
guidance, Bansal et al., 2023), with dx̂₀/dx taken to be one; and they are bounded, because even
that may have atoms on top of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.stress import voigt_6_to_full_3x3_stress
from torch import Tensor

from gencsp.deck import Workers, check_fields
from gencsp.potentials.base import Engine


class Potential(Protocol):
    """Forces (eV/Å, shape (n, 3)) and stresses (eV/Å³, shape (b, 3, 3)) of crystals, float64.

    Both are zero for a crystal that the potential cannot evaluate.
    """

    def pull(self, structures: Sequence[Atoms]) -> tuple[Tensor, Tensor]:
        """Forces in eV/Å, shape (n, 3), and stresses in eV/Å³, shape (b, 3, 3), float64."""
        ...


@dataclass(frozen=True, slots=True)
class EnginePotential:
    """CHGNet through one of gencsp's engines, all crystals of a batch at once."""

    engine: Engine
    workers: Workers = 1

    def __post_init__(self) -> None:
        check_fields(self)

    def pull(self, structures: Sequence[Atoms]) -> tuple[Tensor, Tensor]:
        """See :class:`Potential`."""
        found = self.engine.evaluate(structures, workers=self.workers)
        forces = np.nan_to_num(np.concatenate([e.forces for e in found]), posinf=0.0, neginf=0.0)
        stress = np.nan_to_num([e.stress for e in found], posinf=0.0, neginf=0.0)
        return torch.as_tensor(forces), _matrices(stress)


@dataclass(frozen=True, slots=True)
class CalculatorPotential:
    """Any ASE calculator with forces and stress: another potential, or a learned energy."""

    calculator: Calculator

    def pull(self, structures: Sequence[Atoms]) -> tuple[Tensor, Tensor]:
        """See :class:`Potential`."""
        forces, stress = [], []
        for atoms in structures:
            bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
            bare.calc = self.calculator
            forces.append(bare.get_forces())
            stress.append(bare.get_stress())
        return torch.as_tensor(np.concatenate(forces)), _matrices(np.array(stress))


def _matrices(voigt: np.ndarray) -> Tensor:
    """ASE's Voigt order to matrices, shape (b, 6) to (b, 3, 3)."""
    return torch.as_tensor(voigt_6_to_full_3x3_stress(np.asarray(voigt, dtype=np.float64)))


def bounded_lengths(vectors: Tensor, longest: float) -> Tensor:
    """Vectors, shape (n, 3), shortened to at most ``longest``."""
    length = torch.linalg.norm(vectors, dim=1, keepdim=True).clamp(min=1e-12)
    shortened: Tensor = vectors * (longest / length).clamp(max=1.0)
    return shortened
