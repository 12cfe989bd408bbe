"""Shared by all proposers: drawing of formula units, volume, and provenance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from ase import Atoms

from gencsp import records
from gencsp.proposers.base import Request
from gencsp.proposers.crystals.compression import volume_under
from gencsp.proposers.crystals.lattice import scaled
from gencsp.provenance import Provenance, Stage

#: Formula units in the primitive cells of the crystals behind ``data/symmetry_prior.json``.
UNIT_SHARES = {1: 0.365, 2: 0.39, 3: 0.025, 4: 0.185, 6: 0.01, 8: 0.015}
OTHER_UNITS = 0.002


def volume_per_atom(request: Request) -> float:
    """Volume per atom, Å³: the requested one, else predicted from composition and pressure."""
    if request.volume_per_atom is not None:
        return request.volume_per_atom
    return volume_under(request.composition, request.pressure)


def at_requested_volume(atoms: Atoms, request: Request) -> Atoms:
    """Bring a crystal whose cell was generated to the volume of the request, in place.

    A requested volume is met. Without one, under pressure, the cell shrinks from its own volume, at
    no pressure, as :func:`~gencsp.proposers.crystals.compression.volume_under` says. A fixed cell
    and that of a host stay.
    """
    if request.cell is not None or request.host is not None:
        return atoms
    volume = None
    if request.volume_per_atom is not None:
        volume = request.volume_per_atom * len(atoms)
    elif request.pressure:
        squeezed = volume_under(request.composition, request.pressure)
        volume = atoms.cell.volume * squeezed / volume_under(request.composition, 0.0)
    if volume is not None:
        atoms.set_cell(scaled(atoms.cell, volume), scale_atoms=True, apply_constraint=False)
    return atoms


def even_shares(n: int, parts: int) -> list[int]:
    """How many of n structures each of so many parts gets; the first ones have one more."""
    share, rest = divmod(n, parts)
    return [share + (part < rest) for part in range(parts)]


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
