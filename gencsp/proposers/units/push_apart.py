"""Units that came out too close, pushed apart before a crystal is judged.

A network of the size that suits some thousand examples knows where units are, each for itself, far
better than how they avoid each other: of crystals with many units in the asymmetric unit, hardly
one keeps all distances. Steepest descent on Σ (l - d)²/2 over the pairs closer than their least
distance l mends most of them with small moves. The supplement on NaNH2 has no such step; with no
steps of it, crystals are judged as they are decoded.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.geometry.minkowski_reduction import minkowski_reduce
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gencsp.proposers.units.arrangement import Arrangement
from gencsp.proposers.units.crystal import UNIT, UnitCrystal

Array = NDArray[np.float64]

#: Of the gradient, per step: each of two overlapping atoms moves by less than half of the overlap.
RATE = 0.4
#: Å beyond the least distance that are aimed at, so that rounding does not decide.
MARGIN = 0.01
#: Å and radians: longest move and turn of a step.
LONGEST = 0.3
_IMAGES = np.array(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij")).reshape(3, -1).T


def pushed_apart(
    crystal: UnitCrystal, *, elements: Sequence[str], least: Array, steps: int
) -> UnitCrystal:
    """The crystal with units moved and turned apart, within its arrangement and cell.

    Args:
        crystal: to begin with.
        elements: of the rows of ``least``.
        least: least distances of atoms of different units, Å, shape (s, s).
        steps: most; fewer where all distances are kept before.
    """
    arrangement = Arrangement.as_given(crystal)
    signs = np.array([-1.0 if one.mirrored else 1.0 for one in arrangement.orbits])
    to_fractional = np.linalg.inv(crystal.cell.array)
    for _ in range(steps):
        moves = _moves(crystal, elements, least)
        if moves is None:
            return crystal
        shifts, turns = moves
        centres = np.array([one.centre for one in crystal.placements]) + shifts @ to_fractional
        rotations = np.array([one.rotation for one in crystal.placements])
        rotations = Rotation.from_rotvec(turns).as_matrix() @ rotations
        crystal = arrangement.crystal(
            crystal.units, crystal.cell, centres, signs[:, None, None] * rotations
        )
    return crystal


def _moves(
    crystal: UnitCrystal, elements: Sequence[str], least: Array
) -> tuple[Array, Array] | None:
    """Shifts (Å) and turns (radians) of the first unit of each orbit, (n, 3) each.

    ``None`` where all distances are kept.
    """
    atoms = crystal.atoms()
    unit = atoms.get_array(UNIT)
    kind = np.array([elements.index(symbol) for symbol in atoms.get_chemical_symbols()])
    first = _first_units(crystal)
    own = np.flatnonzero(np.isin(unit, first))
    cell, _ = minkowski_reduce(atoms.cell.array)
    fractional = atoms.positions @ np.linalg.inv(cell)
    steps = fractional[own, None] - fractional
    nearest = np.round(steps)
    same = unit[own, None] == unit
    # Within a unit the images are counted from where it is whole, and that one is none.
    steps = np.where(same[..., None], steps, steps - nearest)
    vectors = (steps[:, :, None] + _IMAGES) @ cell
    distances = np.linalg.norm(vectors, axis=-1)
    distances[same, len(_IMAGES) // 2] = np.inf
    overlap = least[kind[own, None], kind][..., None] + MARGIN - distances
    if overlap.max() <= MARGIN:
        return None
    overlap = np.maximum(overlap, 0.0) / np.maximum(distances, 1e-6)
    forces = np.einsum("abk,abkx->ax", overlap, vectors)
    shifts, turns = np.zeros((len(first), 3)), np.zeros((len(first), 3))
    for k, number in enumerate(first):
        mine = unit[own] == number
        at = atoms.positions[own[mine]]
        arms = at - at.mean(axis=0)
        shifts[k] = RATE * forces[mine].sum(axis=0)
        turns[k] = RATE * np.cross(arms, forces[mine]).sum(axis=0) / max(1.0, (arms**2).sum())
    return _limited(shifts), _limited(turns)


def _first_units(crystal: UnitCrystal) -> list[int]:
    """Numbers of the units that the placements are of."""
    found, number = [], 0
    for placement in crystal.placements:
        found.append(number)
        number += len(crystal.images(placement)[0])
    return found


def _limited(vectors: Array) -> Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors * np.minimum(1.0, LONGEST / np.maximum(lengths, 1e-12)))
