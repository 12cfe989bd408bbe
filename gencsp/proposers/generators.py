"""One random generator for each structure, independent of how many structures are made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def spawn_generators(rng: np.random.Generator) -> Iterator[np.random.Generator]:
    """Endless independent generators that follow from the state of ``rng``.

    ``rng`` is advanced at once by four draws, so that its later draws do not depend on how many
    generators were taken. (``rng.spawn`` counts its children outside the state
    that a search saves, so a restored generator would spawn other children.)
    """
    seeds = np.random.SeedSequence(rng.integers(2**32, size=4).tolist())

    def endless() -> Iterator[np.random.Generator]:
        while True:
            yield np.random.default_rng(seeds.spawn(1)[0])

    return endless()
