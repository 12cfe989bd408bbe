"""Sampling of a diffusion model in batches until enough structures pass the checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import numpy as np
from ase import Atoms

from gencsp import records
from gencsp.descriptors.flaws import PROPOSED_SHARE
from gencsp.diffusion.positions.settings import SamplerSettings
from gencsp.proposers.base import CountsReasons, Request
from gencsp.proposers.checks import rejection
from gencsp.proposers.drawing import tag_proposal
from gencsp.proposers.options import ATTEMPTS, BATCH_SIZE, DEFAULT_SAMPLER
from gencsp.provenance import Stage

if TYPE_CHECKING:
    from gencsp.diffusion.batch import ScoreModel

#: Makes one structure for each generator.
Sample = Callable[[Sequence[np.random.Generator]], Sequence[Atoms]]


def until_enough(
    n: int,
    sample: Sample,
    reject: Callable[[Atoms], str],
    rngs: Iterator[np.random.Generator],
    *,
    batch_size: int,
    attempts: int,
) -> Iterator[Atoms | str]:
    """Yield n structures that pass, and for each one that does not the reason.

    A batch holds as many structures as are still wanted, at most ``batch_size``; each structure
    depends on its own random generator alone.

    Args:
        n: structures wanted.
        sample: makes a batch.
        reject: why a structure does not pass the checks, in words; empty where it passes.
        rngs: endless generators.
        batch_size: most structures in a batch.
        attempts: most structures made for each one wanted.
    """
    made, left = 0, n * attempts
    while made < n and left > 0:
        batch = list(islice(rngs, min(batch_size, n - made, left)))
        left -= len(batch)
        for atoms in sample(batch):
            reason = reject(atoms)
            made += not reason
            yield reason or atoms


class ModelProposer(Protocol):
    """A proposer that samples a model."""

    name: str
    rejected: Counter[str]

    @property
    def model(self) -> HasDigest:
        """The model that is sampled."""
        ...


class HasDigest(Protocol):
    """A model that can be named in a structure's provenance."""

    @property
    def digest(self) -> str:
        """Short hash of the weights."""
        ...


@dataclass(eq=False)
class ScoreModelProposer(CountsReasons):
    """A proposer that samples a score model: what it samples, and what it lets through.

    Attributes:
        model: the score model.
        sampler: how it is sampled.
        batch_size: structures sampled together; rounding aside, results do not depend on it.
        attempts: most structures made for each one wanted.
        separation: see :func:`~gencsp.proposers.checks.keeps_apart`.
        rejected: structures so far that did not pass the checks, by reason.
    """

    model: ScoreModel
    _: KW_ONLY
    sampler: SamplerSettings = DEFAULT_SAMPLER
    batch_size: int = BATCH_SIZE
    attempts: int = ATTEMPTS
    separation: float = PROPOSED_SHARE
    rejected: Counter[str] = field(default_factory=Counter, init=False)


def proposals(
    proposer: ModelProposer,
    request: Request,
    sample: Sample,
    rngs: Iterator[np.random.Generator],
    *,
    batch_size: int,
    attempts: int,
    separation: float,
) -> Iterator[Atoms]:
    """Structures of the requested composition, with provenance.

    Those of another composition or with atoms too close count as failures.

    Args:
        proposer: whose structures they are; those rejected are counted there, by reason.
        request: what is wanted.
        sample: makes a batch, see :func:`until_enough`.
        rngs: endless generators.
        batch_size: most structures in a batch.
        attempts: most structures made for each one wanted.
        separation: see :func:`~gencsp.proposers.checks.keeps_apart`.
    """
    host = request.host

    def reject(atoms: Atoms) -> str:
        return rejection(atoms, request.composition, request.units, separation=separation)

    made = until_enough(request.n, sample, reject, rngs, batch_size=batch_size, attempts=attempts)
    for atoms in made:
        if isinstance(atoms, str):
            proposer.rejected[atoms] += 1
            continue
        proposal = tag_proposal(
            atoms,
            proposer=proposer.name,
            model=proposer.model.digest,
            parents="" if host is None else str(host.info.get(records.STRUCTURE_ID, "")),
            stage=Stage.GENERATED if host is None else Stage.INPAINTED,
        )
        if records.PROPOSED_SPACE_GROUP in atoms.info:
            proposal.info[records.PROPOSED_SPACE_GROUP] = atoms.info[records.PROPOSED_SPACE_GROUP]
        if host is not None:
            proposal.info[records.HOST_ATOMS] = len(host)
        yield proposal
