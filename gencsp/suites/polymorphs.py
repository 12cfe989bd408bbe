"""METRe and cRMSE in a run: what was made for any polymorph of a composition counts for each.

The comparisons with what was made for the others are parts of the run of their own, because they
are many where a set has many crystals of one composition: Carbon-24 has but one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from itertools import chain

import numpy as np
from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.measure.match_rate import distance
from gencsp.measure.validity import structurally_valid
from gencsp.searches.runner import TaskOutput
from gencsp.similarity.matching import CrystalMatcher, Tolerances, structure_matcher
from gencsp.store.base import Finished, portable
from gencsp.suites.truths import KnownCrystal

#: In the names of comparisons, before a hash of the others.
OF = "-others-"
#: Structures that were made for each crystal, by its key and the seed.
Made = Mapping[tuple[str, int], Sequence[Atoms]]


def polymorph_parts(
    crystals: Sequence[KnownCrystal], made: Made, tolerances: Tolerances
) -> dict[str, Callable[[], TaskOutput]]:
    """The comparisons of each crystal with what was made for the others of its composition.

    Args:
        crystals: all of them.
        made: the structures that count.
        tolerances: of the matcher, which compares primitive cells: those of another number of
            atoms can match no crystal and are left out here.
    """
    by_key = {one.key: one for one in crystals}
    alike: dict[Composition, list[str]] = defaultdict(list)
    for one in crystals:
        alike[one.composition].append(one.key)
    sizes = _Sizes(tolerances)
    found: dict[str, Callable[[], TaskOutput]] = {}
    for key, seed in made:
        others = [other for other in alike[by_key[key].composition] if other != key]
        if not others:
            continue
        size = sizes.of(by_key[key].atoms)
        candidates = tuple(
            atoms
            for atoms in chain.from_iterable(made[other, seed] for other in others)
            if sizes.of(atoms) == size
        )
        # A run that is gone on with may have more crystals, and is then another comparison.
        name = f"{name_of(key, seed)}{OF}{sha256(' '.join(others).encode()).hexdigest()[:8]}"
        found[name] = partial(nearest, by_key[key], candidates, tolerances=tolerances)
    return found


def distances_of(results: Mapping[str, Finished]) -> dict[str, float]:
    """Of the best match of each comparison that has one, by :func:`name_of`."""
    return {
        name.partition(OF)[0]: float(atoms.info[records.RMS_TO_KNOWN])
        for name, finished in results.items()
        if OF in name
        for atoms in finished.structures
    }


def nearest(
    crystal: KnownCrystal, structures: Sequence[Atoms], *, tolerances: Tolerances
) -> TaskOutput:
    """Of structures that were made for others, a copy of the one that matches a crystal best.

    Returns:
        The structure, whose ``info`` says how far it is from the crystal; none where none matches.
    """
    distances = [distance(one, crystal.atoms, tolerances=tolerances) for one in structures]
    known = np.array(distances, dtype=float)
    best: tuple[Atoms, ...] = ()
    if np.isfinite(known).any():
        place = int(np.nanargmin(known))
        atoms = portable(structures[place])
        name = atoms.info.get(records.STRUCTURE_ID, "")
        atoms.info = {
            records.STRUCTURE_ID: f"p{crystal.key}-{name}",
            records.PARENTS: str(name),
            records.COMPARED_WITH: crystal.key,
            records.RMS_TO_KNOWN: float(known[place]),
        }
        best = (atoms,)
    return TaskOutput(results=(Finished(structures=best),))


def name_of(key: str, seed: int) -> str:
    """Begins the name of the part that compares a crystal with what was made for others."""
    return f"polymorphs-{key}-seed{seed}"


class _Sizes:
    """Numbers of atoms in primitive cells, each found once."""

    def __init__(self, tolerances: Tolerances) -> None:
        self._matcher = CrystalMatcher(structure_matcher(tolerances))
        self._known: dict[int, tuple[Atoms, int]] = {}

    def of(self, atoms: Atoms) -> int:
        """0 for what matches nothing."""
        if id(atoms) not in self._known:
            valid = structurally_valid(atoms)
            size = len(self._matcher.reduced(atoms).numbers) if valid else 0
            self._known[id(atoms)] = (atoms, size)
        return self._known[id(atoms)][1]
