"""Point groups of rigid units, as orthogonal matrices in the frame of the unit.

An operation is found by where it sends two atoms that do not lie on a line with the centre, and it
counts if it sends every atom to one of the same element. Units on one line have infinitely many
operations; theirs are told by the direction of the line.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gencsp.units.unit import RigidUnit

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

#: Å: how far an operation may send an atom beside the one whose place it takes.
EXACT = 1e-4
#: Cosines and matrix elements that differ by less are the same.
SAME = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class PointGroup:
    """The point group of a unit.

    Attributes:
        symbol: of Schoenflies, such as ``C2v``, ``D*h`` and ``C*v`` for units on a line, and ``Kh``
            for a single atom.
        operations: shape (p, 3, 3), the identity first. Of a unit on a line those of its subgroup
            D2h or C2v, and of a single atom the identity and the inversion.
        axis: unit vector along the line of the atoms, shape (3,); ``None`` for other units.
    """

    symbol: str
    operations: Array
    axis: Array | None = None

    @property
    def rotations(self) -> Array:
        """The operations of determinant 1."""
        return np.asarray(self.operations[np.linalg.det(self.operations) > 0])

    @property
    def is_chiral(self) -> bool:
        """Whether the mirror image is another unit."""
        return len(self.rotations) == len(self.operations)


@lru_cache(maxsize=256)
def point_group(unit: RigidUnit) -> PointGroup:
    """The point group of a unit, within ``EXACT``."""
    if unit.is_atom:
        return PointGroup("Kh", np.array([np.eye(3), -np.eye(3)]))
    axis = line_of(unit.positions)
    if axis is not None:
        return _linear(unit, axis)
    operations = permuting(unit, EXACT)
    return PointGroup(schoenflies(operations), operations)


def keeps(unit: RigidUnit, operations: Array, *, tolerance: float = EXACT) -> BoolArray:
    """Which orthogonal matrices send every atom of a unit to one of the same element.

    Args:
        unit: n atoms.
        operations: in its frame, shape (m, 3, 3).
        tolerance: Å.

    Returns:
        Shape (m,).
    """
    return np.asarray(misfits(unit, operations) < tolerance)


def misfits(unit: RigidUnit, operations: Array) -> Array:
    """How far orthogonal matrices send atoms at most from the nearest of the same element, Å.

    Args:
        unit: n atoms.
        operations: in its frame, shape (m, 3, 3).

    Returns:
        Shape (m,).
    """
    moved = unit.positions @ np.swapaxes(operations, 1, 2)
    squares = ((moved[:, :, None] - unit.positions) ** 2).sum(axis=-1)
    alike = _numbers(unit)[:, None] == _numbers(unit)
    return np.asarray(np.sqrt(np.where(alike, squares, np.inf).min(axis=2).max(axis=1)))


def axes_of(operations: Array) -> Array:
    """The lines about which operations turn, or on which their mirrors stand.

    Args:
        operations: orthogonal matrices, shape (m, 3, 3).

    Returns:
        Unit vectors, one for each line, shape (k, 3); those of ±1 have none.
    """
    found: list[Array] = []
    for operation in operations:
        axis = axis_of(operation)
        if axis is not None and not any(abs(axis @ one) > 1 - SAME for one in found):
            found.append(axis)
    return np.array(found).reshape(-1, 3)


def axis_of(operation: Array) -> Array | None:
    """Unit vector along the axis of an orthogonal matrix, made proper; ``None`` for ±1."""
    turn = operation * np.sign(np.linalg.det(operation))
    if np.abs(turn - np.eye(3)).max() < SAME:
        return None
    # Both the symmetric part, at 180°, and the rest are along the axis; the sum of them is stable.
    projector = turn + turn.T + (1 - np.trace(turn)) * np.eye(3)
    column = projector[:, np.argmax(np.linalg.norm(projector, axis=0))]
    return np.asarray(column / np.linalg.norm(column))


def order_of(turn: Array) -> int:
    """Smallest number of times after which a rotation is the identity."""
    angle = np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))
    return 1 if angle < SAME else _denominator(angle / (2 * np.pi))


def line_of(positions: Array, *, tolerance: float = EXACT) -> Array | None:
    """Unit vector along the line on which points about the origin lie; ``None`` if on none."""
    axis = np.linalg.svd(positions)[2][0]
    off = positions - np.outer(positions @ axis, axis)
    return axis if np.linalg.norm(off, axis=1).max() < tolerance else None


def permuting(unit: RigidUnit, tolerance: float) -> Array:
    """All orthogonal matrices that exchange atoms of a unit that is not on a line.

    Returns:
        Shape (p, 3, 3), the identity first.
    """
    numbers = _numbers(unit)
    first, second = _reference(unit)
    lengths = np.linalg.norm(unit.positions, axis=1)
    a, b = unit.positions[first], unit.positions[second]
    alike = [
        np.flatnonzero((numbers == numbers[k]) & (np.abs(lengths - lengths[k]) < 2 * tolerance))
        for k in (first, second)
    ]
    frame = np.linalg.inv(_frame(a, b))
    found = []
    for i in alike[0]:
        for j in alike[1]:
            at = unit.positions[[i, j]]
            if abs(np.linalg.norm(at[0] - at[1]) - np.linalg.norm(a - b)) > 4 * tolerance:
                continue
            for sign in (1.0, -1.0):
                frame_there = _frame(*at)
                frame_there[:, 2] *= sign
                found.append(_nearest_orthogonal(frame_there @ frame))
    operations = np.array(found)
    operations = operations[keeps(unit, operations, tolerance=3 * tolerance)]
    operations = np.array([refined(unit, one) for one in operations])
    operations = operations[keeps(unit, operations, tolerance=tolerance)]
    # The identity is the farthest from none: it stands where the reference atoms stay.
    order = np.argsort(np.abs(operations - np.eye(3)).max(axis=(1, 2)), kind="stable")
    return _distinct(operations[order])


def refined(unit: RigidUnit, operation: Array) -> Array:
    """The orthogonal matrix that best makes the exchange of atoms which another one nearly makes.

    The solution of Kabsch (Acta Cryst. A 32, 922, 1976), with mirrors where the given one has them.
    """
    exchange = permutation(unit, operation)
    left, _, right = np.linalg.svd(unit.positions[exchange].T @ unit.positions)
    hand = np.diag([1.0, 1.0, np.sign(np.linalg.det(operation) * np.linalg.det(left @ right))])
    return np.asarray(left @ hand @ right)


def permutation(unit: RigidUnit, operation: Array) -> NDArray[np.int64]:
    """Index of the atom in whose place an operation puts each atom, shape (n,)."""
    moved = unit.positions @ operation.T
    squares = ((moved[:, None] - unit.positions) ** 2).sum(axis=-1)
    return np.asarray(squares.argmin(axis=1))


def schoenflies(operations: Array) -> str:
    """Symbol of a finite point group from its matrices."""
    proper = operations[np.linalg.det(operations) > 0]
    improper = operations[np.linalg.det(operations) < 0]
    has_inversion = any(np.abs(one + np.eye(3)).max() < 1e-3 for one in improper)
    orders = [order_of(turn) for turn in proper]
    n = max(orders)
    principal = axes_of(proper[[order == n for order in orders]]) if n > 1 else np.zeros((0, 3))
    if n > 2 and len(axes_of(proper[[order > 2 for order in orders]])) > 1:
        family = {12: "T", 24: "O", 60: "I"}[len(proper)]
        if not len(improper):
            return family
        return {"T": "Th" if has_inversion else "Td", "O": "Oh", "I": "Ih"}[family]
    mirrors = axes_of(np.array([one for one in improper if _is_mirror(one)]).reshape(-1, 3, 3))
    across = bool((np.abs(mirrors @ principal.T) > 1 - 1e-3).any())
    if len(proper) == 2 * n and n > 1:
        return f"D{n}" + ("h" if across else "d" if len(improper) else "")
    if n == 1:
        return "Cs" if len(mirrors) else "Ci" if len(improper) else "C1"
    if not len(improper):
        return f"C{n}"
    return f"C{n}h" if across else f"C{n}v" if len(mirrors) else f"S{2 * n}"


def _linear(unit: RigidUnit, axis: Array) -> PointGroup:
    across = np.linalg.svd(axis[None])[2][1:]
    basis = np.array([*across, axis])
    signs = [(x, y, z) for z in (1, -1) for x in (1, -1) for y in (1, -1)]
    operations = np.array([basis.T @ np.diag(sign).astype(float) @ basis for sign in signs])
    has_centre = bool(keeps(unit, -np.eye(3)[None])[0])
    chosen = operations if has_centre else operations[:4]
    return PointGroup("D*h" if has_centre else "C*v", chosen, axis)


def _reference(unit: RigidUnit) -> tuple[int, int]:
    """Two atoms that make a frame with the centre and that few others are like."""
    numbers, lengths = _numbers(unit), np.linalg.norm(unit.positions, axis=1)
    alike = (numbers[:, None] == numbers) & (np.abs(lengths[:, None] - lengths) < 0.1)
    n_alike = alike.sum(axis=1)
    directions = unit.positions / np.maximum(lengths, 1e-9)[:, None]
    best, chosen = np.inf, (0, 1)
    for i in range(unit.size):
        for j in range(unit.size):
            sine = float(np.linalg.norm(np.cross(directions[i], directions[j])))
            reach = min(lengths[i], lengths[j]) * sine
            # A frame of atoms near the centre, or near one line, would be an inexact one.
            if reach > 0.2 * lengths.max() or (reach > EXACT and best == np.inf):
                cost = float(n_alike[i] * n_alike[j]) - 1e-3 * reach
                if reach <= 0.2 * lengths.max():
                    cost += 1e6
                if cost < best:
                    best, chosen = cost, (i, j)
    return chosen


def _frame(a: Array, b: Array) -> Array:
    return np.column_stack([a, b, np.cross(a, b)])


def _nearest_orthogonal(matrix: Array) -> Array:
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right)


def _distinct(operations: Array) -> Array:
    kept: list[Array] = []
    for operation in operations:
        if not any(np.abs(operation - one).max() < 1e-2 for one in kept):
            kept.append(operation)
    return np.array(kept)


def _is_mirror(operation: Array) -> bool:
    return bool(abs(np.trace(operation) - 1) < 1e-3)


def _denominator(part: float) -> int:
    return next(n for n in range(2, 200) if abs(part * n - round(part * n)) < 1e-3 * n)


def _numbers(unit: RigidUnit) -> NDArray[np.int64]:
    return np.unique(np.array(unit.symbols), return_inverse=True)[1]
