"""Structures from files, such as those of another program or an earlier run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp import records
from gencsp.descriptors.flaws import PROPOSED_SHARE
from gencsp.errors import RequestError
from gencsp.io.structures import read_structures
from gencsp.proposers.base import CountsReasons, ProposerContext, Request
from gencsp.proposers.checks import first_flaw, has_composition
from gencsp.proposers.drawing import tag_proposal
from gencsp.proposers.options import SeparatedOptions


class PoolProposer(CountsReasons):
    """Yields the structures of the requested composition, in the order of the files."""

    name = "pool"
    inpaints = False

    def __init__(self, files: Sequence[Path], *, separation: float = PROPOSED_SHARE) -> None:
        self.files = tuple(files)
        self.separation = separation
        self.rejected: Counter[str] = Counter()

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:  # noqa: ARG002
        """See :class:`~gencsp.proposers.base.Proposer`; nothing is drawn from ``rng``.

        Structures of another composition are skipped; those with atoms too close are counted.

        Raises:
            RequestError: no files were given, or the request has a host or a fixed cell, which a
                finished structure cannot honour.
            StructureFileError: a file is missing, empty or unreadable.
        """
        if not self.files:
            raise RequestError("the pool proposer has no files: name at least one.")
        if request.host is not None or request.cell is not None:
            raise RequestError(
                "the pool proposer does not change structures: use 'score' with a host or a "
                "fixed cell."
            )
        return self._propose(request, read_structures(self.files))

    def _propose(self, request: Request, structures: Sequence[Atoms]) -> Iterator[Atoms]:
        made = 0
        for atoms in structures:
            if made == request.n:
                return
            if not has_composition(atoms, request.composition, request.units):
                continue
            reason = first_flaw(atoms, separation=self.separation)
            if reason:
                self.rejected[reason] += 1
                continue
            made += 1
            yield tag_proposal(
                atoms, proposer=self.name, parents=str(atoms.info.get(records.STRUCTURE_ID, ""))
            )


class PoolOptions(SeparatedOptions):
    """Options of :class:`PoolProposer`."""

    name = "pool"
    divides = False

    files: tuple[Path, ...] = Field(default=(), description="Files or folders of structures.")

    def build(self, context: ProposerContext) -> PoolProposer:  # noqa: ARG002
        """See :class:`~gencsp.proposers.base.ConfiguredProposer`."""
        return PoolProposer(self.files, separation=self.separation)
