"""Two parents cut and joined: by fractional slabs, by oblique cuts, or with an inpainted seam.

Heredity (Glass, Oganov and Hansen, CPC 175, 713 (2006)) takes a slab in fractional coordinates from
each parent; cut and splice (Deaven and Ho, PRL 75, 288 (1995)) cuts by a plane of any orientation,
here one that is periodic in the cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.cell import Cell
from ase.data import atomic_numbers
from ase.geometry.minkowski_reduction import minkowski_reduce
from numpy.typing import NDArray
from pydantic import Field

from gencsp.deck import Count
from gencsp.searches.moves.base import ConfiguredMove, Tools
from gencsp.searches.moves.repaint import inpaint

Array = NDArray[np.float64]
#: Plane normals (integers, along reciprocal vectors) of oblique cuts.
OBLIQUE = ((1, 1, 0), (1, 0, 1), (0, 1, 1), (1, -1, 0), (1, 0, -1), (0, 1, -1), (1, 1, 1))
AXES = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
#: Share of the first parent.
LEAST, MOST = 0.3, 0.7
#: Half of the seam, as a share of the distance between two cuts.
SEAM = 0.12


@dataclass(frozen=True, slots=True)
class Joined:
    """All atoms of two parents in one cell, before the composition is corrected.

    Attributes:
        cell: Å.
        numbers: atomic numbers, shape (n,).
        frac: fractional coordinates, shape (n, 3).
        inside: whether an atom lies in its own parent's half, shape (n,); the others are of use
            where a species is short.
        depth: distance to the nearest cut as a share of the period, shape (n,).
    """

    cell: Array
    numbers: NDArray[np.int64]
    frac: Array
    inside: NDArray[np.bool_]
    depth: Array

    def atoms(self, rows: NDArray[np.int64]) -> Atoms:
        """Some of the atoms, in the order given."""
        return Atoms(self.numbers[rows], scaled_positions=self.frac[rows], cell=self.cell, pbc=True)


class Heredity(ConfiguredMove):
    """A slab along a lattice vector from one parent, the rest from the other."""

    name = "heredity"
    n_parents = 2

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """True where either parent has two atoms or more."""
        return max(map(len, parents)) > 1

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        joined = join(parents, AXES, rng=rng, fixed_cell=tools.fixed_cell)
        return balanced(joined, parents, rng=rng, tools=tools)


class CutAndSplice(ConfiguredMove):
    """Joins a half of each parent along an oblique plane."""

    name = "cut-and-splice"
    n_parents = 2

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """True where either parent has two atoms or more."""
        return max(map(len, parents)) > 1

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        joined = join(parents, OBLIQUE, rng=rng, fixed_cell=tools.fixed_cell)
        return balanced(joined, parents, rng=rng, tools=tools)


class Crossover(ConfiguredMove):
    """Generative crossover: halves of two parents, the seam between them inpainted.

    Atoms near a cut and surplus atoms of a species are removed; the score model then inpaints the
    missing ones.
    """

    name = "crossover"
    n_parents = 2
    needs_model = True

    steps: Count = Field(default=15, description="Noise levels of the inpainting.")
    passes: Count = Field(default=3, description="Passes through each noise level (RePaint).")

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """True where a half can hold more than one atom."""
        return min(map(len, parents)) > 2

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        joined = join(parents, AXES + OBLIQUE, rng=rng, fixed_cell=tools.fixed_cell)
        whole = balanced(joined, parents, rng=rng, tools=tools)
        if whole is None:
            return None
        wanted = Counter(whole.numbers.tolist())
        own = np.flatnonzero(joined.inside)
        kept = []
        for k in own[np.argsort(-joined.depth[own], kind="stable")]:
            number = int(joined.numbers[k])
            if joined.depth[k] > SEAM and wanted[number] > 0:
                wanted[number] -= 1
                kept.append(int(k))
        if not kept or len(kept) == len(whole):
            return None if not kept else whole
        host = joined.atoms(np.array(sorted(kept)))
        return inpaint(host, whole, rng=rng, tools=tools, steps=self.steps, passes=self.passes)


def join(
    parents: Sequence[Atoms],
    normals: Sequence[tuple[int, int, int]],
    *,
    rng: np.random.Generator,
    fixed_cell: bool,
) -> Joined:
    """Put two parents into one cell, each shifted at random, and cut by two planes of one normal.

    The cell is a mean of the two reduced ones at the mean volume per atom, with the axes of the
    second parent in a random order and direction; a fixed cell stays as it is.
    """
    cells = [_reduced_cell(parent, fixed_cell) for parent in parents]
    sizes = [len(parent) for parent in parents]
    share = rng.uniform(LEAST, MOST)
    order = np.arange(3) if fixed_cell else rng.permutation(3)
    signs = np.ones(3) if fixed_cell else rng.choice([-1.0, 1.0], size=3)
    turned = (cells[0], cells[1][order] * signs[:, None])
    cell = cells[0] if fixed_cell else _mean_cell(turned, sizes, share)
    normal = np.array(normals[int(rng.integers(len(normals)))])
    frac = np.concatenate(
        [
            (parent.positions @ np.linalg.inv(axes) + rng.random(3)) % 1.0
            for parent, axes in zip(parents, turned, strict=True)
        ]
    )
    phase = (frac @ normal) % 1.0
    depth = np.abs(phase[:, None] - np.array([0.0, share, 1.0])).min(axis=1)
    inside = (phase < share) == (np.arange(len(frac)) < sizes[0])
    numbers = np.concatenate([parent.numbers for parent in parents])
    return Joined(cell, numbers, frac, inside, depth)


def balanced(
    joined: Joined, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
) -> Atoms | None:
    """The joined halves with the atoms of the first parent, species by species.

    Of a species with too many atoms, those nearest to a cut are removed; for a species with too
    few, atoms of the other halves nearest to a cut are added. In a chemical system the numbers are
    not corrected.
    """
    own = np.flatnonzero(joined.inside)
    if tools.elements:
        return joined.atoms(own) if len(own) else None
    rows = []
    for symbol, wanted in sorted(Counter(parents[0].symbols).items()):
        species = joined.numbers == atomic_numbers[symbol]
        here, there = (np.flatnonzero(species & half) for half in (joined.inside, ~joined.inside))
        here = here[np.argsort(-joined.depth[here], kind="stable")][:wanted]
        if len(here) + len(there) < wanted:
            return None
        nearest = there[np.argsort(joined.depth[there], kind="stable")]
        rows += [here, nearest[: wanted - len(here)]]
    child = joined.atoms(np.concatenate(rows))
    ratio = len(child) / max(1, len(own))
    if not tools.fixed_cell and 0.2 < ratio < 5:
        volume = _volume_per_atom(parents, rng) * len(child)
        child.set_cell(child.cell.array * (volume / child.cell.volume) ** (1 / 3), scale_atoms=True)
    return child


def _volume_per_atom(parents: Sequence[Atoms], rng: np.random.Generator) -> float:
    """Between those of the parents, Å³."""
    volumes = [parent.cell.volume / len(parent) for parent in parents]
    return float(rng.uniform(min(volumes), max(volumes)))


def _reduced_cell(atoms: Atoms, fixed_cell: bool) -> Array:
    if fixed_cell:
        return np.asarray(atoms.cell.array)
    cell, _ = minkowski_reduce(atoms.cell.array)
    return np.asarray(cell)


def _mean_cell(cells: Sequence[Array], sizes: Sequence[int], share: float) -> Array:
    """Lengths and angles between those of the two cells, scaled to equal numbers of atoms."""
    one, two = (Cell(c / n ** (1 / 3)).cellpar() for c, n in zip(cells, sizes, strict=True))
    size = share * sizes[0] + (1 - share) * sizes[1]
    cell = Cell.fromcellpar(share * one + (1 - share) * two)
    return np.asarray(cell.array * size ** (1 / 3))
