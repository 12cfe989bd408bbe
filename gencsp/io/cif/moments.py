"""Magnetic moments of a magnetic CIF, as ASE's initial moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.errors import StructureFileError
from gencsp.io.cif.block import Block, as_number
from gencsp.io.cif.sites import Site
from gencsp.io.cif.symmetry import Operations, orbit

#: Share of the largest moment: moments off one line by less than this are collinear.
COLLINEAR = 1e-3

_AXES = tuple(f"_atom_site_moment_crystalaxis_{axis}" for axis in "xyz")


def write_moments(
    atoms: Atoms,
    block: Block,
    sites: Sequence[Site],
    sizes: Sequence[int],
    operations: Operations,
) -> None:
    """Set initial moments (Bohr magnetons), where the block has them.

    Collinear moments become one signed number for each atom; others vectors, shape (n, 3). The
    components in the file are along the lattice vectors, in units of their directions; an operation
    R turns a moment as det(R) R, an axial vector, and the time reversal changes its sign.

    Raises:
        StructureFileError: a moment is no number.
    """
    labels = block.column("_atom_site_moment_label")
    if not labels:
        return
    columns = [block.column(name) for name in _AXES]
    if any(len(column) != len(labels) for column in columns):
        raise StructureFileError(
            f"the moments of {block.where} are not given along the crystal axes, the only way "
            f"that gencsp reads."
        )
    given = {
        label: np.array([as_number(c[n], f"a moment of {block.where}") for c in columns])
        for n, label in enumerate(labels)
    }
    cell = atoms.cell.array
    unit = cell / np.linalg.norm(cell, axis=1)[:, None]
    moments = np.zeros((len(atoms), 3))
    begin = 0
    for site, size in zip(sites, sizes, strict=True):
        if site.label in given:
            vector = given[site.label] @ unit
            moments[begin : begin + size] = _images(vector, site, operations, cell)
        begin += size
    atoms.set_initial_magnetic_moments(_collinear(moments))


def _images(
    moment: NDArray[np.float64], site: Site, operations: Operations, cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    chosen = orbit(site.place, operations, cell).operations
    # Fractional rotations act on columns; in Cartesian coordinates R is A^T R A^-T.
    cartesian = cell.T @ operations.rotations[chosen] @ np.linalg.inv(cell.T)
    signs = operations.time[chosen] * np.sign(np.linalg.det(cartesian))
    return np.asarray(signs[:, None] * (cartesian @ moment))


def _collinear(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(moments, axis=1)
    if lengths.max(initial=0.0) == 0.0:
        return np.zeros(len(moments))
    axis = moments[lengths.argmax()] / lengths.max()
    along = moments @ axis
    off = np.linalg.norm(moments - along[:, None] * axis, axis=1)
    return np.asarray(along if off.max() < COLLINEAR * lengths.max() else moments)
