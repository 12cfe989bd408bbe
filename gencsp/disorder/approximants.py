"""Ordered cells that approximate a disordered crystal.

The composition is the nearest one that a cell within the atom limit can have. All orders are
enumerated where they are few; of the symmetry-distinct ones those of lowest Ewald energy are taken.
Where they are many, orders are drawn at random and settled by swaps that lower that energy. Without
charges (alloys, several mixed valences) the orders are a random choice, unless a potential chooses
(:mod:`gencsp.disorder.energies`). Which of them is lowest is for a relaxation to say.

Why no library does it: ``icet`` and pymatgen's callers of enumlib enumerate whole lattices, without
numbers of atoms for each group of sites and without sites that exclude each other (split
positions); pymatgen's ``OrderDisorderedStructureTransformation`` needs charges and does not reduce
by symmetry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.deck import CellAtoms, Count, check
from gencsp.descriptors.distances import pair_distances
from gencsp.descriptors.flaws import PROPOSED_SHARE
from gencsp.descriptors.least_distances import NO_PAIRS
from gencsp.disorder.charges import ionic_charges
from gencsp.disorder.counts import Counts, nearest_counts
from gencsp.disorder.crystal import DisorderedCrystal
from gencsp.disorder.energies import (
    EVALUATED,
    OrderEnergies,
    evaluate,
    order_atoms,
    swap_downhill,
)
from gencsp.disorder.orders import (
    Lattice,
    Order,
    canonical,
    enumerate_orders,
    random_order,
    settle,
)
from gencsp.errors import RequestError
from gencsp.similarity import same_crystal
from gencsp.symmetry.supercells import distinct_supercells, supercell

#: Orders of a supercell, equivalent ones counted each, up to which all are enumerated.
MOST_ORDERS = 20_000
#: Shapes of supercells that are looked at, the most compact first.
SHAPES = 3
#: Orders drawn for each one wanted, where they are too many to enumerate.
DRAWN = 4
#: eV/atom: Ewald energies nearer than this may be of one crystal in two supercells.
ALIKE = 1e-4


@dataclass(frozen=True, slots=True)
class Approximants:
    """What came of a disordered crystal.

    Attributes:
        structures: ordered cells, the lowest Ewald energy first where there are charges, or the
            lowest energy of the potential where it has chosen.
        energies: that energy of each, eV/atom; NaN without charges.
        counts: their composition, and how far it is from the mean crystal's.
        distinct: symmetry-distinct orders that were found in all.
        enumerated: whether these are all that the supercells looked at have.
        charges: of the ions, e; ``None`` where none are certain.
    """

    structures: tuple[Atoms, ...]
    energies: tuple[float, ...]
    counts: Counts
    distinct: int
    enumerated: bool
    charges: dict[str, float] | None


@dataclass(frozen=True, slots=True)
class _Made:
    sites: Atoms
    lattice: Lattice
    order: Order
    energy: float


def approximants(
    crystal: DisorderedCrystal,
    *,
    n: int,
    max_atoms: int,
    mobile: Sequence[str] = (),
    seed: int = 0,
    energies: OrderEnergies | None = None,
) -> Approximants:
    """Ordered cells of a disordered crystal.

    Args:
        crystal: the mean crystal.
        n: most cells.
        max_atoms: most atoms in a cell.
        mobile: elements that are placed again later, such as guests to inpaint: the cells differ in
            the order of the others, and each has one order of these, on sites that are free.
        seed: of what is drawn at random.
        energies: of a potential, by which to choose; ``None`` for Ewald energies. At most
            :data:`.energies.EVALUATED` orders of a supercell are evaluated, those of lowest Ewald
            energy where there are charges; where there are more, the lowest go on by swaps.

    Raises:
        RequestError: no cell within the limit holds whole numbers of all elements; its sites are so
            near to each other that not all atoms find room; a mobile element is not in the crystal,
            or nothing else is.
    """
    check("n", n, Count)
    check("max_atoms", max_atoms, CellAtoms)
    _check_mobile(crystal, mobile)
    small = crystal.primitive
    charges = ionic_charges(small.amounts)
    counts = nearest_counts(
        small.groups, small.sizes.tolist(), max_atoms=max_atoms, charges=charges
    )
    rng = np.random.default_rng(seed)
    found: list[_Made] = []
    enumerated, known = True, 0
    for sites, permutations in _supercells(small, counts.multiple):
        elements = tuple(counts.amounts)
        clashes = _clashes(sites, elements)
        whole = Lattice(sites.get_tags(), elements, counts.groups, permutations, clashes)
        framework = replace(whole, counts=_without(counts.groups, mobile))
        interactions = None if charges is None else ewald_matrix(sites)
        q = np.array([0.0, *((charges or {}).get(symbol, 0.0) for symbol in elements)])
        orders = enumerate_orders(framework, most=MOST_ORDERS)
        enumerated &= orders is not None
        if orders is None:
            orders = _drawn(framework, interactions, q, DRAWN * n, rng)
            every = False
        else:
            every = len(orders) <= EVALUATED
        known += len(orders)
        most = DRAWN * n if energies is None else EVALUATED
        if len(orders) > most:
            orders = _few(orders, interactions, q, most, rng)
        filled = [_with_mobile(one, whole, framework, interactions, q, rng) for one in orders]
        complete = [one for one in filled if one is not None]
        if energies is not None:
            complete, values = _by_potential(
                complete, sites, whole, energies, rng, n=n, every=every
            )
        elif interactions is not None:
            values = [float(q[one] @ interactions @ q[one]) / counts.size for one in complete]
        else:
            values = [float("nan")] * len(complete)
        found += [_Made(sites, whole, *one) for one in zip(complete, values, strict=True)]
    if not found:
        raise RequestError(
            f"{crystal.name or crystal.formula} cannot be ordered within {max_atoms} atoms: its "
            f"sites are so near to each other that {counts.size} atoms find no room. Allow more "
            f"atoms, or correct the occupancies."
        )
    chosen = _lowest(found, n, mobile)
    return Approximants(
        structures=tuple(_atoms(one) for one in chosen),
        energies=tuple(one.energy for one in chosen),
        counts=counts,
        distinct=known,
        enumerated=enumerated,
        charges=charges,
    )


def ewald_matrix(sites: Atoms) -> NDArray[np.float64]:
    """Electrostatic energies of unit charges on pairs of sites, eV, shape (n, n).

    The energy of charges q is q·M·q, by pymatgen's ``EwaldSummation``; a cell that is not neutral
    has a constant besides.
    """
    from pymatgen.analysis.ewald import EwaldSummation
    from pymatgen.core import Lattice as PymatgenLattice
    from pymatgen.core import Species, Structure

    unit = [Species("H", 1)] * len(sites)
    structure = Structure(
        PymatgenLattice(sites.cell.array),
        unit,
        sites.get_scaled_positions(),
        validate_proximity=False,
    )
    return np.asarray(EwaldSummation(structure).total_energy_matrix, dtype=np.float64)


def _check_mobile(crystal: DisorderedCrystal, mobile: Sequence[str]) -> None:
    present = crystal.amounts
    absent = [symbol for symbol in mobile if symbol not in present]
    if absent:
        raise RequestError(
            f"{', '.join(absent)} is not in {crystal.name or crystal.formula}: name mobile species "
            f"that are."
        )
    if mobile and set(mobile) == set(present):
        raise RequestError(
            f"without {', '.join(mobile)} nothing is left of {crystal.name or crystal.formula}."
        )


def _supercells(
    crystal: DisorderedCrystal, multiple: int
) -> Iterator[tuple[Atoms, NDArray[np.int64]]]:
    """Sites and permutations of the most compact supercells."""
    rotations, _ = crystal.operations()
    for matrix in distinct_supercells(crystal.sites.cell.array, rotations, multiple)[:SHAPES]:
        sites = supercell(crystal.sites, matrix)
        yield sites, crystal.operations(sites)[1]


def _clashes(sites: Atoms, elements: Sequence[str]) -> NDArray[np.bool_]:
    """Which elements cannot be on which sites together; vacancies can be anywhere."""
    distances = pair_distances(sites)
    least = NO_PAIRS.least(elements, separation=PROPOSED_SHARE)
    clashes = np.zeros((len(sites), len(sites), len(elements) + 1, len(elements) + 1), dtype=bool)
    clashes[:, :, 1:, 1:] = distances[:, :, None, None] < least
    # A site and its own image in a thin cell: no order could change that.
    clashes[np.arange(len(sites)), np.arange(len(sites))] = False
    return clashes


def _without(
    groups: Sequence[Mapping[str, int]], mobile: Sequence[str]
) -> tuple[dict[str, int], ...]:
    return tuple({s: n for s, n in group.items() if s not in mobile} for group in groups)


def _few(
    orders: Sequence[Order],
    interactions: NDArray[np.float64] | None,
    charges: NDArray[np.float64],
    n: int,
    rng: np.random.Generator,
) -> list[Order]:
    """The n orders of lowest Ewald energy, or n at random where there are no charges."""
    if interactions is None:
        return [orders[k] for k in rng.permutation(len(orders))[:n]]
    q = charges[np.array(orders)]
    energies = np.einsum("ki,ij,kj->k", q, interactions, q, optimize=True)
    return [orders[k] for k in np.argsort(energies.round(6), kind="stable")[:n]]


def _by_potential(
    orders: list[Order],
    sites: Atoms,
    lattice: Lattice,
    energies: OrderEnergies,
    rng: np.random.Generator,
    *,
    n: int,
    every: bool,
) -> tuple[list[Order], list[float]]:
    """Orders with their energies; unless these are all there are, the lowest go on by swaps."""
    found = evaluate(orders, sites, lattice, energies)
    if not every:
        lowest = np.argsort(found, kind="stable")[: 2 * n]
        orders, found = swap_downhill(
            [orders[k] for k in lowest], found[lowest], sites, lattice, energies, rng
        )
    return orders, found.tolist()


def _drawn(
    lattice: Lattice,
    interactions: NDArray[np.float64] | None,
    charges: NDArray[np.float64],
    tries: int,
    rng: np.random.Generator,
) -> list[Order]:
    """Distinct random orders, settled where there are charges."""
    found: dict[bytes, Order] = {}
    for _ in range(tries):
        order = random_order(lattice, rng)
        if order is None:
            continue
        if interactions is not None:
            order = settle(order, lattice, interactions, charges, rng)
        found.setdefault(canonical(order, lattice), order)
    return list(found.values())


def _with_mobile(
    order: Order,
    whole: Lattice,
    framework: Lattice,
    interactions: NDArray[np.float64] | None,
    charges: NDArray[np.float64],
    rng: np.random.Generator,
) -> Order | None:
    """The order with the mobile elements on free sites; ``None`` where they find no room."""
    if framework.counts == whole.counts:
        return order
    filled = random_order(whole, rng, begin=order)
    if filled is None or interactions is None:
        return filled
    held = np.flatnonzero(order)
    return settle(filled, whole, interactions, charges, rng, held=held)


def _lowest(found: Sequence[_Made], n: int, mobile: Sequence[str]) -> list[_Made]:
    """The first in energy; of one crystal in two supercells the first."""
    ordered = sorted(found, key=lambda one: (np.isnan(one.energy), round(one.energy, 6)))
    if np.isnan(ordered[0].energy):
        ordered = list(found)
    chosen: list[_Made] = []
    for one in ordered:
        if len(chosen) == n:
            break
        near = [c for c in chosen if not abs(c.energy - one.energy) > ALIKE or mobile]
        frame = _framework(one, mobile)
        if not any(same_crystal(frame, _framework(other, mobile)) for other in near):
            chosen.append(one)
    return chosen


def _framework(made: _Made, mobile: Sequence[str]) -> Atoms:
    atoms = _atoms(made)
    return atoms[[symbol not in mobile for symbol in atoms.symbols]]


def _atoms(made: _Made) -> Atoms:
    return order_atoms(made.sites, made.lattice, made.order)
