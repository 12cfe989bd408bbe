"""Slabs: the crystal is cut into layers, which are reordered as FUSE reorders its modules.

FUSE (Collins et al., Nature 546, 280 (2017)) builds crystals of modules stacked along an axis and
swaps and shifts them; here the modules are slabs of any crystal between planes of its cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from gencsp.searches.moves.base import ConfiguredMove, Tools, bare

#: In-plane shifts of a slab, as fractions of a lattice vector.
SHIFTS = np.array([0.0, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4])


class Slabs(ConfiguredMove):
    """Two to four slabs along a lattice vector are reordered, and each may shift or turn over."""

    name = "slabs"

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """True for two atoms or more."""
        return len(parents[0]) > 1

    def __call__(
        self,
        parents: Sequence[Atoms],
        *,
        rng: np.random.Generator,
        tools: Tools,  # noqa: ARG002
    ) -> Atoms | None:
        """See :class:`~gencsp.searches.moves.base.Move`."""
        child = bare(parents[0])
        axis = int(rng.integers(3))
        # In the order of the remaining axes: the two that span the plane.
        plane = [k for k in range(3) if k != axis]
        fractional = child.get_scaled_positions()
        height = (fractional[:, axis] + rng.random()) % 1.0
        n = int(rng.integers(2, 5))
        bounds = np.concatenate([[0.0], np.sort(rng.random(n - 1)), [1.0]])
        slab = np.searchsorted(bounds, height, side="right") - 1
        order = rng.permutation(n)
        base = 0.0
        for k in order:
            rows = slab == k
            thickness = bounds[k + 1] - bounds[k]
            depth = height[rows] - bounds[k]
            if rng.random() < 0.25:
                depth = thickness - depth
            fractional[rows, axis] = base + depth
            fractional[np.ix_(rows, plane)] += rng.choice(SHIFTS, size=2)
            base += thickness
        child.set_scaled_positions(fractional)
        return child
