"""Many random conventional cells at once, by PyXtal's law, and their reduced primitive cells.

The law is that of ``pyxtal.lattice.generate_cellpara`` (PyXtal 1.1, its defaults). With
v = exp(0.35 z), z three standard normal numbers, and V the volume:

* triclinic: a : b : c = v; the angles are those between the rows of a unit matrix whose three pairs
  of off-diagonal elements are normal with standard deviation 0.2;
* monoclinic: a : b : c = v; β is normal about 90° with standard deviation 20°, from 30° to 150°;
* orthorhombic: a : b : c = v;
* tetragonal, trigonal and hexagonal (hexagonal axes): c = v₃/(v₁ v₂) (V/x)^⅓ and a = (V/(x c))^½,
  with x = 1 or √3/2;
* cubic: a = V^⅓.

A cell is drawn again if an edge is below 1.2 Å, or above V'/(1.2 Å)² with V' = abc, if an edge is
ten times another, an angle outside 30° to 150°, or if min(a cos max(β, γ), b cos max(α, γ),
c cos max(α, β)) exceeds 1.2 Å (which takes out the most acute triclinic cells).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gencsp.proposers.crystals.lattice import bravais

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

#: Crystal systems by the first letter of their Bravais lattices (h: trigonal too).
SYSTEMS = "amothc"
#: Draws of one cell before it is given up (PyXtal: 100; all but one in 10⁴ succeed in these).
TRIES = 8
#: Normal numbers of one draw: three for the edges, three for the angles.
NORMALS = 6
_WIDTH, _SHEAR = 0.35, 0.2
_SHORTEST, _RATIO = 1.2, 10.0
_LEAST, _MOST = np.pi / 6, np.pi * 5 / 6
_BETA_WIDTH = np.pi / 9


def system(space_group: int) -> int:
    """Index of its crystal system in ``SYSTEMS``."""
    return SYSTEMS.index(bravais(space_group)[0])


def random_cells(systems: IntArray, volumes: Array, normals: Array) -> tuple[Array, BoolArray]:
    """Conventional cells by PyXtal's law.

    Args:
        systems: index in ``SYSTEMS`` of each cell, shape (n,).
        volumes: of the conventional cells, Å³, shape (n,).
        normals: standard normal numbers, shape (n, tries, ``NORMALS``); the first try that passes
            is taken.

    Returns:
        The cells, rows are vectors, Å, shape (n, 3, 3), and whether any try passed, shape (n,).
    """
    angles = _angles(systems, normals[..., 3:])
    edges = _edges(systems, volumes, normals[..., :3], _volume_of_angles(angles))
    passed = _allowed(edges, angles)
    chosen = passed.argmax(axis=1)
    rows = np.arange(len(systems))
    return _vectors(edges[rows, chosen], angles[rows, chosen]), passed[rows, chosen]


def _angles(systems: IntArray, z: Array) -> Array:
    """α, β, γ in radians; shape as ``z``."""
    angles: Array = np.full(z.shape, np.pi / 2)
    hexagonal = systems == SYSTEMS.index("h")
    angles[hexagonal, :, 2] = np.pi * 2 / 3
    monoclinic = systems == SYSTEMS.index("m")
    angles[monoclinic, :, 1] += _BETA_WIDTH * z[monoclinic, :, 0]
    triclinic = systems == SYSTEMS.index("a")
    if triclinic.any():
        # Rows of [[1, u, v], [u, 1, w], [v, w, 1]].
        u, v, w = np.moveaxis(_SHEAR * z[triclinic], -1, 0)
        lengths = [np.sqrt(1 + p**2 + q**2) for p, q in ((u, v), (u, w), (v, w))]
        products = ((u * v + w + w, 1, 2), (v + u * w + v, 0, 2), (u + u + v * w, 0, 1))
        cosines = [dot / (lengths[i] * lengths[j]) for dot, i, j in products]
        angles[triclinic] = np.arccos(np.clip(np.stack(cosines, axis=-1), -1, 1))
    return angles


def _volume_of_angles(angles: Array) -> Array:
    """Volume of a cell with unit edges; zero where there is none."""
    cosines = np.cos(angles)
    squared = 1 - (cosines**2).sum(axis=-1) + 2 * cosines.prod(axis=-1)
    return np.asarray(np.sqrt(np.maximum(squared, 0)))


def _edges(systems: IntArray, volumes: Array, z: Array, unit: Array) -> Array:
    v = np.exp(_WIDTH * z)
    with np.errstate(divide="ignore"):
        product = volumes[:, None] / unit
    edges: Array = v * np.cbrt(product / v.prod(axis=-1))[..., None]
    uniaxial = np.isin(systems, (SYSTEMS.index("t"), SYSTEMS.index("h")))
    if uniaxial.any():
        x, y, w = np.moveaxis(v[uniaxial], -1, 0)
        c = w / (x * y) * np.cbrt(product[uniaxial])
        a = np.sqrt(product[uniaxial] / c)
        edges[uniaxial] = np.stack([a, a, c], axis=-1)
    cubic = systems == SYSTEMS.index("c")
    edges[cubic] = np.cbrt(volumes[cubic])[:, None, None]
    return edges


def _allowed(edges: Array, angles: Array) -> BoolArray:
    shortest, longest = edges.min(axis=-1), edges.max(axis=-1)
    largest = np.maximum(np.roll(angles, -1, axis=-1), np.roll(angles, -2, axis=-1))
    slant = (edges * np.cos(largest)).min(axis=-1)
    return np.asarray(
        np.isfinite(longest)
        & (shortest > _SHORTEST)
        & (longest < edges.prod(axis=-1) / _SHORTEST**2)
        & (longest < _RATIO * shortest)
        & (slant < _SHORTEST)
        & (angles > _LEAST).all(axis=-1)
        & (angles < _MOST).all(axis=-1)
        & (_volume_of_angles(angles) > 1e-3)
    )


def _vectors(edges: Array, angles: Array) -> Array:
    """Cells with a along x and b in the plane of x and y."""
    (a, b, c), (alpha, beta, gamma) = edges.T, np.cos(angles).T
    sine = np.sqrt(1 - gamma**2)
    cells = np.zeros((len(edges), 3, 3))
    cells[:, 0, 0] = a
    cells[:, 1, 0], cells[:, 1, 1] = b * gamma, b * sine
    y = (alpha - beta * gamma) / sine
    cells[:, 2, 0], cells[:, 2, 1] = c * beta, c * y
    cells[:, 2, 2] = c * np.sqrt(np.maximum(1 - beta**2 - y**2, 0))
    return cells


def reduced(cells: Array) -> Array:
    """Minkowski-reduced, right-handed cells of the same lattices, shortest vector first.

    Each vector is shortened by the lattice of those before it until none gets shorter (Semaev's
    algorithm), for all cells at once.

    Args:
        cells: rows are vectors, shape (n, 3, 3).
    """
    cells = _sorted(cells)
    for _ in range(100):
        before = (cells**2).sum(axis=(1, 2))
        a, b, c = cells[:, 0], cells[:, 1], cells[:, 2]
        b = b - np.rint(_dot(a, b) / _dot(a, a))[:, None] * a
        cells = _sorted(np.stack([a, b, c], axis=1))
        cells[:, 2] = _shortened(cells)
        cells = _sorted(cells)
        if ((cells**2).sum(axis=(1, 2)) > before * (1 - 1e-9)).all():
            break
    flip = np.where(np.linalg.det(cells) < 0, -1.0, 1.0)
    return np.asarray(cells * flip[:, None, None])


_NEIGHBOURS = np.array([[x, y] for x in (0, -1, 1) for y in (0, -1, 1)], dtype=float)


def _shortened(cells: Array) -> Array:
    """The third vectors less the vector of the lattice of the first two that lies nearest."""
    a, b, c = cells[:, 0], cells[:, 1], cells[:, 2]
    aa, ab, bb, ac, bc = _dot(a, a), _dot(a, b), _dot(b, b), _dot(a, c), _dot(b, c)
    determinant = aa * bb - ab**2
    x, y = np.rint((ac * bb - bc * ab) / determinant), np.rint((bc * aa - ac * ab) / determinant)
    c = c - x[:, None] * a - y[:, None] * b
    steps = np.einsum("kp,npx->nkx", _NEIGHBOURS, cells[:, :2])
    around = c[:, None] - steps
    return np.asarray(around[np.arange(len(c)), (around**2).sum(axis=-1).argmin(axis=1)])


def _sorted(cells: Array) -> Array:
    order = np.argsort((cells**2).sum(axis=-1), axis=1, kind="stable")
    return np.take_along_axis(cells, order[..., None], axis=1)


def _dot(x: Array, y: Array) -> Array:
    return np.asarray((x * y).sum(axis=-1))
