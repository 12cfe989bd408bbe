"""The batched PyTorch engine: for GPUs, and wherever the native extension is absent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from gencsp.deck import Workers, check
from gencsp.descriptors.flaws import too_dense, too_sparse
from gencsp.executors.devices import find_device
from gencsp.minimise.crystals import Crystals, Values
from gencsp.minimise.inflight import relax_in_flight
from gencsp.minimise.result import Outcome, PathCallback, Relaxed, StepCallback
from gencsp.minimise.settings import RelaxSettings
from gencsp.minimise.verdicts import check_input, too_close
from gencsp.potentials.base import Evaluation, ModelName
from gencsp.potentials.chgnet.batched_network import CHGNetwork, NetworkSettings
from gencsp.potentials.chgnet.batched_parts import Part
from gencsp.potentials.chgnet.graph import angle_counts, build_bond_graph, build_edges
from gencsp.potentials.chgnet.weights import CHGNetWeights, load_weights

#: Messages (directed edges and angles) in one pass. Each costs about 16 kB for the derivative, so
#: this is 1 GB on a CPU; on a GPU as many as fit in half of its free memory.
CPU_ROWS = 60_000
BYTES_PER_ROW = 16_000
#: Messages an atom: several times those of any crystal at normal pressure, and more than those of
#: hydrogen at 2 Å³/atom. Beyond it atoms have fallen on one another.
MAX_ROWS_PER_ATOM = 4_000
#: Atoms in flight at once during a relaxation.
CPU_ATOMS, GPU_ATOMS = 256, 16_384


class TorchEngine:
    """CHGNet over batches in PyTorch (an :class:`gencsp.potentials.base.Engine`).

    Each crystal's numbers do not depend on the others in the batch or on ``workers`` beyond the
    rounding of the floating-point type: matrix products of other shapes may add in another order.

    Args:
        model: which CHGNet weights, by name or loaded.
        device: such as "cpu" or "cuda:0"; "auto" takes a GPU where there is one.
        dtype: float32 as chgnet, or float64 for tests of derivatives.

    Raises:
        EngineError: the device is not available.
        WeightsError: the installed ``chgnet`` has no such weights.
    """

    name = "torch"

    def __init__(
        self,
        model: ModelName | CHGNetWeights = "0.3.0",
        *,
        device: str = "auto",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.device = find_device(device)
        weights = model if isinstance(model, CHGNetWeights) else load_weights(model)
        self.model, self.digest = weights.model, weights.digest
        self.elements = weights.elements
        self.dtype = dtype
        self._network = CHGNetwork(
            {name: torch.tensor(w).to(self.device, dtype) for name, w in weights.arrays.items()},
            NetworkSettings(weights.atom_cutoff, weights.bond_cutoff, weights.envelope_power),
        )
        on_cpu = self.device.type == "cpu"
        self._max_atoms = CPU_ATOMS if on_cpu else GPU_ATOMS
        self._max_rows = CPU_ROWS
        if not on_cpu:
            free, _ = torch.cuda.mem_get_info(self.device)
            self._max_rows = max(CPU_ROWS, free // (2 * BYTES_PER_ROW))

    def evaluate(
        self, structures: Sequence[Atoms], *, magmoms: bool = False, workers: int = 1
    ) -> list[Evaluation]:
        """Energies, forces, stresses and, on request, magnetic moments, in the order given.

        ``workers`` is the number of CPU threads.
        """
        check("workers", workers, Workers)
        verdicts = [check_input(atoms) for atoms in structures]
        good = [a for a, verdict in zip(structures, verdicts, strict=True) if verdict is None]
        results = iter(self._evaluate_good(good, magmoms, workers) if good else [])
        return [
            next(results) if verdict is None else Evaluation.failed(verdict, len(atoms))
            for atoms, verdict in zip(structures, verdicts, strict=True)
        ]

    def relax(
        self,
        structures: Iterable[Atoms],
        settings: RelaxSettings,
        *,
        workers: int = 1,
        on_step: StepCallback | None = None,
        on_path: PathCallback | None = None,
    ) -> Iterator[Relaxed]:
        """Relax a stream of structures in flight; ``workers`` is the number of CPU threads."""
        check("workers", workers, Workers)

        def evaluate(crystals: Crystals) -> Values:
            with _threads(workers):
                return self.compute(crystals, magmoms=True)

        results = relax_in_flight(
            structures,
            settings,
            evaluate,
            max_atoms=self._max_atoms,
            on_step=on_step,
            on_path=on_path,
        )
        return (result.made_by(self.model, self.digest) for result in results)

    def compute(self, crystals: Crystals, *, magmoms: bool = False) -> Values:
        """Energies and derivatives of a batch, with a failure for each crystal that has none."""
        out = _blank(crystals, magmoms)
        strange = np.bincount(
            crystals.owner, ~np.isfinite(crystals.positions).all(axis=1), minlength=len(crystals)
        )
        finite = np.isfinite(crystals.cells).all(axis=(1, 2)) & (strange == 0)
        sound = finite.copy()
        sound[finite] = ~too_dense(crystals.cells[finite], crystals.sizes[finite])
        for i in np.flatnonzero(~sound):
            out.failures[i] = Outcome.EXPLODED if finite[i] else Outcome.NOT_FINITE
        if sound.any():
            for part in self._parts(crystals, sound, out):
                self._fill(part, crystals, out, magmoms)
        return out

    def _evaluate_good(
        self, structures: Sequence[Atoms], magmoms: bool, workers: int
    ) -> list[Evaluation]:
        crystals = Crystals.from_atoms(structures)
        with _threads(workers):
            values = self.compute(crystals, magmoms=magmoms)
        ends = np.cumsum(crystals.sizes)[:-1]
        forces = np.split(values.forces, ends)
        moments = None if values.magmoms is None else np.split(values.magmoms, ends)
        failures = [
            Outcome.TOO_CLOSE if failure is None and too_close(closest) else failure
            for failure, closest in zip(values.failures, values.closest.tolist(), strict=True)
        ]
        return [
            Evaluation(
                energy=float(values.energies[i]),
                forces=forces[i],
                stress=np.asarray(full_3x3_to_voigt_6_stress(values.stresses[i])),
                magmoms=None if moments is None else moments[i],
            )
            if failure is None
            else Evaluation.failed(failure, int(crystals.sizes[i]))
            for i, failure in enumerate(failures)
        ]

    def _parts(self, crystals: Crystals, chosen: NDArray[np.bool_], out: Values) -> Iterator[Part]:
        """Graphs of the crystals ``chosen`` (b,) in pieces that fit the memory.

        Those without a valid graph get a failure in ``out`` instead.
        """
        batch, places = crystals.take(chosen), np.flatnonzero(chosen)
        sizes = torch.as_tensor(batch.sizes, device=self.device)
        positions = torch.as_tensor(batch.positions, device=self.device)
        cells = torch.as_tensor(batch.cells, device=self.device)
        settings = self._network.settings
        edges = build_edges(positions, cells, sizes, settings.atom_cutoff)
        owner = torch.repeat_interleave(sizes)
        n = len(batch)
        angles = angle_counts(edges, owner, settings.bond_cutoff, n)
        degree = torch.bincount(torch.cat([edges.first, edges.second]), minlength=len(owner))
        alone = torch.bincount(owner[degree == 0], minlength=n).cpu().numpy() > 0
        rows = (2 * edges.counts + angles).cpu().numpy()
        bad = alone | (rows > MAX_ROWS_PER_ATOM * batch.sizes)
        bad |= too_sparse(batch.cells, batch.sizes)
        for i in np.flatnonzero(bad):
            out.failures[places[i]] = Outcome.ISOLATED if alone[i] else Outcome.EXPLODED
        numbers = torch.as_tensor(batch.numbers, device=self.device)
        whole = Part(places, numbers, sizes, edges, angles, rows)
        yield from whole.keep(~bad).split(self._max_rows)

    def _fill(self, part: Part, crystals: Crystals, out: Values, magmoms: bool) -> None:
        """Evaluate one part into ``out``; if memory runs out, its halves, and smaller parts after.

        A single crystal that does not fit in memory gets a failure.
        """
        if not len(part.which):
            return
        try:
            self._run(part, crystals, out, magmoms)
        except torch.OutOfMemoryError:
            half = max(int(part.rows.sum()) // 2, 1)
            fits = len(part.which) > 1
            if not fits:
                out.failures[int(part.which[0])] = Outcome.BAD_INPUT
                return
        else:
            return
        # Outside the handler, so that the tensors of the failed attempt are free.
        torch.cuda.empty_cache()
        self._max_rows = min(self._max_rows, half)
        for smaller in part.split(half):
            self._fill(smaller, crystals, out, magmoms)

    def _run(self, part: Part, crystals: Crystals, out: Values, magmoms: bool) -> None:
        edges, n = part.edges, len(part.which)
        owner = torch.repeat_interleave(part.sizes)
        edge_owner = torch.repeat_interleave(edges.counts)
        vectors = edges.vectors.to(self.dtype, copy=True).requires_grad_(True)
        lengths = edges.vectors.norm(dim=1)
        bonds = build_bond_graph(
            edges.first, edges.second, lengths, len(owner), self._network.settings.bond_cutoff
        )
        has_angles = (part.angles > 0)[edge_owner, None]
        site, moments = self._network(
            part.numbers, edges.first, edges.second, vectors, bonds, has_angles, magmoms=magmoms
        )
        (slope,) = torch.autograd.grad(site.sum(), vectors)
        slope = slope.double()
        pull = torch.zeros(len(owner), 3, dtype=torch.float64, device=self.device)
        pull.index_add_(0, edges.second, slope).index_add_(0, edges.first, -slope)
        virial = torch.zeros(n, 9, dtype=torch.float64, device=self.device)
        dyads = edges.vectors[:, :, None] * slope[:, None, :]
        virial.index_add_(0, edge_owner, dyads.view(-1, 9))
        energy = torch.zeros(n, dtype=torch.float64, device=self.device)
        energy.index_add_(0, owner, site.detach().double())
        closest = torch.full((n,), torch.inf, dtype=torch.float64, device=self.device)
        closest.scatter_reduce_(0, edge_owner, lengths, "amin")
        part.write(crystals, out, energy, pull, virial.view(n, 3, 3), closest, moments)


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """Let PyTorch use ``n`` CPU threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _blank(crystals: Crystals, magmoms: bool) -> Values:
    n, b = len(crystals.numbers), len(crystals)
    return Values(
        energies=np.full(b, np.nan),
        forces=np.full((n, 3), np.nan),
        stresses=np.full((b, 3, 3), np.nan),
        closest=np.full(b, np.nan),
        failures=[None] * b,
        magmoms=np.full(n, np.nan) if magmoms else None,
    )
