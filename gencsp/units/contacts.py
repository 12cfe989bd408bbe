"""Distances between atoms of different rigid units."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from gencsp.descriptors.least_distances import LeastDistances
from gencsp.descriptors.neighbours import pairs_within
from gencsp.units.members import Members

#: Å: vectors that differ by less are one.
SAME_VECTOR = 1e-4


def units_keep_apart(atoms: Atoms, separations: LeastDistances) -> bool:
    """Whether atoms of different units, images of one unit among them, keep their distances.

    Args:
        atoms: a crystal that names its units.
        separations: least distances of pairs of elements; others may be as near as they are.

    Raises:
        UnitError: the crystal names no units.
    """
    members = Members.of(atoms)
    triples = separations.triples
    if not triples:
        return True
    least = {frozenset(pair[:2]): pair[2] for pair in triples}
    pairs = pairs_within(atoms, max(pair[2] for pair in triples))
    inside = members.arms[pairs.second] - members.arms[pairs.first]
    same = members.unit[pairs.first] == members.unit[pairs.second]
    same &= np.linalg.norm(pairs.vectors - inside, axis=1) < SAME_VECTOR
    symbols = atoms.get_chemical_symbols()
    return not any(
        distance < least.get(frozenset((symbols[i], symbols[j])), 0.0)
        for i, j, distance in zip(
            pairs.first[~same].tolist(),
            pairs.second[~same].tolist(),
            pairs.distances[~same].tolist(),
            strict=True,
        )
    )
