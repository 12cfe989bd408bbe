"""Orders chosen by the energy that a potential gives them before they relax.

Where no charges are certain, as in alloys and compounds of several mixed valences, there is no
Ewald energy to choose by. Single points of a potential compare unrelaxed orders instead. Orders
beyond those that can be evaluated are reached by downhill swaps: of atoms (and vacancies) on one
group of sites, several orders at a time, so that each round is one batch of the potential.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.disorder.orders import Lattice, Order

#: Energies of structures in eV/atom, NaN where there is none.
OrderEnergies = Callable[[Sequence[Atoms]], Sequence[float]]

#: Orders of a supercell that are evaluated before any swap.
EVALUATED = 200
#: Rounds of swaps, in each of which one swap of every order is evaluated.
ROUNDS = 20
#: Draws of a swap that changes an order and leaves no atoms too near to each other.
TRIES = 50


def order_atoms(sites: Atoms, lattice: Lattice, order: Order) -> Atoms:
    """The crystal of an order, grouped by element."""
    occupied = order > 0
    symbols = [lattice.elements[kind - 1] for kind in order[occupied]]
    atoms = Atoms(symbols, positions=sites.positions[occupied], cell=sites.cell, pbc=True)
    grouped: Atoms = atoms[np.argsort(order[occupied], kind="stable")]
    return grouped


def evaluate(
    orders: Sequence[Order], sites: Atoms, lattice: Lattice, energies: OrderEnergies
) -> NDArray[np.float64]:
    """Energies of orders, eV/atom; what has none is infinitely high."""
    if not orders:
        return np.empty(0)
    found = np.array(energies([order_atoms(sites, lattice, one) for one in orders]), dtype=float)
    return np.where(np.isfinite(found), found, np.inf)


def swap_downhill(
    orders: Sequence[Order],
    before: NDArray[np.float64],
    sites: Atoms,
    lattice: Lattice,
    energies: OrderEnergies,
    rng: np.random.Generator,
    *,
    rounds: int = ROUNDS,
) -> tuple[list[Order], NDArray[np.float64]]:
    """Swap atoms and vacancies within groups of sites as long as that lowers the energy.

    Args:
        orders: where to begin; each goes its own way.
        before: their energies, eV/atom, shape (n,).
        sites: all sites.
        lattice: what the orders are made on.
        energies: of structures.
        rng: which swaps are tried.
        rounds: swaps tried for each order.

    Returns:
        The orders, none higher than it was, and their energies.
    """
    now, lowest = [one.copy() for one in orders], before.copy()
    for _ in range(rounds):
        tried = {k: swapped for k, one in enumerate(now)
                 if (swapped := _swapped(one, lattice, rng)) is not None}  # fmt: skip
        found = evaluate(list(tried.values()), sites, lattice, energies)
        for (k, swapped), energy in zip(tried.items(), found, strict=True):
            if energy < lowest[k]:
                now[k], lowest[k] = swapped, energy
    return now, lowest


def _swapped(order: Order, lattice: Lattice, rng: np.random.Generator) -> Order | None:
    """The order with two different occupants of one group exchanged; ``None`` where none can be."""
    mixed = [
        group for group in np.unique(lattice.groups)
        if len(np.unique(order[lattice.groups == group])) > 1
    ]  # fmt: skip
    everywhere = np.arange(len(order))
    for _ in range(TRIES if mixed else 0):
        # A site of a mixed group at random, and any site of the group that holds something else.
        first = rng.choice(np.flatnonzero(np.isin(lattice.groups, mixed)))
        others = (lattice.groups == lattice.groups[first]) & (order != order[first])
        second = rng.choice(np.flatnonzero(others))
        swapped = order.copy()
        swapped[[first, second]] = order[[second, first]]
        if not any(
            lattice.clashes[site, everywhere, swapped[site], swapped].any()
            for site in (first, second)
        ):
            return swapped
    return None
