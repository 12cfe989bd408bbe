"""A vector for each crystal: the distances of neighbours, by pairs of species.

The k-th entry for a pair of species A, B is the average over the atoms A of the distance to their
k-th nearest B: the average minimum distances of Widdowson et al. (MATCH 87, 529 (2022)), resolved
by species, with the spread over the atoms A beside each average, which keeps a part of the
information of the pointwise distance distribution (Widdowson and Kurlin, NeurIPS 2022).
Nothing in it depends on rotation, reflection, origin, choice of cell or order of the atoms, and it
is continuous: where no atom moves by more than ε, no entry changes by more than 2ε (Widdowson et
al., theorem 9.2; a root mean square obeys the same bound by the triangle inequality).

Distances are measured in units of (V/N)^(1/3), so that a crystal and the same crystal under
pressure are near, as in pymatgen's ``StructureMatcher(scale=True)``.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from gencsp.descriptors.flaws import Flaw, find_flaws
from gencsp.errors import StructureFileError
from gencsp.similarity.cells import compact

FloatArray = NDArray[np.float64]

#: Neighbours of each atom that count, divided among the species by their fractions. More of them
#: distinguish stackings and superstructures: the nearest pair of different known crystals lay at
#: 0.0003 with 16, at 0.0018 with 32 and at 0.0070 with 64.
NEIGHBOURS = 64
#: What has no neighbours at measurable distances.
_NO_CRYSTAL = {Flaw.NO_ATOMS, Flaw.NOT_FINITE, Flaw.NO_VOLUME}
#: Pairs of an atom and an image of which all distances are worked out.
DENSE = 20_000
#: Images are laid out to the radius of a sphere that holds so many times the neighbours.
MARGIN = 1.6


def fingerprint(
    atoms: Atoms, *, neighbours: int = NEIGHBOURS, species_blind: bool = False
) -> FloatArray:
    """The fingerprint of a crystal.

    The Euclidean distance between two vectors of one reduced formula is a root mean square, over
    atoms and neighbours, of differences in distance in units of (V/N)^(1/3). Vectors of different
    formulas must not be compared, their lengths may differ.

    Args:
        atoms: crystal, periodic in three directions.
        neighbours: how many of each atom count.
        species_blind: all atoms as one species: for prototypes.

    Returns:
        Shape (m,), where m follows from the reduced formula alone.

    Raises:
        StructureFileError: it has no atoms, no volume, or positions that are not finite.
    """
    numbers = np.zeros(len(atoms), dtype=np.int64) if species_blind else atoms.numbers
    cell, positions = _checked(atoms)
    unit = (abs(np.linalg.det(cell)) / len(atoms)) ** (1 / 3)
    order = np.argsort(numbers, kind="stable")
    _, first, owner, sizes = np.unique(
        numbers[order], return_index=True, return_inverse=True, return_counts=True
    )
    shares = sizes / len(atoms)
    counts = np.maximum(1, np.round(neighbours * shares)).astype(int)
    parts = []
    for b, rows in enumerate(_nearest(positions[order] / unit, cell / unit, owner, counts)):
        weights = np.sqrt(shares * shares[b] / counts[b])[:, None]
        mean = np.add.reduceat(rows, first, axis=0) / sizes[:, None]
        spread = np.add.reduceat((rows - mean[owner]) ** 2, first, axis=0) / sizes[:, None]
        parts += [(weights * mean).ravel(), (weights * np.sqrt(spread)).ravel()]
    return np.concatenate(parts)


def _checked(atoms: Atoms) -> tuple[FloatArray, FloatArray]:
    """Cell and positions, the cell the cell made compact, which changes nothing else."""
    cell = np.asarray(atoms.cell.array, dtype=np.float64)
    positions = np.asarray(atoms.positions, dtype=np.float64)
    if not _NO_CRYSTAL.isdisjoint(find_flaws(atoms)):
        raise StructureFileError(
            f"a structure ({atoms.get_chemical_formula() or 'no atoms'}) has no fingerprint: it "
            f"needs atoms, three lattice vectors and finite positions."
        )
    return compact(cell), positions


def _nearest(
    positions: FloatArray, cell: FloatArray, owner: NDArray[np.int64], counts: NDArray[np.int64]
) -> list[FloatArray]:
    """Distances from each of n atoms to its ``counts[b]`` nearest of each species b.

    Returns:
        One array of shape (n, counts[b]), rows ascending, for each species b.
    """
    reach = float((3 * MARGIN * (counts.sum() + 1) / (4 * np.pi)) ** (1 / 3))
    while True:
        points, species = _images(positions, cell, owner, reach)
        found = []
        for b, k in enumerate(counts):
            distances = _least(positions, points[species == b], k + 1)
            own = (owner == b)[:, None]
            found.append(np.where(own, distances[:, 1:], distances[:, :-1]))
        farthest = max(float(block[:, -1].max()) for block in found)
        if farthest <= reach:
            return found
        # Enough images that the true neighbours are among them, where enough were found at all.
        reach = farthest * (1 + 1e-9) if np.isfinite(farthest) else 1.5 * reach


def _least(positions: FloatArray, points: FloatArray, k: int) -> FloatArray:
    """The k least distances from each position, rows ascending; infinite where points are too few.

    Of few pairs all distances are quicker than a tree.
    """
    if len(points) < k or len(points) * len(positions) > DENSE:
        distances, _ = cKDTree(points).query(positions, k=k)
        return np.asarray(distances)
    squares = cdist(positions, points, "sqeuclidean")
    nearest = np.partition(squares, k - 1, axis=1)[:, :k]
    return np.asarray(np.sqrt(np.sort(nearest, axis=1)))


def _images(
    positions: FloatArray, cell: FloatArray, owner: NDArray[np.int64], reach: float
) -> tuple[FloatArray, NDArray[np.int64]]:
    """All images of the atoms within ``reach`` of the cell, and their species."""
    inverse = np.linalg.inv(cell)
    fractional = positions @ inverse
    fractional -= np.floor(fractional)
    positions[:] = fractional @ cell
    margin = reach * np.linalg.norm(inverse, axis=0)
    steps = [np.arange(-np.ceil(m), np.ceil(m) + 1) for m in margin]
    shifts = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    images = (shifts + fractional).reshape(-1, 3)
    near = ((images >= -margin) & (images <= 1 + margin)).all(axis=1)
    return images[near] @ cell, np.tile(owner, len(shifts))[near]
