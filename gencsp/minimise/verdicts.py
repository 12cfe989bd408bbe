"""Limits beyond which the energies of a potential mean nothing.

A potential trained on crystals gives energies for any input, and often the lowest ones for inputs
unlike its training data. These checks end such relaxations with a reason, the same for every
engine; the limits are those of :mod:`gencsp.descriptors.flaws`.
"""

from __future__ import annotations

from ase import Atoms

from gencsp.descriptors.distances import any_coincident
from gencsp.descriptors.flaws import RELAXABLE, Flaw, find_flaws
from gencsp.descriptors.least_distances import CLOSEST
from gencsp.minimise.result import Outcome

#: Steps over which a structure must have come half way to the ceiling to be let go on.
PATIENCE = 20

#: A start with one of these cannot be evaluated at all.
_BAD_INPUT = {
    Flaw.NO_ATOMS,
    Flaw.UNKNOWN_ELEMENT,
    Flaw.NOT_FINITE,
    Flaw.NOT_PERIODIC,
    Flaw.NO_VOLUME,
}


def check_input(atoms: Atoms) -> Outcome | None:
    """Why a structure cannot be relaxed at all, or ``None``.

    Slabs and molecules are not periodic in three directions. Bad input: no atoms, elements outside
    :data:`gencsp.composition.ELEMENTS`, no volume, or numbers that are not finite. A cell too small
    for its atoms has collapsed; whether one is too wide is for the engine to say, which sees
    isolated atoms. No force parts two atoms on one place.
    """
    if len(atoms) > 0 and not atoms.pbc.all():
        return Outcome.NOT_PERIODIC
    flaws = find_flaws(atoms, RELAXABLE)
    if not _BAD_INPUT.isdisjoint(flaws):
        return Outcome.BAD_INPUT
    if Flaw.TOO_DENSE in flaws:
        return Outcome.EXPLODED
    return Outcome.TOO_CLOSE if any_coincident(atoms) else None


def check_distances(closest: float, outcome: Outcome) -> Outcome:
    """``outcome``, or ``TOO_CLOSE`` where the shortest distance, Å, makes an energy meaningless."""
    return Outcome.TOO_CLOSE if too_close(closest) else outcome


def too_close(closest: float) -> bool:
    """Whether nuclei at their shortest distance, Å, are on top of each other.

    There potentials may have deep spurious minima, and CHGNet's graph leaves out pairs on one place
    altogether.
    """
    return closest < CLOSEST


def is_hopeless(enthalpies: list[float], ceiling: float) -> bool:
    """Whether a structure stays above ``ceiling``; both in eV/atom, enthalpies step by step.

    It does when it has never been below and its last :data:`PATIENCE` steps brought it less than
    half of the way that remains.
    """
    if len(enthalpies) <= PATIENCE or min(enthalpies) <= ceiling:
        return False
    gained = enthalpies[-1 - PATIENCE] - enthalpies[-1]
    return gained < 0.5 * (enthalpies[-1] - ceiling)
