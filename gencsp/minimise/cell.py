"""Atoms and cell as one set of coordinates: ASE's ``FrechetCellFilter`` over a batch.

The cell is deformed by F = exp(L); the coordinates of a structure of n atoms are its positions in
the undeformed cell and n·L, and the forces along them derive from the same energy, so that any
minimiser of functions works on them. Derivation: notes of the ``FrechetCellFilter`` docstring
(lan496.github.io, cell_grad.pdf).
"""

from __future__ import annotations

import numpy as np

from gencsp.minimise.crystals import FloatArray, IntArray


def deformation(logarithms: FloatArray) -> FloatArray:
    """F = exp(L) for logarithms (b, 3, 3)."""
    return _exponential(logarithms)


def cell_forces(
    logarithms: FloatArray,
    deformations: FloatArray,
    cells: FloatArray,
    stresses: FloatArray,
    pressure: float,
) -> FloatArray:
    """Minus the derivative of the enthalpy by L, in eV, shape (b, 3, 3).

    ``stresses`` (b, 3, 3) and ``pressure`` in eV/Å³. The Fréchet derivative of the exponential in
    all nine directions at once is the corner of the exponential of a 6 x 6 block matrix (Mathias,
    SIAM J. Matrix Anal. Appl. 17, 610 (1996)).
    """
    volumes = np.abs(np.linalg.det(cells))[:, None, None]
    virials = -volumes * (stresses + pressure * np.eye(3))
    by_deformation = virials @ np.linalg.inv(deformations).transpose(0, 2, 1)
    blocks = np.zeros((len(cells), 6, 6))
    transposed = logarithms.transpose(0, 2, 1)
    blocks[:, :3, :3] = transposed
    blocks[:, 3:, 3:] = transposed
    blocks[:, :3, 3:] = by_deformation
    return _exponential(blocks)[:, :3, 3:]


def largest_row(rows: FloatArray, counts: IntArray) -> FloatArray:
    """ASE's convergence measure: the largest norm among each structure's rows, shape (b,)."""
    norms = np.linalg.norm(rows, axis=1)
    return np.maximum.reduceat(norms, np.cumsum(counts) - counts)


def _exponential(matrices: FloatArray) -> FloatArray:
    """Matrix exponentials (b, m, m) by scaling, a Taylor series and squaring.

    SciPy's is written for large matrices: on a busy machine its threads make it the slowest part
    of a step.
    """
    norms = np.abs(matrices).sum(axis=2).max(axis=1, initial=0.0)
    squarings = int(np.ceil(np.log2(max(norms.max(initial=0.0) / 0.25, 1.0))))
    scaled = matrices / 2**squarings
    # The remainder of the series is below 0.25**15 / 15!, far under rounding.
    term = np.broadcast_to(np.eye(matrices.shape[-1]), matrices.shape)
    total = term.copy()
    for k in range(1, 15):
        term = term @ scaled / k
        total += term
    for _ in range(squarings):
        total = total @ total
    return total
