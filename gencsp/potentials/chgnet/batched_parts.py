"""Pieces of a batch with their graphs, small enough for the memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gencsp.minimise.crystals import Crystals, IntArray, Values
from gencsp.minimise.result import Outcome
from gencsp.potentials.chgnet.graph import Edges, split_runs


@dataclass(frozen=True, slots=True)
class Part:
    """Some crystals of a batch with their graphs.

    Attributes:
        which: their places in the batch, ascending, shape (b,).
        numbers: atomic numbers, shape (n,).
        sizes, angles: atoms and angles of each, shape (b,).
        rows: messages of each (directed edges and angles), shape (b,), on the CPU.
    """

    which: IntArray
    numbers: Tensor
    sizes: Tensor
    edges: Edges
    angles: Tensor
    rows: IntArray

    def split(self, max_rows: int) -> Iterator[Part]:
        """Runs of crystals of at most ``max_rows`` messages together (or one crystal)."""
        if not len(self.which):
            return
        for start, stop in split_runs(self.rows.tolist(), max_rows):
            chosen = np.zeros(len(self.which), dtype=np.bool_)
            chosen[start:stop] = True
            yield self.keep(chosen)

    def keep(self, chosen: NDArray[np.bool_]) -> Part:
        """The crystals for which ``chosen`` (b,) holds."""
        if chosen.all():
            return self
        keep = torch.as_tensor(chosen, device=self.sizes.device)
        atoms = torch.repeat_interleave(keep, self.sizes)
        edges = torch.repeat_interleave(keep, self.edges.counts)
        places = torch.cumsum(atoms, 0) - 1
        return Part(
            self.which[chosen],
            self.numbers[atoms],
            self.sizes[keep],
            Edges(
                places[self.edges.first[edges]],
                places[self.edges.second[edges]],
                self.edges.vectors[edges],
                self.edges.counts[keep],
            ),
            self.angles[keep],
            self.rows[chosen],
        )

    def write(
        self,
        crystals: Crystals,
        out: Values,
        energy: Tensor,
        forces: Tensor,
        virial: Tensor,
        closest: Tensor,
        moments: Tensor | None,
    ) -> None:
        """Put results where they belong in ``out``; those not finite become verdicts."""
        energies, virials = energy.cpu().numpy(), virial.cpu().numpy()
        all_forces = forces.cpu().numpy()
        sizes = self.sizes.cpu().numpy()
        shortest = closest.cpu().numpy()
        ends = np.cumsum(crystals.sizes)
        volumes = np.abs(np.linalg.det(crystals.cells))
        all_moments = None if moments is None else moments.detach().double().cpu().numpy()
        stop = 0
        for k, i in enumerate(self.which):
            here = slice(stop, stop + int(sizes[k]))
            stop = here.stop
            out.closest[i] = shortest[k]
            numbers = (energies[k], all_forces[here], virials[k])
            if not all(np.isfinite(x).all() for x in numbers):
                out.failures[i] = Outcome.NOT_FINITE
                continue
            there = slice(int(ends[i] - sizes[k]), int(ends[i]))
            out.energies[i] = energies[k]
            out.forces[there] = all_forces[here]
            out.stresses[i] = (virials[k] + virials[k].T) / (2 * volumes[i])
            if out.magmoms is not None and all_moments is not None:
                out.magmoms[there] = all_moments[here]
