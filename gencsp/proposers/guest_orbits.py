"""Inpainting that keeps the host's symmetry: guests in whole orbits of its space group.

CHGGen puts guests into a symmetrised framework one by one, so the symmetry that the framework was
given is lost unless the guests happen to fall into its orbits. Here they start in orbits, and the
reverse diffusion runs under ``FixAtoms`` on the host and ``FixSymmetry`` on the whole crystal, so
the result has the framework's space group. Crystals of other space groups are reached by the plain
inpainting of the paper only.
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import numpy as np
import spglib
from ase import Atoms
from ase.constraints import FixAtoms, FixSymmetry
from numpy.typing import NDArray

from gencsp.descriptors.flaws import SAMPLER_START_SHARE
from gencsp.proposers.base import Request
from gencsp.proposers.checks import keeps_apart
from gencsp.proposers.score import ScoreOptions, ScoreProposer
from gencsp.symmetry.answers import FIX_SYMMETRY_ERRORS, answer
from gencsp.symmetry.tolerances import EXACT_SYMPREC

Array = NDArray[np.float64]

#: Draws of all orbits, and of orbits within each, before the guests are placed freely.
TRIES = 40


class GuestOrbitProposer(ScoreProposer):
    """Inpainting with the symmetry of the host kept; see :class:`ScoreProposer`.

    Where the host has no symmetry, or no whole orbits add up to the guests, they are placed freely,
    as :class:`ScoreProposer` does.
    """

    name = "guest-orbits"

    def _start(self, request: Request, host: Atoms | None, rng: np.random.Generator) -> Atoms:
        placed = None if host is None else in_orbits(host, rng=rng)
        if placed is not None:
            from gencsp.diffusion.noise import randomise

            return randomise(placed, rng=rng)
        return super()._start(request, host, rng)


class GuestOrbitOptions(ScoreOptions):
    """Options of :class:`GuestOrbitProposer`."""

    name = "guest-orbits"
    maker: ClassVar[type[ScoreProposer]] = GuestOrbitProposer


def in_orbits(atoms: Atoms, *, rng: np.random.Generator) -> Atoms | None:
    """Move the atoms that ``FixAtoms`` leaves free to random orbits of the fixed ones' space group.

    Args:
        atoms: host, held by ``FixAtoms``, and guests, wherever they are.
        rng: where orbits and points come from.

    Returns:
        A copy held by ``FixAtoms`` and ``FixSymmetry``, or ``None`` where the host has no
        symmetry or no draw of orbits added up to the guests.
    """
    held = np.concatenate([c.index for c in atoms.constraints if isinstance(c, FixAtoms)])
    host = atoms[np.sort(held)]
    found = _operations(host)
    if found is None or len(found[0]) == 1:
        return None
    free = np.setdiff1d(np.arange(len(atoms)), held)
    for _ in range(TRIES):
        placed = _place(atoms, free, *found, rng)
        if placed is None or not keeps_apart(placed, separation=SAMPLER_START_SHARE):
            continue
        try:
            symmetry = FixSymmetry(placed, symprec=EXACT_SYMPREC)
        except FIX_SYMMETRY_ERRORS:
            continue
        if len(symmetry.rotations) == len(found[0]):
            placed.set_constraint([FixAtoms(held), symmetry])
            return placed
    return None


def _place(
    atoms: Atoms,
    free: NDArray[np.int64],
    rotations: Array,
    translations: Array,
    rng: np.random.Generator,
) -> Atoms | None:
    """The crystal with its free atoms in random orbits, ``None`` where they did not add up."""
    fractional = atoms.get_scaled_positions(wrap=False)
    for symbol, count in sorted(Counter(atoms.symbols[free]).items()):
        orbits = _orbits(rotations, translations, count, rng)
        if orbits is None:
            return None
        fractional[[k for k in free if atoms.symbols[k] == symbol]] = orbits
    return Atoms(atoms.numbers, scaled_positions=fractional, cell=atoms.cell, pbc=True)


def _operations(host: Atoms) -> tuple[Array, Array] | None:
    """Rotations (m, 3, 3) and translations (m, 3) of the host, ``None`` where spglib fails."""
    bare = (host.cell.array, host.get_scaled_positions(), host.numbers)
    found = answer(spglib.get_symmetry, bare, symprec=EXACT_SYMPREC)
    if found is None:
        return None
    return found["rotations"].astype(float), found["translations"]


def _orbits(
    rotations: Array, translations: Array, count: int, rng: np.random.Generator
) -> Array | None:
    """Random orbits of ``count`` points in all, fractional, shape (count, 3).

    A point is drawn evenly in the cell and moved onto the symmetry elements of none, one, two or
    three operations, so that special positions have their chance.
    """
    chosen: list[Array] = []
    left = count
    for _ in range(TRIES):
        point = rng.random(3)
        for k in rng.integers(len(rotations), size=rng.integers(4)):
            point = _onto(point, rotations[k], translations[k])
        orbit = _distinct(rotations @ point + translations)
        if len(orbit) <= left:
            chosen.append(orbit)
            left -= len(orbit)
        if left == 0:
            return np.concatenate(chosen)
    return None


def _onto(point: Array, rotation: Array, translation: Array) -> Array:
    """The point moved to the nearest one that an operation leaves in place, if it leaves any."""
    image = rotation @ point + translation
    shift = np.round(image - point)
    # Fixed points solve (W - 1) x = shift - w; the pseudo-inverse takes the nearest, or for a screw
    # or glide a point that is not fixed, which makes a general orbit.
    miss = image - shift - point
    return np.asarray(point - np.linalg.pinv(rotation - np.eye(3)) @ miss)


def _distinct(points: Array) -> Array:
    """Points no two of which differ by a lattice vector."""
    delta = points[:, None] - points[None]
    same = (np.abs(delta - np.round(delta)) < 1e-4).all(axis=-1)
    return np.asarray(points[same.argmax(axis=1) == np.arange(len(points))])
