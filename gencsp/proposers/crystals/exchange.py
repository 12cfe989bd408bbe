"""New compounds: known crystals whose elements are exchanged for similar ones.

The way in which most high-throughput data came about: a known crystal, drawn evenly, in which each
element is replaced by another one, or stays, in proportion to how alike the two are
(:mod:`gencsp.proposers.crystals.likeness`) and how common the other one is, at the volume that the
new elements let expect. What comes of it is a guess, to be relaxed and compared with the hull.

Hautier, Fischer, Ehrlacher, Jain and Ceder, Inorg. Chem. 50, 656 (2011).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from functools import cache

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.composition import ELEMENTS, Composition
from gencsp.deck import CellAtoms
from gencsp.proposers.crystals.known_crystals import known_crystals
from gencsp.proposers.crystals.lattice import scaled
from gencsp.proposers.crystals.likeness import element_metric
from gencsp.proposers.crystals.volume import predict_volume

Array = NDArray[np.float64]

_SYMBOL = re.compile(r"[A-Z][a-z]?")
_INDEX = {symbol: k for k, symbol in enumerate(ELEMENTS)}


def exchanged(
    rng: np.random.Generator, *, most_atoms: CellAtoms = 20, left_out: Collection[str] = ()
) -> Atoms | None:
    """A known crystal with other elements.

    Args:
        rng: what chance comes from.
        most_atoms: of its primitive cell.
        left_out: formulas that must not be made, as :attr:`.Composition.formula_key` spells them.

    Returns:
        ``None`` where no element was exchanged, two elements became the same, or the formula is
        left out.
    """
    places = _places(most_atoms)
    template, elements = places[int(rng.integers(len(places)))]
    old = _SYMBOL.findall(elements)
    new = [str(rng.choice(ELEMENTS, p=_replacing(symbol))) for symbol in old]
    if new == old or len(set(new)) < len(new):
        return None
    crystal = known_crystals().crystal(template, elements)
    assert crystal is not None, "it is one of the known crystals"
    was = crystal.get_volume() / (predict_volume(Composition.of(crystal)).value * len(crystal))
    instead = dict(zip(old, new, strict=True))
    crystal.symbols = [instead[symbol] for symbol in crystal.symbols]
    composition = Composition.of(crystal)
    if composition.formula_key in left_out:
        return None
    # As much larger or smaller than predicted as the known crystal is.
    volume = was * predict_volume(composition).value * len(crystal)
    crystal.set_cell(scaled(crystal.cell, volume), scale_atoms=True)
    return crystal


@cache
def _places(most_atoms: int) -> tuple[tuple[str, str], ...]:
    """Template and elements of the known crystals that are small enough, in a fixed order."""
    known = known_crystals()
    sizes = np.diff(known.offsets)
    return tuple(sorted(key for key, row in known.rows.items() if sizes[row] <= most_atoms))


@cache
def _replacing(symbol: str) -> Array:
    """Probability of each of ``ELEMENTS`` to take the place of this one."""
    weights = np.exp(element_metric().log_likeness[_INDEX[symbol]]) * _abundance()
    return np.asarray(weights / weights.sum(), dtype=np.float64)


@cache
def _abundance() -> Array:
    """Number of known crystals that hold each of ``ELEMENTS``."""
    counts = Counter(
        one for _, elements in known_crystals().rows for one in _SYMBOL.findall(elements)
    )
    return np.array([counts[symbol] for symbol in ELEMENTS], dtype=np.float64)
