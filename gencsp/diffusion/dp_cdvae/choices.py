"""Choices of decoding, without torch, for decks and moves."""

from __future__ import annotations

from typing import Literal

#: Reverse steps: eq. 7, eq. 6, and the steps of gencsp's other samplers.
Rule = Literal["modified", "ancestral", "renewal"]
#: Cell of what is decoded: read from z; the same at the volume per atom of the parents; or that of
#: the (first) parent.
CellSource = Literal["decoded", "scaled", "parent"]
