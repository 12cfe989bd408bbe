"""Two parents cut and joined: fractional slabs, oblique cuts, and a seam that is inpainted.

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
from ase.geometry.minkowski_reduction import minkowski_reduce
from numpy.typing import NDArray

from gencsp.search.moves.base import Tools
from gencsp.search.moves.repaint import inpaint

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
    """Two parents in one cell, before their numbers of atoms are put right.

    Attributes:
        inside: atoms of both parents in their own half.
        outside: the others, of use where a species is short.
        depth: for each atom of ``inside`` its distance to the nearest cut; likewise
            ``outside_depth``; as shares of the period.
    """

    inside: Atoms
    outside: Atoms
    depth: Array
    outside_depth: Array


@dataclass(frozen=True, slots=True)
class Heredity:
    """A slab along a lattice vector from one parent, the rest from the other."""

    name: str = "heredity"
    n_parents: int = 2
    keeps_cell: bool = True
    keeps_counts: bool = True
    needs_model: bool = False

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """Where either parent has two atoms."""
        return max(map(len, parents)) > 1

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        joined = join(parents, AXES, rng=rng, fixed_cell=tools.fixed_cell)
        return balanced(joined, parents, rng=rng, tools=tools)


@dataclass(frozen=True, slots=True)
class CutAndSplice:
    """Both halves of an oblique cut."""

    name: str = "cut-and-splice"
    n_parents: int = 2
    keeps_cell: bool = True
    keeps_counts: bool = True
    needs_model: bool = False

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """Where either parent has two atoms."""
        return max(map(len, parents)) > 1

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        joined = join(parents, OBLIQUE, rng=rng, fixed_cell=tools.fixed_cell)
        return balanced(joined, parents, rng=rng, tools=tools)


@dataclass(frozen=True, slots=True)
class Crossover:
    """Generative crossover: halves of two parents, the seam between them inpainted.

    Atoms near a cut, and whatever a species has too many of, are taken out; the score model puts
    in what is then missing.

    Attributes:
        steps, passes: of the inpainting.
    """

    steps: int = 15
    passes: int = 3
    name: str = "crossover"
    n_parents: int = 2
    keeps_cell: bool = True
    keeps_counts: bool = True
    needs_model: bool = True

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """Where a half can hold more than one atom."""
        return min(map(len, parents)) > 2

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        joined = join(parents, AXES + OBLIQUE, rng=rng, fixed_cell=tools.fixed_cell)
        whole = balanced(joined, parents, rng=rng, tools=tools)
        if whole is None:
            return None
        wanted = Counter(whole.symbols)
        deep_first = np.argsort(-joined.depth, kind="stable")
        kept = []
        for k in deep_first:
            symbol = joined.inside.symbols[k]
            if joined.depth[k] > SEAM and wanted[symbol] > 0:
                wanted[symbol] -= 1
                kept.append(int(k))
        if not kept or len(kept) == len(whole):
            return None if not kept else whole
        host = joined.inside[sorted(kept)]
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
    first, second = (_reduced(parent, fixed_cell) for parent in parents)
    share = rng.uniform(LEAST, MOST)
    order = np.arange(3) if fixed_cell else rng.permutation(3)
    signs = np.ones(3) if fixed_cell else rng.choice([-1.0, 1.0], size=3)
    other = second.cell.array[order] * signs[:, None]
    cell = Cell(first.cell.array) if fixed_cell else _mean_cell(first, other, len(second), share)
    normal = np.array(normals[int(rng.integers(len(normals)))])
    fractions = [
        (first.get_scaled_positions() + rng.random(3)) % 1.0,
        (second.get_scaled_positions()[:, order] * signs + rng.random(3)) % 1.0,
    ]
    parts, depths, mine = [], [], []
    for parent, x, (low, high) in zip(
        (first, second), fractions, ((0.0, share), (share, 1.0)), strict=True
    ):
        phase = (x @ normal) % 1.0
        distance = np.abs(phase[:, None] - np.array([0.0, share, 1.0])).min(axis=1)
        parts.append(Atoms(parent.numbers, scaled_positions=x, cell=cell, pbc=True))
        depths.append(distance)
        mine.append((phase >= low) & (phase < high))
    both = parts[0] + parts[1]
    depth, chosen = np.concatenate(depths), np.concatenate(mine)
    return Joined(both[chosen], both[~chosen], depth[chosen], depth[~chosen])


def balanced(
    joined: Joined, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
) -> Atoms | None:
    """The joined halves with the atoms of the first parent, species by species.

    Of a species with too many atoms those nearest to a cut go, of one with too few those of the
    other halves come that are nearest to it. In a chemical system the numbers stay as they fell.
    """
    if tools.elements:
        return joined.inside if len(joined.inside) else None
    wanted = Counter(parents[0].symbols)
    child = Atoms(cell=joined.inside.cell, pbc=True)
    for symbol in sorted(wanted):
        here = np.flatnonzero(joined.inside.symbols == symbol)
        here = here[np.argsort(-joined.depth[here], kind="stable")][: wanted[symbol]]
        child += joined.inside[here]
        there = np.flatnonzero(joined.outside.symbols == symbol)
        if len(here) + len(there) < wanted[symbol]:
            return None
        nearest = there[np.argsort(joined.outside_depth[there], kind="stable")]
        child += joined.outside[nearest[: wanted[symbol] - len(here)]]
    ratio = len(child) / max(1, len(joined.inside))
    if not tools.fixed_cell and 0.2 < ratio < 5:
        volume = _volume_per_atom(parents, rng) * len(child)
        child.set_cell(child.cell.array * (volume / child.cell.volume) ** (1 / 3), scale_atoms=True)
    return child


def _volume_per_atom(parents: Sequence[Atoms], rng: np.random.Generator) -> float:
    """Between those of the parents, Å³."""
    volumes = [parent.cell.volume / len(parent) for parent in parents]
    return float(rng.uniform(min(volumes), max(volumes)))


def _reduced(atoms: Atoms, fixed_cell: bool) -> Atoms:
    reduced = atoms.copy()
    reduced.set_constraint()
    if not fixed_cell:
        cell, _ = minkowski_reduce(atoms.cell.array)
        reduced.set_cell(cell)
    reduced.wrap()
    return reduced


def _mean_cell(first: Atoms, other: Array, n_other: int, share: float) -> Cell:
    """Lengths and angles between those of the two cells, scaled to equal numbers of atoms."""
    one = Cell(first.cell.array * (1 / len(first)) ** (1 / 3)).cellpar()
    two = Cell(other * (1 / n_other) ** (1 / 3)).cellpar()
    mean = share * one + (1 - share) * two
    size = share * len(first) + (1 - share) * n_other
    cell = Cell.fromcellpar(mean)
    return Cell(cell.array * size ** (1 / 3))
