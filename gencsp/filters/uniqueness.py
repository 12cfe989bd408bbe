"""U of S.U.N.: the first of a set of equal structures.

Source: MatterGen's evaluator (``frac_unique_structures``): of structures that are one, the first
counts as unique and the others do not. What makes two structures one stands in
:mod:`gencsp.filters.matching`.
"""

from __future__ import annotations

from typing import ClassVar

from ase import Atoms
from pydantic import Field, PrivateAttr

from gencsp.filters.base import ConfiguredFilter, Verdict
from gencsp.filters.matching import Candidate, Matching, same


class Uniqueness(ConfiguredFilter):
    """Passes a structure that differs from all that this filter judged before, passed or not.

    The value is 1 for the first of its kind and 0 for another; the note says which it repeats,
    counted from 1 in the order seen. Put it last: what stands behind it runs in one process.
    """

    name: ClassVar[str] = "uniqueness"
    quantity: ClassVar[str] = "first of its kind (0 or 1)"
    ordered: ClassVar[bool] = True

    matching: Matching = Field("disordered", description="As MatterGen's matcher of that name.")

    _kinds: dict[str, list[tuple[int, Candidate]]] = PrivateAttr(default_factory=dict)
    _seen: list[int] = PrivateAttr(default_factory=lambda: [0])

    def judge(self, atoms: Atoms) -> Verdict:
        """See :class:`~gencsp.filters.base.Filter`."""
        self._seen[0] += 1
        candidate = Candidate.of(atoms)
        known = self._kinds.setdefault(candidate.formula, [])
        for number, other in known:
            if same(candidate, other, matching=self.matching):
                return self.verdict(0.0, (1.0, 1.0), f"as structure {number}")
        known.append((self._seen[0], candidate))
        return self.verdict(1.0, (1.0, 1.0))
