"""The crystals of reference phases, and a hull for any potential, made by relaxing them with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from gencsp import records
from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.entries import DEFAULT_MODEL, HullEntry
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


#: Ids of the crystals that ship as OQMD has them, by their place; :func:`make_references` keeps
#: them.
_AS_IN_OQMD = "oqmd-icsd-{}"
_NUMBERED = re.compile(r"oqmd-icsd-(\d+)")


def reference_crystal(entry: HullEntry) -> Atoms | None:
    """The crystal of a reference phase; ``None`` where none is shipped.

    The only way to them: nothing is read before the first call. Known are relaxed crystals of the
    shipped table, by the ids of their rows, and those that :func:`make_references` was given by
    :func:`shipped_crystals`. A potential of a user's own relaxes them a little further.

    Args:
        entry: of the shipped table, or made by :func:`make_references`.

    Returns:
        A copy, with ``structure_id`` (the entry's id) in ``info``.
    """
    place = _phases().places.get(entry.entry_id)
    number = _NUMBERED.fullmatch(entry.entry_id)
    if place is not None:
        atoms = _phases().packed[place]
    elif number and int(number[1]) < len(_as_in_oqmd()):
        atoms = _as_in_oqmd()[int(number[1])]
    else:
        return None
    if Composition.of(atoms) != entry.composition.reduced:
        return None
    atoms.info[records.STRUCTURE_ID] = entry.entry_id
    return atoms


@dataclass(frozen=True, slots=True)
class _Crystals:
    """Crystals by the ids of their rows in the shipped table."""

    places: dict[str, int]
    packed: PackedStructures


@cache
def _phases() -> _Crystals:
    """Reference phases of the shipped table, relaxed with its model."""
    with open_shipped(f"hull_phases_{DEFAULT_MODEL}.npz") as file:
        arrays = dict(np.load(file, allow_pickle=False))
    ids = arrays.pop("source_id").tolist()
    return _Crystals({name: n for n, name in enumerate(ids)}, PackedStructures(arrays))


@cache
def _as_in_oqmd() -> PackedStructures:
    """OQMD-ICSD crystals of at most 20 atoms, as the database has them, stable or not."""
    with open_shipped("reference_structures.npz") as file:
        return PackedStructures(dict(np.load(file, allow_pickle=False)))


def shipped_crystals(elements: Sequence[str]) -> Iterator[Atoms]:
    """The crystals that ship with gencsp, of a chemical system and its sub-systems.

    First the phases of the shipped hull, relaxed with its model; then OQMD-ICSD crystals that are
    none of these, most of them further above the hull: with another potential or under pressure
    they may be stable.

    Raises:
        CompositionError: an element that gencsp does not know.
    """
    for symbol in elements:
        if symbol not in ELEMENTS:
            raise CompositionError(f"'{symbol}' is not an element that gencsp knows.")
    inside = frozenset(atomic_numbers[symbol] for symbol in elements)
    phases = _phases()
    names = list(phases.places)
    given: dict[tuple[Composition, int], list[Atoms]] = {}
    for place in _of_system(phases.packed, inside):
        atoms = phases.packed[place]
        given.setdefault(_kind(atoms), []).append(atoms)
        yield _named(atoms, names[place])
    for place in _of_system(_as_in_oqmd(), inside):
        atoms = _as_in_oqmd()[place]
        if not any(same_crystal(atoms, other) for other in given.get(_kind(atoms), ())):
            yield _named(atoms, _AS_IN_OQMD.format(place))


def _of_system(packed: PackedStructures, inside: frozenset[int]) -> Iterator[int]:
    """Places of the crystals that have no other elements."""
    known = np.isin(packed.numbers, list(inside))
    begins = packed.ends - packed.sizes
    whole = np.add.reduceat(known, begins, dtype=np.int64) == packed.sizes
    return (int(place) for place in np.flatnonzero(whole))


def _kind(atoms: Atoms) -> tuple[Composition, int]:
    """What crystals must share to be the same."""
    group = space_group(atoms, symprec=SYMPREC, angle_tolerance=ANGLE_TOLERANCE)
    return Composition.of(atoms).reduced, group.number


def _named(atoms: Atoms, name: str) -> Atoms:
    named = atoms.copy()
    named.info[records.STRUCTURE_ID] = name
    return named


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
        settings: how to relax, and at which pressure.
        workers: CPU threads, for engines that have them.

    Yields:
        In any order, an entry for each crystal that converged (of its enthalpy under pressure), and
        the failed relaxation of every other.
    """
    crystals = list(structures)
    for result in potential.relax(crystals, settings, workers=workers):
        if not result.converged:
            yield result
            continue
        group = space_group(result.atoms, symprec=SYMPREC, angle_tolerance=ANGLE_TOLERANCE)
        yield HullEntry(
            composition=Composition.of(result.atoms),
            energy_per_atom=result.enthalpy_per_atom,
            model=potential.model,
            entry_id=name_of(crystals[result.index], result.index),
            space_group=group.number,
            pressure=settings.pressure,
            volume_per_atom=result.atoms.cell.volume / len(result.atoms),
        )
