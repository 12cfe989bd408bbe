"""What every proposed structure must pass: the exact composition, and atoms that keep apart."""

from __future__ import annotations

from ase import Atoms

from gencsp.composition import Composition
from gencsp.descriptors.flaws import Limits, find_flaws


def keeps_apart(atoms: Atoms, *, separation: float) -> bool:
    """Whether a structure has no flaw, its atoms kept apart by ``separation`` among the rest.

    Args:
        atoms: crystal, periodic in three directions.
        separation: share of the sum of two covalent radii that all pairs keep, at least 0.5 Å; see
            :class:`~gencsp.descriptors.flaws.Limits`.
    """
    return not find_flaws(atoms, Limits(share=separation))


def has_composition(atoms: Atoms, composition: Composition, units: tuple[int, ...]) -> bool:
    """Whether a structure is an allowed whole number of formula units, atom by atom."""
    found = sorted(atoms.get_chemical_symbols())
    return any(found == sorted(composition.symbols(u)) for u in units)
