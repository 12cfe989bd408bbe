"""Crystals as the arrays that the C++ extension takes, and its arrays as results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from gencsp.minimise.jobs import failed
from gencsp.minimise.restraints import Restraints, Symmetry
from gencsp.minimise.result import Outcome, Relaxed
from gencsp.minimise.verdicts import too_close
from gencsp.potentials.base import Evaluation

if TYPE_CHECKING:
    from gencsp.potentials.chgnet import _native

# In the order of the C++ enumerations.
FAILURES = (None, Outcome.BAD_INPUT, Outcome.ISOLATED, Outcome.NOT_FINITE)
OUTCOMES = (
    Outcome.CONVERGED,
    Outcome.STEP_LIMIT,
    Outcome.TIME_LIMIT,
    Outcome.HOPELESS,
    Outcome.EXPLODED,
    Outcome.ISOLATED,
    Outcome.NOT_FINITE,
    Outcome.BAD_INPUT,
    Outcome.STOPPED,
    Outcome.TOO_CLOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteEvaluation:
    """An evaluation and more of it.

    Attributes:
        evaluation: energy and derivatives, or why there are none.
        energies: of each atom, eV, shape (n,).
        closest: shortest distance between two nuclei, Å; NaN where there is a failure.
    """

    evaluation: Evaluation
    energies: NDArray[np.float64]
    closest: float

    def checked(self) -> Evaluation:
        """The evaluation, as failed where atoms are on top of each other."""
        if self.evaluation.failure is None and too_close(self.closest):
            return Evaluation.failed(Outcome.TOO_CLOSE, len(self.energies))
        return self.evaluation


def stress_of(virial: NDArray[np.float64], cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Voigt stress in eV/Å^3 from dE/dstrain in eV."""
    volume = abs(float(np.linalg.det(cell)))
    stress: NDArray[np.float64] = full_3x3_to_voigt_6_stress((virial + virial.T) / (2.0 * volume))
    return stress


def submit(pool: _native.RelaxPool, index: int, atoms: Atoms, restraints: Restraints) -> None:
    """Put a structure and what it is held by into the queue of the threads that relax."""
    fixed = np.zeros(len(atoms), dtype=np.bool_)
    fixed[restraints.fixed] = True
    rotations, images = _operations(atoms, restraints.symmetry)
    pool.submit(
        index,
        atoms.numbers.astype(np.int32),
        np.ascontiguousarray(atoms.positions, dtype=np.float64),
        np.ascontiguousarray(atoms.cell.array, dtype=np.float64),
        [bool(p) for p in atoms.pbc],
        fixed if fixed.any() else fixed[:0],
        rotations,
        images,
    )


def _operations(
    atoms: Atoms, symmetry: Symmetry | None
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Cartesian rotations (k, 3, 3) and where each atom goes (k, n); empty for no symmetry."""
    if symmetry is None:
        return np.zeros((0, 3, 3)), np.zeros((0, len(atoms)), dtype=np.int32)
    columns = np.array(atoms.cell.array).T
    cartesian = columns @ symmetry.rotations @ np.linalg.inv(columns)
    images = np.argsort(symmetry.sources, axis=1).astype(np.int32)
    return np.ascontiguousarray(cartesian), np.ascontiguousarray(images)


def frame_of(
    start: Atoms,
    energy: float,
    _fmax: float,
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    forces: NDArray[np.float64],
    virial: NDArray[np.float64],
) -> Atoms:
    """The start structure moved to a point of its path, with the numbers there."""
    atoms: Atoms = start.copy()
    atoms.set_constraint()
    atoms.set_cell(cell)
    atoms.positions = positions
    atoms.set_constraint(start.constraints)
    if np.isfinite(energy):
        atoms.calc = SinglePointCalculator(
            atoms, energy=energy, forces=forces, stress=stress_of(virial, cell)
        )
    return atoms


def relaxed(index: int, start: Atoms, found: dict[str, Any]) -> Relaxed:
    """The result of a relaxation, from what the extension says of it."""
    outcome = OUTCOMES[found["outcome"]]
    cell = found["cell"]
    if len(found["positions"]) != len(start):  # the machine had no memory for it
        return failed(index, start.copy(), Outcome.BAD_INPUT)
    energy = float(found["energy"])
    finite = np.isfinite(energy)
    return Relaxed(
        index=index,
        atoms=frame_of(
            start, energy, 0.0, found["positions"], cell, found["forces"], found["virial"]
        ),
        energy=energy,
        enthalpy=float(found["enthalpy"]),
        fmax=float(found["fmax"]),
        stress=stress_of(found["virial"], cell) if finite else np.full(6, np.nan),
        steps=int(found["steps"]),
        outcome=outcome,
    )
