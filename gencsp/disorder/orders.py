"""Orders of atoms and vacancies on the sites of a supercell: all of them, or random ones.

An order is an array of one number for each site: 0 for a vacancy, k for the k-th element. Two that
an operation of the mean crystal's space group turns into each other are one, as in enumerations of
derivative structures (G. L. W. Hart, R. W. Forcade, Phys. Rev. B 77, 224115 (2008)). Sites that are
too near to each other, such as split positions, are never occupied together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
Order = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Lattice:
    """What orders are made on.

    Attributes:
        groups: number of the group of each site, shape (n,).
        elements: symbols; element k has the number k + 1 in an order.
        counts: for each group the atoms of each element.
        permutations: the site that each operation of the space group takes each site to, shape
            (m, n). They are a group, so ``order[permutations]`` are all images of an order.
        clashes: whether elements (or vacancies) a and b may not be on sites i and j together,
            shape (n, n, e + 1, e + 1).
    """

    groups: IntArray
    elements: tuple[str, ...]
    counts: tuple[Mapping[str, int], ...]
    permutations: IntArray
    clashes: NDArray[np.bool_]

    def numbers(self, group: int) -> list[int]:
        """Atoms and vacancies of a group: how many sites have the number 0, 1, ... of an order."""
        sites = int((self.groups == group).sum())
        of_elements = [self.counts[group].get(symbol, 0) for symbol in self.elements]
        return [sites - sum(of_elements), *of_elements]


def enumerate_orders(lattice: Lattice, *, most: int) -> list[Order] | None:
    """One order of each symmetry-distinct class; ``None`` where there are more than ``most``.

    Args:
        lattice: what orders are made on.
        most: orders, equivalent ones counted each, and ten times as many partial ones, after which
            the enumeration is given up.
    """
    left = [lattice.numbers(group) for group in range(len(lattice.counts))]
    # Sites of one choice first, so that they are not gone through again for every order.
    choices = np.array([np.count_nonzero(numbers) for numbers in left])[lattice.groups]
    sequence = np.argsort(choices, kind="stable")
    order = np.zeros(len(lattice.groups), dtype=np.int8)
    found: list[Order] = []
    steps = 0

    def fill(done: int) -> bool:
        nonlocal steps
        steps += 1
        if steps > 10 * most + len(order):
            return False
        if done == len(order):
            found.append(order.copy())
            return len(found) <= most
        site, before = sequence[done], sequence[:done]
        own = left[lattice.groups[site]]
        for kind, n in enumerate(own):
            if n == 0 or lattice.clashes[site, before, kind, order[before]].any():
                continue
            own[kind] -= 1
            order[site] = kind
            whole = fill(done + 1)
            own[kind] += 1
            if not whole:
                return False
        order[site] = 0
        return True

    if not fill(0):
        return None
    return distinct(found, lattice)


def distinct(orders: Sequence[Order], lattice: Lattice) -> list[Order]:
    """The first of each class of orders that the space group turns into each other."""
    seen: set[bytes] = set()
    kept = []
    for order in orders:
        if order.tobytes() in seen:
            continue
        seen.update(image.tobytes() for image in order[lattice.permutations])
        kept.append(order)
    return kept


def canonical(order: Order, lattice: Lattice) -> bytes:
    """The same for all orders of a class: the first of its images in the order of bytes."""
    return bytes(min(image.tobytes() for image in order[lattice.permutations]))


def random_order(
    lattice: Lattice,
    rng: np.random.Generator,
    *,
    begin: Order | None = None,
    tries: int = 200,
) -> Order | None:
    """An order drawn at random; ``None`` where no draw found room for all atoms.

    Groups with the least room come first; each atom goes to a site that is free and not too near to
    those that are placed.

    Args:
        lattice: what it is made on.
        rng: what chance there is.
        begin: an order of some of the atoms, which stay; ``None`` for none.
        tries: draws.
    """
    n = len(lattice.groups)
    room = [lattice.numbers(group)[0] for group in range(len(lattice.counts))]
    sequence = sorted(range(len(room)), key=lambda group: room[group])
    for _ in range(tries):
        order = np.zeros(n, dtype=np.int8) if begin is None else begin.copy()
        if all(_place_group(order, lattice, group, rng) for group in sequence):
            return order
    return None


def _place_group(order: Order, lattice: Lattice, group: int, rng: np.random.Generator) -> bool:
    numbers = lattice.numbers(group)
    here = np.flatnonzero(lattice.groups == group)
    placed = np.bincount(order[here], minlength=len(numbers))
    kinds = [kind for kind, n in enumerate(numbers) if kind for _ in range(n - placed[kind])]
    rng.shuffle(kinds)
    free = list(rng.permutation(here[order[here] == 0]))
    everywhere = np.arange(len(order))
    for kind in kinds:
        for place, site in enumerate(free):
            if not lattice.clashes[site, everywhere, kind, order].any():
                order[site] = kind
                del free[place]
                break
        else:
            return False
    return True


def settle(
    order: Order,
    lattice: Lattice,
    interactions: NDArray[np.float64],
    charges: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    held: IntArray | None = None,
    sweeps: int = 20,
) -> Order:
    """Swap atoms (and vacancies) within groups as long as that lowers the electrostatic energy.

    Args:
        order: where to begin.
        lattice: what it is made on.
        interactions: energies of unit charges on pairs of sites, eV, shape (n, n).
        charges: of vacancies (0) and elements, e, shape (e + 1,).
        rng: in which sequence pairs are tried.
        held: sites that stay as they are; ``None`` for none.
        sweeps: most passes over all pairs.
    """
    order = order.copy()
    free = np.ones(len(order), dtype=bool)
    free[[] if held is None else held] = False
    same = (lattice.groups[:, None] == lattice.groups[None]) & free & free[:, None]
    pairs = np.argwhere(np.triu(same, k=1))
    everywhere = np.arange(len(order))
    for _ in range(sweeps):
        changed = False
        for i, j in rng.permutation(pairs):
            if order[i] == order[j]:
                continue
            q = charges[order]
            step = q[j] - q[i]
            field = interactions @ q
            # Of q_i + step and q_j - step, with E = q·M·q and M symmetric.
            change = 2 * step * (field[i] - field[j]) + step**2 * (
                interactions[i, i] + interactions[j, j] - 2 * interactions[i, j]
            )
            if change >= -1e-9:
                continue
            order[i], order[j] = order[j], order[i]
            if any(lattice.clashes[k, everywhere, order[k], order].any() for k in (i, j)):
                order[i], order[j] = order[j], order[i]
                continue
            changed = True
        if not changed:
            break
    return order
