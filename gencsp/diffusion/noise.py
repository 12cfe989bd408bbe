"""Random numbers of a batch, and random starting positions.

Every crystal draws from a generator of its own, in an order that depends on that crystal and the
settings alone. Its result therefore does not depend on what else is in its batch, on the order of
the batch, or on the number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from gencsp.diffusion.projection import read_constraints, require_crystal, symmetrised_positions


def standard_normal(
    rngs: Sequence[np.random.Generator], sizes: Sequence[int], *, like: Tensor
) -> Tensor:
    """Independent N(0, 1) numbers, one generator for each crystal.

    Args:
        rngs: one generator for each crystal, advanced by 3·size draws.
        sizes: atoms in each crystal.
        like: gives dtype and device.

    Returns:
        Noise, shape (sum of sizes, 3), no unit.
    """
    drawn = [rng.standard_normal((n, 3)) for rng, n in zip(rngs, sizes, strict=True)]
    return torch.as_tensor(np.concatenate(drawn), dtype=like.dtype, device=like.device)


def randomise(atoms: Atoms, *, rng: np.random.Generator) -> Atoms:
    """Copy with fresh, uniformly random positions for every atom that ``FixAtoms`` leaves free.

    This is x_T of CHGGen's algorithms: the stationary distribution of the noise on a torus. (The
    paper draws fractional coordinates from N(0, 1), which modulo 1 is uniform to 1 part in 10⁸.)

    Under ``FixSymmetry`` the positions are uniform on the set of crystals with that symmetry and
    those Wyckoff positions: the average over the group G times |G| maps the torus of all
    coordinates onto that set by an integer matrix, and such a map takes the uniform distribution to
    the uniform one.

    Args:
        atoms: fully periodic structure; it keeps its constraints, ``info`` and arrays.
        rng: generator, advanced by 3 draws for each atom.

    Raises:
        RequestError: for what is not a crystal.
        ConstraintError: as :func:`~gencsp.diffusion.projection.read_constraints`.
    """
    require_crystal(atoms)
    constraints = read_constraints(atoms)
    positions = symmetrised_positions(atoms, constraints)
    cell = np.asarray(atoms.cell.array, dtype=np.float64)
    moves = rng.random((len(atoms), 3)) @ cell
    if constraints.symmetry is not None:
        moves = constraints.symmetry.symmetrise(moves, cell) * len(constraints.symmetry.images)
    free = ~constraints.fixed
    positions[free] += moves[free]
    frac = positions @ np.linalg.inv(cell)
    positions[free] -= np.floor(frac[free]) @ cell
    fresh = atoms.copy()
    fresh.set_positions(positions, apply_constraint=False)
    return fresh


def renewed(found: Tensor, fresh: Tensor, *, share: float) -> Tensor:
    """Noise of unit variance: that of a sample, with a share of its variance drawn anew.

    DDIM (Song et al., 2021), eq. 12: share·σ_next² is its σ². Shapes are those of the arguments.
    """
    return math.sqrt(1 - share) * found + math.sqrt(share) * fresh
