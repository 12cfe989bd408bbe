"""A hull for any potential, from reference crystals that are relaxed with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from gencsp import records
from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.entries import HullEntry
from gencsp.errors import CompositionError
from gencsp.io.packed import PackedStructures
from gencsp.io.structures import name_of
from gencsp.minimise.result import Relaxed
from gencsp.minimise.settings import RelaxSettings
from gencsp.shipped import open_shipped
from gencsp.symmetry.refinement import space_group
from gencsp.symmetry.tolerances import ANGLE_TOLERANCE, SYMPREC

if TYPE_CHECKING:
    from gencsp.potentials.base import Engine

#: As the references that ship with gencsp were made.
SETTINGS = RelaxSettings(fmax=0.05, steps=500)


def shipped_crystals(elements: Sequence[str]) -> Iterator[Atoms]:
    """The OQMD-ICSD crystals that ship with gencsp, of a chemical system and its sub-systems.

    Raises:
        CompositionError: an element that gencsp does not know.
    """
    for symbol in elements:
        if symbol not in ELEMENTS:
            raise CompositionError(f"'{symbol}' is not an element that gencsp knows.")
    inside = {atomic_numbers[symbol] for symbol in elements}
    with open_shipped("reference_structures.npz") as file:
        packed = PackedStructures(dict(np.load(file, allow_pickle=False)))
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
