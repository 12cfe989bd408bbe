"""What proposers share that sample a diffusion model batch by batch until they have enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
from ase import Atoms

from gencsp.proposers.base import Request
from gencsp.proposers.checks import has_composition, keeps_apart
from gencsp.proposers.drawing import mark
from gencsp.provenance import Stage

#: Makes one structure for each generator.
Sample = Callable[[Sequence[np.random.Generator]], Sequence[Atoms]]


def until_enough(
    n: int,
    sample: Sample,
    passes: Callable[[Atoms], bool],
    rngs: Iterator[np.random.Generator],
    *,
    batch_size: int,
    attempts: int,
) -> Iterator[Atoms | None]:
    """n structures that pass, and ``None`` for each one that does not.

    A batch is as large as what is still wanted, never larger than its fixed size: a structure
    depends on its own generator alone.

    Args:
        n: structures wanted.
        sample: makes a batch.
        passes: whether a structure counts.
        rngs: endless generators.
        batch_size: most structures in a batch.
        attempts: most structures made for each one wanted.
    """
    made, left = 0, n * attempts
    while made < n and left > 0:
        batch = list(islice(rngs, min(batch_size, n - made, left)))
        left -= len(batch)
        for atoms in sample(batch):
            good = passes(atoms)
            made += good
            yield atoms if good else None


def fits(atoms: Atoms, request: Request, *, separation: float) -> bool:
    """Whether a structure is what was asked for, with its atoms apart."""
    return has_composition(atoms, request.composition, request.units) and keeps_apart(
        atoms, separation=separation
    )


def mark_for(request: Request, atoms: Atoms, *, proposer: str, model: str) -> Atoms:
    """The structure with its provenance; with a host also how many of its atoms are the host's."""
    host = request.host
    proposal = mark(
        atoms,
        proposer=proposer,
        model=model,
        parents="" if host is None else str(host.info.get("structure_id", "")),
        stage=Stage.GENERATED if host is None else Stage.INPAINTED,
    )
    if host is not None:
        proposal.info["host_atoms"] = len(host)
    return proposal
