"""The exact symmetry of a unit that has it nearly, as coordinates from files do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gencsp.units.point_group import line_of, permutation, permuting, refined
from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]

#: Å: how far atoms may be from the places of a higher symmetry.
NEAR = 0.05
#: Å: change in a round of averaging below which it has converged.
CONVERGED = 1e-12
_ROUNDS = 100


def symmetrised(unit: RigidUnit, *, tolerance: float = NEAR) -> RigidUnit:
    """A unit with all the symmetry that it has within a tolerance, made exact.

    Atoms move to the mean of where the operations send them, until that changes nothing.

    Args:
        unit: of any number of atoms.
        tolerance: Å, by which an operation may miss an atom.
    """
    if unit.is_atom:
        return unit
    axis = line_of(unit.positions, tolerance=tolerance)
    if axis is not None:
        return replace(unit, positions=_on_line(unit, axis, tolerance))
    operations = _closed(unit, tolerance)
    exchanges = [permutation(unit, operation) for operation in operations]
    for _ in range(_ROUNDS):
        operations = np.array([refined(unit, operation) for operation in operations])
        sent_back = [
            unit.positions[exchange] @ operation
            for exchange, operation in zip(exchanges, operations, strict=True)
        ]
        mean = np.mean(sent_back, axis=0)
        change = np.abs(mean - unit.positions).max()
        unit = replace(unit, positions=mean)
        if change < CONVERGED:
            break
    return unit


def _on_line(unit: RigidUnit, axis: Array, tolerance: float) -> Array:
    """Positions on the line, mirrored in its centre where they nearly are."""
    along = unit.positions @ axis
    mirrored = along[:, None] + along
    alike = np.array(unit.symbols)[:, None] == np.array(unit.symbols)
    partner = np.where(alike, np.abs(mirrored), np.inf).argmin(axis=1)
    if all(alike[i, j] and abs(mirrored[i, j]) < tolerance for i, j in enumerate(partner)):
        along = (along - along[partner]) / 2
    return np.outer(along, axis)


def _closed(unit: RigidUnit, tolerance: float) -> Array:
    """The operations within the widest tolerance, up to the given one, that make a group."""
    while True:
        operations = permuting(unit, tolerance)
        exchanges = {tuple(permutation(unit, one).tolist()) for one in operations}
        products = {tuple(np.array(b)[list(a)].tolist()) for a in exchanges for b in exchanges}
        if products <= exchanges or tolerance < 1e-6:
            return operations
        tolerance /= 2
