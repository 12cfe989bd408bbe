"""Checks that a potential fulfils its contract."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from gencsp.potentials.base import Engine, Evaluation
from gencsp.testing.common import require, untouched

#: Voigt order of ASE: the two axes of each component.
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def check_potential(
    potential: Engine,
    structures: Sequence[Atoms],
    *,
    step: float = 0.005,
    force_tolerance: float = 0.02,
    stress_tolerance: float = 0.002,
    energy_tolerance: float = 1e-4,
    seed: int = 0,
) -> None:
    """Check a potential against :class:`~gencsp.potentials.base.Engine`.

    Forces and stress are the derivatives of the energy, by central differences; a structure has the
    same energy alone as among others, and whatever the order of its atoms; structures and global
    random generators stay as they are.

    Args:
        potential: the potential.
        structures: crystals out of equilibrium, two at least.
        step: of the differences: Å for atoms, and a strain a tenth as large.
        force_tolerance: eV/Å.
        stress_tolerance: eV/Å³.
        energy_tolerance: eV/atom.
        seed: chooses which derivatives are checked.

    Raises:
        AssertionError: what is wrong, in one sentence.
    """
    require(
        isinstance(potential, Engine),
        f"{type(potential).__name__} is no potential: it needs 'name', 'model', 'digest', "
        f"'evaluate' and 'relax'.",
    )
    who = f"the potential '{potential.model}'"
    require(potential.model and potential.digest, f"{who} does not say which model it is.")
    rng = np.random.default_rng(seed)
    with untouched(structures, who):
        together = potential.evaluate(list(structures))
    require(len(together) == len(structures), f"{who} gives {len(together)} results.")
    for atoms, found in zip(structures, together, strict=True):
        _check_shapes(found, len(atoms), who)
        alone = potential.evaluate([atoms])[0]
        close = abs(alone.energy - found.energy) <= energy_tolerance * len(atoms)
        require(close, f"{who} gives a structure another energy alone than among others.")
        _check_order(potential, atoms, found, energy_tolerance, force_tolerance, rng, who)
        _check_forces(potential, atoms, found, step, force_tolerance, rng, who)
        _check_stress(potential, atoms, found, step / 10, stress_tolerance, who)


def _check_shapes(found: Evaluation, n: int, who: str) -> None:
    require(found.failure is None, f"{who} fails on a crystal ({found.failure}).")
    shapes = np.shape(found.forces) == (n, 3) and np.shape(found.stress) == (6,)
    require(shapes, f"{who} must give forces of shape ({n}, 3) and a stress of shape (6,).")
    numbers = (found.energy, *np.ravel(found.forces), *np.ravel(found.stress))
    require(np.isfinite(numbers).all(), f"{who} gives numbers that are not finite.")


def _check_order(
    potential: Engine,
    atoms: Atoms,
    found: Evaluation,
    energy_tolerance: float,
    force_tolerance: float,
    rng: np.random.Generator,
    who: str,
) -> None:
    order = rng.permutation(len(atoms))
    other = potential.evaluate([atoms[order]])[0]
    close = abs(other.energy - found.energy) <= energy_tolerance * len(atoms)
    close &= bool(np.allclose(other.forces, found.forces[order], rtol=0, atol=force_tolerance))
    require(close, f"{who} gives other numbers to the same atoms in another order.")


def _check_forces(
    potential: Engine,
    atoms: Atoms,
    found: Evaluation,
    step: float,
    tolerance: float,
    rng: np.random.Generator,
    who: str,
) -> None:
    """Along one random direction of all atoms, and one atom's three axes."""
    directions = [np.zeros((len(atoms), 3)) for _ in range(3)]
    chosen = int(rng.integers(len(atoms)))
    for axis, direction in enumerate(directions):
        direction[chosen, axis] = 1.0
    mixed = rng.normal(size=(len(atoms), 3))
    for direction in (*directions, mixed / np.linalg.norm(mixed)):
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions += sign * step * direction
            ends.append(moved)
        up, down = potential.evaluate(ends)
        slope = -(up.energy - down.energy) / (2 * step)
        force = float((found.forces * direction).sum())
        require(
            abs(slope - force) <= tolerance,
            f"{who} gives a force of {force:.4f} eV/Å where its energy falls by {slope:.4f} eV/Å.",
        )


def _check_stress(
    potential: Engine, atoms: Atoms, found: Evaluation, strain: float, tolerance: float, who: str
) -> None:
    for component, (i, j) in enumerate(VOIGT):
        ends = []
        for sign in (1, -1):
            deformation = np.eye(3)
            deformation[i, j] += sign * strain / 2
            deformation[j, i] += sign * strain / 2
            strained = atoms.copy()
            strained.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
            ends.append(strained)
        up, down = potential.evaluate(ends)
        slope = (up.energy - down.energy) / (2 * strain) / atoms.cell.volume
        stress = float(found.stress[component])
        require(
            abs(slope - stress) <= tolerance,
            f"{who} gives component {component} of the stress as {stress:.5f} eV/Å³ where its "
            f"energy changes by {slope:.5f} eV/Å³.",
        )
