"""Collinear magnetic orders of a crystal, as starting moments of a calculation.

A potential such as CHGNet gives the magnitude of every moment and no sign, and its energy does not
depend on moments that a calculation starts from: it is that of the order which its training data
have, mostly ferromagnetic. So orders are enumerated here and written for density functional theory,
which alone can rank them.

An order is a sign for each magnetic atom of the cell, times one of the eight propagation vectors
with components 0 and 1/2, which double the cell in one direction: antiferromagnetism of type II in
rock salt needs one. Orders count once where symmetry makes them equal. That is told by their pair
correlations: the sums of the products of signs over all pairs of the same distance and the same two
orbits, which are all that a Heisenberg model of pair couplings within the range can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import spglib
from ase import Atoms
from ase.neighborlist import primitive_neighbor_list
from numpy.typing import NDArray

from gencsp import records
from gencsp.deck import Count, check
from gencsp.errors import DftError
from gencsp.provenance import Provenance
from gencsp.symmetry.answers import answer
from gencsp.symmetry.tolerances import ANGLE_TOLERANCE, SYMPREC

#: μ_B. CHGNet gives up to about 0.1 to atoms that have none; what counts as magnetic in the
#: Materials Project begins at 0.5 (pymatgen's CollinearMagneticStructureAnalyzer has 0.3 to 5).
LEAST_MOMENT = 0.5
#: Å: pairs of magnetic atoms compared; superexchange over one anion ends before it.
RANGE = 8.0
#: Å: distances that differ by less are of one shell, as symmetry at CHGGen's tolerance allows.
SHELL = 0.1
#: Magnetic atoms of a cell whose signs are tried one by one; beyond, whole orbits flip together.
MOST_SINGLE = 10
#: Of orbits, beyond which later ones follow the first.
MOST_GROUPS = 12

Kind = Literal["ferromagnetic", "antiferromagnetic", "ferrimagnetic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MagneticOrder:
    """One order.

    Attributes:
        kind: antiferromagnetic where the moments cancel.
        atoms: the crystal, in a cell of once or twice its size, with initial magnetic moments, μ_B.
    """

    kind: Kind
    atoms: Atoms


def magnetic_orders(
    atoms: Atoms, moments: Sequence[float] | NDArray[np.float64], *, most: int = 4
) -> list[MagneticOrder]:
    """Orders to try, the ferromagnetic one first.

    Those whose moments cancel come before others; among them those with the smaller cell, and then
    those with more antiparallel nearest neighbours.

    Args:
        atoms: a crystal.
        moments: magnitudes, μ_B, shape (n,), such as CHGNet's; atoms below :data:`LEAST_MOMENT`
            start without a moment.
        most: how many.

    Returns:
        Fewer where there are no more; none where no atom is magnetic.

    Raises:
        DftError: as many moments are needed as there are atoms.
        RequestError: ``most`` is below one.
    """
    check("most", most, Count)
    sizes = np.abs(np.asarray(moments, dtype=np.float64))
    if sizes.shape != (len(atoms),) or not np.isfinite(sizes).all():
        raise DftError(f"{atoms.symbols} needs one finite magnetic moment for each atom.")
    magnetic = np.flatnonzero(sizes >= LEAST_MOMENT)
    if not len(magnetic):
        return []
    pairs = _Pairs.of(atoms, magnetic)
    seen: set[tuple[int, ...]] = set()
    found: list[tuple[tuple[bool, bool, int, tuple[float, ...]], MagneticOrder]] = []
    for wave in product((0, 1), repeat=3):
        for signs in _signs(pairs.orbits):
            correlations = pairs.correlations(signs, wave)
            key = tuple(correlations.tolist())
            if key in seen:
                continue
            seen.add(key)
            order = _ordered(atoms, sizes, magnetic, signs, wave)
            rank = (
                order.kind != "ferromagnetic",
                order.kind == "ferrimagnetic",
                sum(wave) > 0,
                tuple((correlations / pairs.counts).tolist()),
            )
            found.append((rank, order))
    found.sort(key=lambda one: one[0])
    return [order for _, order in found[:most]]


def with_orders(structures: Sequence[Atoms], *, most: int) -> list[Atoms]:
    """Each structure in its magnetic orders, in the order given.

    Moments are those of a structure's calculator; where it has none, those that CHGNet gives.
    Structures without magnetic atoms come once, as they are. The others have ids such as ``s7-fm``,
    ``s7-afm1`` and ``s7-fim1``, the structure as their parent, and ``magnetic_order`` in ``info``.

    Raises:
        RequestError: ``most`` is below one.
        EngineError, WeightsError: CHGNet is needed and not there.
    """
    check("most", most, Count)
    made: list[Atoms] = []
    for atoms, moments in zip(structures, _moments(structures), strict=True):
        orders = [] if moments is None else magnetic_orders(atoms, moments, most=most)
        counts: dict[str, int] = {}
        for order in orders:
            short = _SHORT[order.kind]
            counts[short] = counts.get(short, 0) + 1
            number = "" if short == "fm" else str(counts[short])
            made.append(_named(atoms, order, f"{short}{number}"))
        if not orders:
            made.append(atoms)
    return made


_SHORT: dict[Kind, str] = {
    "ferromagnetic": "fm",
    "antiferromagnetic": "afm",
    "ferrimagnetic": "fim",
}


def _named(source: Atoms, order: MagneticOrder, ending: str) -> Atoms:
    atoms = order.atoms
    before = Provenance.read(source)
    name = str(source.info.get(records.STRUCTURE_ID, source.symbols))
    if before is not None:
        before.child(f"{name}-{ending}", before.stage).write(atoms)
    atoms.info[records.STRUCTURE_ID] = f"{name}-{ending}"
    atoms.info[records.PARENTS] = name
    atoms.info[records.MAGNETIC_ORDER] = order.kind
    return atoms


def _moments(structures: Sequence[Atoms]) -> Iterator[NDArray[np.float64] | None]:
    """Of each structure; ``None`` where nothing gives any."""
    for atoms in structures:
        known = None if atoms.calc is None else atoms.calc.results.get("magmoms")
        if known is None:
            from gencsp.potentials import get_potential

            (found,) = get_potential().evaluate([atoms], magmoms=True)
            known = found.magmoms if found.failure is None else None
        yield None if known is None else np.asarray(known, dtype=np.float64)


def _signs(orbits: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Signs of the magnetic atoms; the first is always up, since turning all over changes nothing.

    Args:
        orbits: which orbit each belongs to, shape (m,).
    """
    groups = np.arange(len(orbits)) if len(orbits) <= MOST_SINGLE else orbits
    names = np.unique(groups)[:MOST_GROUPS]
    for others in product((1, -1), repeat=len(names) - 1):
        chosen = dict(zip(names.tolist(), (1, *others), strict=True))
        yield np.array([chosen.get(int(group), 1) for group in groups])


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of magnetic atoms within :data:`RANGE`, by shells.

    Attributes:
        orbits: of the magnetic atoms, shape (m,).
        first, second: the two of each pair, by their place among the magnetic atoms, shape (p,).
        shifts: cells between them, shape (p, 3).
        shell: of each pair, numbered by distance, shape (p,).
        counts: pairs of each shell, shape (s,).
    """

    orbits: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    shifts: NDArray[np.int64]
    shell: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, atoms: Atoms, magnetic: NDArray[np.int64]) -> _Pairs:
        cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        data = answer(
            spglib.get_symmetry_dataset, cell, symprec=SYMPREC, angle_tolerance=ANGLE_TOLERANCE
        )
        kinds = np.arange(len(atoms)) if data is None else np.asarray(data.crystallographic_orbits)
        orbits = kinds[magnetic].astype(np.int64)
        first, second, distances, shifts = primitive_neighbor_list(
            "ijdS", (True, True, True), atoms.cell.array, atoms.positions[magnetic], RANGE
        )
        low = np.minimum(orbits[first], orbits[second])
        high = np.maximum(orbits[first], orbits[second])
        order = np.lexsort((high, low, distances))
        steps = np.diff(distances[order], prepend=0.0) > SHELL
        distance_shell = np.empty(len(order), dtype=np.int64)
        distance_shell[order] = np.cumsum(steps)
        keys = np.stack([distance_shell, low, high], axis=1)
        _, shell, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        return cls(orbits, first, second, shifts, shell.reshape(-1), counts)

    def correlations(self, signs: NDArray[np.int64], wave: tuple[int, ...]) -> NDArray[np.int64]:
        """Sum of the products of signs in each shell, shape (s,)."""
        phase = 1 - 2 * ((self.shifts @ np.array(wave)) % 2)
        products = signs[self.first] * signs[self.second] * phase
        sums = np.zeros(len(self.counts), dtype=np.int64)
        np.add.at(sums, self.shell, products)
        return sums


def _ordered(
    atoms: Atoms,
    sizes: NDArray[np.float64],
    magnetic: NDArray[np.int64],
    signs: NDArray[np.int64],
    wave: tuple[int, ...],
) -> MagneticOrder:
    up = np.zeros(len(atoms))
    up[magnetic] = sizes[magnetic] * signs
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    if any(wave):
        crystal, moments = _doubled(bare, wave), np.concatenate([up, -up])
    else:
        crystal, moments = bare, up
    crystal.set_initial_magnetic_moments(moments)
    total, largest = abs(float(moments.sum())), float(np.abs(moments).sum())
    kind: Kind = "ferrimagnetic"
    if np.all(moments >= 0):
        kind = "ferromagnetic"
    elif total < 0.01 * largest:
        kind = "antiferromagnetic"
    return MagneticOrder(kind=kind, atoms=crystal)


def _doubled(atoms: Atoms, wave: tuple[int, ...]) -> Atoms:
    """A cell of two of the crystal's, the second of which has the other phase of the wave."""
    axis = wave.index(1)
    rows = np.eye(3, dtype=np.int64)
    for other in range(3):
        if other != axis and wave[other]:
            rows[other, axis] = -1  # both phases change, and the sum of the two vectors has none
    rows[axis, axis] = 2
    second = atoms.copy()
    second.positions += atoms.cell[axis]
    both: Atoms = atoms + second
    both.set_cell(rows @ atoms.cell.array)
    both.wrap()
    return both
