"""Shared by all proposers: drawing of formula units, volume, and provenance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from ase import Atoms

from gencsp import records
from gencsp.proposers.base import Request
from gencsp.proposers.crystals.volume import predict_volume
from gencsp.provenance import Provenance, Stage

#: Formula units in the primitive cells of the crystals behind ``data/symmetry_prior.json``.
UNIT_SHARES = {1: 0.34, 2: 0.44, 3: 0.03, 4: 0.17, 6: 0.01, 8: 0.01}
OTHER_UNITS = 0.002


def volume_per_atom(request: Request) -> float:
    """Volume per atom, Å³: the requested one, else predicted from the composition."""
    if request.volume_per_atom is not None:
        return request.volume_per_atom
    return predict_volume(request.composition).value


def draw_units(units: Sequence[int], rng: np.random.Generator) -> int:
    """Draw an allowed number of formula units, by its frequency among known crystals."""
    weights = np.array([UNIT_SHARES.get(u, OTHER_UNITS) for u in units])
    return int(rng.choice(units, p=weights / weights.sum()))


def tag_proposal(
    atoms: Atoms,
    *,
    proposer: str,
    model: str = "",
    parents: str = "",
    stage: Stage = Stage.GENERATED,
) -> Atoms:
    """A copy without calculator, constraints and ``info``, labelled with what made it."""
    bare = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    bare.info.update(
        {
            records.PROPOSER: proposer,
            records.MODEL: model,
            records.PARENTS: parents,
            records.STAGE: str(stage),
        }
    )
    return bare


def assign_ids(structures: Iterable[Atoms], *, prefix: str, seed: int) -> Iterator[Atoms]:
    """Number structures with ids ``prefix-00000``, ``prefix-00001`` and so on.

    What :func:`tag_proposal` wrote becomes a full :class:`~gencsp.provenance.Provenance`.
    """
    for k, atoms in enumerate(structures):
        yield Provenance(
            structure_id=f"{prefix}-{k:05d}",
            proposer=str(atoms.info.get(records.PROPOSER, "")),
            stage=Stage(atoms.info.get(records.STAGE, Stage.GENERATED)),
            seed=seed,
            model=str(atoms.info.get(records.MODEL, "")),
            parents=str(atoms.info.get(records.PARENTS, "")),
        ).write(atoms)
