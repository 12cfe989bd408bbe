"""The host of a series of guest contents, and what is known of the places of its guests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from hashlib import sha256

import numpy as np
from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.disorder.approximants import approximants
from gencsp.disorder.crystal import DisorderedCrystal, SiteGroup
from gencsp.errors import RequestError
from gencsp.intercalation.contents import content_of
from gencsp.symmetry.hosts import framework
from gencsp.symmetry.supercells import primitive


def host_and_given(crystal: Atoms, guest: str) -> tuple[Atoms, list[Atoms]]:
    """The primitive cell of a host without guests, and what is known of the guests' places.

    Args:
        crystal: a host, with or without guests.
        guest: element symbol.

    Returns:
        The host; and where the crystal has guests, its primitive cell, host atoms first.

    Raises:
        CompositionError: the guest is no element that gencsp knows.
        RequestError: the crystal is made of guests alone.
    """
    Composition.from_counts({guest: 1})
    if guest not in crystal.symbols:
        host = crystal.copy()
        host.calc = None
        host.set_constraint()
        return primitive(host), []
    host = framework(crystal, [guest])
    whole = primitive(crystal)
    whole.set_constraint()
    given = host_first(whole, guest)
    given.info = {records.ORIGIN: "the crystal given"}
    return primitive(host), [given]


def host_first(atoms: Atoms, guest: str) -> Atoms:
    """The same crystal, its guests behind the atoms of the host."""
    guests = [symbol == guest for symbol in atoms.symbols]
    ordered: Atoms = atoms[np.logical_not(guests)] + atoms[guests]
    return ordered


def guest_orders(
    crystal: DisorderedCrystal | None,
    guest: str,
    unit: Composition,
    series: Sequence[Fraction],
    *,
    n: int,
    max_atoms: int,
    seed: int,
) -> list[Atoms]:
    """Orders of guests and vacancies on the sites of a crystal, at the contents of a series.

    The occupancies of all sites change by one factor. A content is left out where a site would be
    occupied more than once, or where no cell within the atom limit has it on these sites.

    Args:
        crystal: with guests; ``None`` for none, which gives nothing, as does one whose host atoms
            are disordered.
        guest: element symbol.
        unit: formula unit of the host.
        series: guest contents.
        n: orders at each content, the lowest Ewald energies.
        max_atoms: most atoms in a cell.
        seed: of what is drawn at random.

    Returns:
        Cells, host atoms first, with ``origin`` in ``info``.
    """
    if crystal is None or n == 0 or guest not in crystal.amounts:
        return []
    if any(not group.ordered for group in crystal.groups if {*group.shares} != {guest}):
        # Each order would have a host of its own, and energies of different hosts do not compare.
        return []
    small = crystal.primitive
    amounts = small.amounts
    guests = amounts.pop(guest)
    whole = guests * unit.size / sum(amounts.values())
    fullest = max(group.shares.get(guest, 0.0) for group in small.groups)
    found: list[Atoms] = []
    for x in series:
        share = float(x) / whole
        if x == 0 or share * fullest > 1 + 1e-6:
            continue
        groups = tuple(_thinned(group, guest, share) for group in small.groups)
        thinned = DisorderedCrystal(small.sites, groups, crystal.name)
        if thinned.ordered:
            continue
        try:
            made = approximants(thinned, n=n, max_atoms=max_atoms, seed=seed)
        except RequestError:
            # No room on these sites; inpainting finds its own.
            continue
        for atoms in made.structures:
            if content_of(atoms, guest, unit) == x:
                ordered = host_first(atoms, guest)
                ordered.info = {records.ORIGIN: "an order on the guests' sites"}
                found.append(ordered)
    return found


def _thinned(group: SiteGroup, guest: str, share: float) -> SiteGroup:
    """A group with that share of its guests."""
    if guest not in group.shares:
        return group
    shares = {s: n * share if s == guest else n for s, n in group.shares.items()}
    return SiteGroup(group.label, shares)


def digest_of(structures: Sequence[Atoms]) -> str:
    """Short hash of crystals, whose numbers are rounded to what files keep of them."""
    found = sha256()
    for atoms in structures:
        found.update(atoms.numbers.tobytes())
        for values in (atoms.cell.array, atoms.positions):
            found.update((np.round(values, 6) + 0.0).tobytes())
    return found.hexdigest()[:12]
