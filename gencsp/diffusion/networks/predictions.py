"""What the layers of a joint network give, before it is made scores, lattices and species."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class AtomPredictions(NamedTuple):
    """What a network gives of its atoms, before the gains of their crystals.

    Attributes:
        vectors: displacements, shape (n, 3).
        gradient: vectors that are read as gradients, shape (n, 3).
        logits: of the species, without the term of elements that show, shape (n, 95).
        shown: weights of that term, shape (n, 2).
        tensor: mean tensor of the atoms of each crystal, shape (b, 3, 3).
        pooled: mean features, shape (b, 2c).
        noise: features of the crystals after the last layer, shape (b, c).
    """

    vectors: Tensor
    gradient: Tensor
    logits: Tensor
    shown: Tensor
    tensor: Tensor
    pooled: Tensor
    noise: Tensor
