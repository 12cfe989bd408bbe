"""The symmetry operation that a crystal obeys most nearly, and symmetrisation by it.

At tolerances of about half a bond spglib's search gives up on most crystals of more than a dozen
atoms and answers P1 (it lowers its tolerance until its operations form a group). CHGGen asks for
just such tolerances, up to 2 Å, of frameworks that a generative model made. Here one operation at a
time is looked for instead: every rotation that nearly maps the lattice onto itself, with every
translation that takes one atom near another, judged by the distances between atoms and their
images. The powers of one operation always form a group, so the search always has an answer. One
operation gives the groups of moderate symmetry, P-1, C2, Cm, P2_1, R3 and their like, that the
paper reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Orders that a rotation of a lattice can have.
_ORDERS = (2, 3, 4, 6)
#: How often a translation is set to the mean of what it misses before the operation is judged.
_REFINEMENTS = 2
#: Added to the squared distance of atoms of different elements, Å².
_UNLIKE = 1e6
#: Fractional coordinates that differ by less are the same.
_SAME = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class NearOperation:
    """x → W x + t on fractional coordinates in the reduced cell, of finite order.

    Attributes:
        rotation: W, shape (3, 3).
        order: m, for which W^m is the identity.
        target: the atom that each atom comes near to, shape (n,).
        miss: W x + t less the place of the target's nearest image, fractional, shape (n, 3).
        misfit: largest distance by which it misses, Å: of an atom from its target, or of a lattice
            vector's length from that of its image.
    """

    rotation: FloatArray
    order: int
    target: IntArray
    miss: FloatArray
    misfit: float


def symmetrise_nearly(atoms: Atoms, symprec: float, angle_tolerance: float) -> Atoms | None:
    """The crystal moved onto the operation that it misses by least, in its own cell.

    Args:
        atoms: crystal, periodic in three directions.
        symprec: most that an atom, or the length of a lattice vector, may miss by, Å.
        angle_tolerance: most that an angle of the lattice may miss by, degrees.

    Returns:
        A copy without constraints, its cell stretched but not rotated; ``None`` where every
        operation misses by more.
    """
    reduced, change = minkowski_reduce(atoms.cell.array, pbc=True)
    fractional = atoms.positions @ np.linalg.inv(reduced)
    found = min(
        _operations(fractional, atoms.numbers, reduced, symprec, angle_tolerance),
        key=lambda operation: operation.misfit,
        default=None,
    )
    if found is None:
        return None
    powers = np.array([np.linalg.matrix_power(found.rotation, k) for k in range(found.order)])
    cell = average_cell(reduced, powers)
    result = atoms.copy()
    result.set_constraint()
    result.set_cell(np.linalg.inv(change) @ cell, scale_atoms=False)
    result.positions = (fractional + _moves(found)) @ cell
    return result


def average_cell(cell: FloatArray, rotations: NDArray[np.number]) -> FloatArray:
    """The cell (rows, Å) stretched without rotation to the group's average of its metric."""
    metric = cell @ cell.T
    average = np.mean([r.T @ metric @ r for r in rotations], axis=0)
    inverse = np.linalg.inv(cell)
    stretch = np.real(sqrtm(inverse @ average @ inverse.T))
    return np.asarray(cell @ stretch)


def _operations(
    fractional: FloatArray,
    numbers: IntArray,
    cell: FloatArray,
    symprec: float,
    angle_tolerance: float,
) -> Iterator[NearOperation]:
    """Operations within the tolerances, in a fixed order."""
    species, counts = np.unique(numbers, return_counts=True)
    rarest = np.flatnonzero(numbers == species[counts.argmin()])
    for rotation, order, stretch in _lattice_rotations(cell, symprec, angle_tolerance):
        turned = fractional @ rotation.T
        for other in rarest:
            shift = fractional[other] - turned[rarest[0]]
            near = _operation(fractional, numbers, cell, rotation, order, shift)
            if near is not None and max(near.misfit, stretch) <= symprec:
                yield NearOperation(
                    rotation, order, near.target, near.miss, max(near.misfit, stretch)
                )


