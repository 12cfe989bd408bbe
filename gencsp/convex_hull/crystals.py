"""The crystals of reference phases, and a hull for any potential, made by relaxing them with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from gencsp import records
from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.entries import HullEntry, shipped_references
from gencsp.convex_hull.phases import Phases
from gencsp.errors import CompositionError
from gencsp.io.packed import PackedStructures
from gencsp.io.structures import name_of
from gencsp.minimise.result import Relaxed
from gencsp.minimise.settings import RelaxSettings
from gencsp.shipped import open_shipped
from gencsp.similarity import same_crystal
from gencsp.symmetry.refinement import space_group
from gencsp.symmetry.tolerances import ANGLE_TOLERANCE, SYMPREC

if TYPE_CHECKING:
    from gencsp.potentials.base import Engine

#: As the references that ship with gencsp were made.
SETTINGS = RelaxSettings(fmax=0.05, steps=500)


#: Ids of the crystals that ship, by their numbers; :func:`make_references` keeps them.
_NUMBERED = re.compile(r"oqmd-icsd-(\d+)")
#: Crystals of entries kept in memory.
CACHED = 512
#: Relaxations of one crystal differ by less, eV/atom.
ONE_ENERGY = 1e-3


def reference_crystal(entry: HullEntry) -> Atoms | None:
    """The crystal of a reference phase; ``None`` where none is shipped.

    The only way to them: nothing is read before the first call, and then the structures of one
    formula alone are made. Known are the OQMD-ICSD crystals of at most 20 atoms, as the database
    has them: those that :func:`make_references` relaxed by their number, those of the shipped table
    by formula and space group, where all crystals of both are one.

    Args:
        entry: of the shipped table, or made by :func:`make_references`.

    Returns:
        A copy, with ``structure_id`` (the entry's id) in ``info``.
    """
    found = _crystal(entry)
    return None if found is None else found.copy()


@lru_cache(maxsize=CACHED)
def _crystal(entry: HullEntry) -> Atoms | None:
    number = _NUMBERED.fullmatch(entry.entry_id)
    if number:
        packed = _shipped()
        atoms = packed[int(number[1])] if int(number[1]) < len(packed) else None
        known = atoms is not None and Composition.of(atoms) == entry.composition.reduced
        return _named(atoms, entry) if known and atoms is not None else None
    if not _is_told_apart(entry):
        return None
    alike = [
        atoms
        for atoms in _of_formula(entry.composition)
        if space_group(atoms, symprec=SYMPREC, angle_tolerance=ANGLE_TOLERANCE).number
        == entry.space_group
    ]
    if not alike or not all(same_crystal(alike[0], other) for other in alike[1:]):
        return None
    return _named(alike[0], entry)


def _named(atoms: Atoms, entry: HullEntry) -> Atoms:
    atoms.info[records.STRUCTURE_ID] = entry.entry_id
    return atoms


def _is_told_apart(entry: HullEntry) -> bool:
    """Whether formula and space group say which row of the shipped table an entry is.

    Rows of several energies are several crystals; stackings of an element, of which the standard
    crystals have several in one space group, may have one energy. Ids of other tables say nothing
    of the crystals that ship.
    """
    own = _shipped_phases().of_formula(entry.composition)
    alike = [one for one in own if one.space_group == entry.space_group]
    if entry not in alike:
        return False
    energies = [one.energy_per_atom for one in alike]
    standard = [one for one in alike if one.entry_id.startswith("standard-")]
    return max(energies) - min(energies) < ONE_ENERGY and len(standard) < 2


@cache
def _shipped_phases() -> Phases:
    return Phases(shipped_references().entries)


@cache
def _shipped() -> PackedStructures:
    with open_shipped("reference_structures.npz") as file:
        return PackedStructures(dict(np.load(file, allow_pickle=False)))


def _of_formula(composition: Composition) -> Iterator[Atoms]:
    """The shipped crystals of a reduced formula."""
    packed = _shipped()
    begins = packed.ends - packed.sizes
    units = packed.sizes // composition.reduced.size
    matches = packed.sizes == units * composition.reduced.size
    for symbol, n in composition.reduced.counts:
        there = np.add.reduceat(packed.numbers == atomic_numbers[symbol], begins, dtype=np.int64)
        matches &= there == units * n
    return (packed[int(number)] for number in np.flatnonzero(matches))


def shipped_crystals(elements: Sequence[str]) -> Iterator[Atoms]:
    """The OQMD-ICSD crystals that ship with gencsp, of a chemical system and its sub-systems.

    Raises:
        CompositionError: an element that gencsp does not know.
    """
    for symbol in elements:
        if symbol not in ELEMENTS:
            raise CompositionError(f"'{symbol}' is not an element that gencsp knows.")
    inside = {atomic_numbers[symbol] for symbol in elements}
    packed = _shipped()
    for number in range(len(packed)):
        if set(packed.species(number).tolist()) <= inside:
            atoms = packed[number]
            atoms.info[records.STRUCTURE_ID] = f"oqmd-icsd-{number}"
            yield atoms


def make_references(
    structures: Iterable[Atoms],
    potential: Engine,
    *,
    settings: RelaxSettings = SETTINGS,
    workers: int = 1,
) -> Iterator[HullEntry | Relaxed]:
    """Relax crystals with a potential and make entries of them, as they finish.

    Args:
        structures: reference crystals.
        potential: its name becomes the model of the entries.
        settings: how to relax.
        workers: CPU threads, for engines that have them.

    Yields:
        An entry for each crystal that converged, and the failed relaxation of every other.
    """
    crystals = list(structures)
    for result in potential.relax(crystals, settings, workers=workers):
        if not result.converged:
            yield result
            continue
        group = space_group(result.atoms, symprec=SYMPREC, angle_tolerance=ANGLE_TOLERANCE)
        yield HullEntry(
            composition=Composition.of(result.atoms),
            energy_per_atom=result.energy_per_atom,
            model=potential.model,
            entry_id=name_of(crystals[result.index], result.index),
            space_group=group.number,
        )