def _lattice_rotations(
    cell: FloatArray, symprec: float, angle_tolerance: float
) -> Iterator[tuple[FloatArray, int, float]]:
    """Rotations that nearly map the lattice onto itself: matrix, order, misfit of lengths in Å."""
    matrices, orders = _finite_rotations()
    metric = cell @ cell.T
    before, after = (
        _lengths_and_angles(metric[None]),
        _lengths_and_angles(np.swapaxes(matrices, 1, 2) @ metric @ matrices),
    )
    stretch = np.abs(after[0] - before[0]).max(axis=1)
    bend = np.abs(after[1] - before[1]).max(axis=1)
    for k in np.flatnonzero((stretch <= symprec) & (bend <= angle_tolerance)):
        yield matrices[k], int(orders[k]), float(stretch[k])


def _lengths_and_angles(metrics: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lengths in Å and angles in degrees of metrics (k, 3, 3), each of shape (k, 3)."""
    lengths = np.sqrt(np.diagonal(metrics, axis1=1, axis2=2))
    pairs = ((1, 2), (0, 2), (0, 1))
    cosines = np.stack(
        [metrics[:, i, j] / (lengths[:, i] * lengths[:, j]) for i, j in pairs], axis=1
    )
    return lengths, np.degrees(np.arccos(np.clip(cosines, -1, 1)))


@lru_cache(maxsize=1)
def _finite_rotations() -> tuple[FloatArray, IntArray]:
    """Integer matrices of finite order with entries −1, 0 and 1, and their orders.

    In a Minkowski-reduced cell every symmetry of the lattice is such a matrix.
    """
    every = np.array(list(product((-1.0, 0.0, 1.0), repeat=9))).reshape(-1, 3, 3)
    every = every[np.abs(np.abs(np.linalg.det(every)) - 1) < 0.5]
    orders = np.zeros(len(every), dtype=np.int64)
    power = every.copy()
    for k in range(1, max(_ORDERS) + 1):
        back = (power == np.eye(3)).all(axis=(1, 2))
        orders[back & (orders == 0)] = k
        power = power @ every
    chosen = np.isin(orders, _ORDERS)
    return every[chosen], orders[chosen]


def _operation(
    fractional: FloatArray,
    numbers: IntArray,
    cell: FloatArray,
    rotation: FloatArray,
    order: int,
    shift: FloatArray,
) -> NearOperation | None:
    """The operation with about this translation, ``None`` where its powers form no group."""
    turned = fractional @ rotation.T
    projector = np.mean([np.linalg.matrix_power(rotation, k) for k in range(order)], axis=0)
    for _ in range(_REFINEMENTS):
        miss = _assigned(turned + shift, fractional, numbers, cell)[1]
        shift = shift - miss.mean(axis=0)
        # (W, t)^m is a translation by m P t, with P the projector on what W leaves in place; it
        # has to be one of the lattice.
        along = projector @ shift
        shift = shift - along + projector @ (np.round(order * along) / order)
    target, miss, misfit = _assigned(turned + shift, fractional, numbers, cell)
    power, total = target.copy(), miss.copy()
    for _ in range(order - 1):
        total = miss[power] + total @ rotation.T
        power = target[power]
    if (power != np.arange(len(target))).any() or np.abs(total).max() > _SAME:
        return None
    return NearOperation(rotation, order, target, miss, misfit)


def _assigned(
    images: FloatArray, fractional: FloatArray, numbers: IntArray, cell: FloatArray
) -> tuple[IntArray, FloatArray, float]:
    """Each image's atom of the same element, one to one: indices, what is missed, its most in Å."""
    difference = images[:, None] - fractional[None]
    difference -= np.round(difference)
    squared = np.square(difference @ cell).sum(axis=-1)
    squared += _UNLIKE * (numbers[:, None] != numbers[None])
    rows, target = linear_sum_assignment(squared)
    return target, difference[rows, target], float(np.sqrt(squared[rows, target].max()))


def _moves(operation: NearOperation) -> FloatArray:
    """Fractional moves that average the atoms over the powers of an operation, shape (n, 3)."""
    power, total = operation.target.copy(), operation.miss.copy()
    moves = np.zeros_like(total)
    for _ in range(operation.order - 1):
        moves[power] += total
        total = operation.miss[power] + total @ operation.rotation.T
        power = operation.target[power]
    return moves / operation.order
