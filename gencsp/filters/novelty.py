"""N of S.U.N.: structures that no reference crystal is.

Source: MatterGen's evaluator (``frac_novel_structures``). What makes two structures one stands in
:mod:`gencsp.filters.matching`. The default reference is OQMD-ICSD, crystals of at most 20 atoms
(card: ``gencsp/data/filters.md``); MatterGen's is Alex-MP-ICSD, which a file of your own can be.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar, Protocol

import ase.io
import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.io.formats import filetype
from pydantic import Field

from gencsp.composition import Composition
from gencsp.errors import StructureFileError
from gencsp.filters.base import ConfiguredFilter, Verdict
from gencsp.filters.compositional_novelty import reference_formulas
from gencsp.filters.matching import Candidate, Matching, same
from gencsp.io.content import decode, parsing, read_bytes
from gencsp.io.packed import PackedStructures
from gencsp.shipped import open_shipped


class KnownCrystals(Protocol):
    """Crystals by formula."""

    def of_formula(self, key: str) -> Iterator[Atoms]:
        """The crystals of a reduced formula, by :attr:`.Composition.formula_key`."""
        ...


class Novelty(ConfiguredFilter):
    """Passes a structure that is no crystal of the reference. The value is 1 for a novel one."""

    name: ClassVar[str] = "novelty"
    quantity: ClassVar[str] = "novel (0 or 1)"

    reference: Path | None = Field(
        None,
        description="File of crystals that ASE reads (also .gz); OQMD-ICSD if not given.",
    )
    matching: Matching = Field("disordered", description="As MatterGen's matcher of that name.")

    def judge(self, atoms: Atoms) -> Verdict:
        """See :class:`~gencsp.filters.base.Filter`.

        Raises:
            StructureFileError: the reference cannot be read.
        """
        candidate = Candidate.of(atoms)
        compared = False
        for other in reference_structures(self.reference).of_formula(candidate.formula):
            compared = True
            if same(candidate, Candidate.of(other), matching=self.matching):
                return self.verdict(0.0, (1.0, 1.0))
        note = ""
        if self.reference is None and not compared and candidate.formula in reference_formulas():
            note = "the reference has this formula in larger cells only, which were not compared"
        return self.verdict(1.0, (1.0, 1.0), note)


class _Listed:
    def __init__(self, structures: Sequence[Atoms] | PackedStructures, keys: Sequence[str]) -> None:
        self.structures = structures
        self.places: Mapping[str, list[int]] = defaultdict(list)
        for place, key in enumerate(keys):
            self.places[key].append(place)

    def of_formula(self, key: str) -> Iterator[Atoms]:
        return (self.structures[place] for place in self.places.get(key, ()))


@cache
def reference_structures(path: Path | None = None) -> KnownCrystals:
    """Reference crystals of a file, or (``None``) as they ship with gencsp.

    Raises:
        StructureFileError: the file is missing, empty or unreadable.
    """
    if path is None:
        with open_shipped("reference_structures.npz") as file:
            packed = PackedStructures(dict(np.load(file, allow_pickle=False)))
        return _Listed(packed, [_key(packed.species(i)) for i in range(len(packed))])
    structures = _read(path)
    if not structures:
        raise StructureFileError(f"the reference {path} holds no structures.")
    return _Listed(structures, [_key(atoms.numbers) for atoms in structures])


def _key(numbers: np.ndarray) -> str:
    kinds, counts = np.unique(numbers, return_counts=True)
    symbols = [chemical_symbols[z] for z in kinds]
    return Composition(tuple(zip(symbols, counts.tolist(), strict=True))).formula_key


def _read(path: Path) -> list[Atoms]:
    with parsing(f"the reference {path}"):
        if path.suffix == ".gz":
            # ASE seeks in the compressed stream, which takes quadratic time.
            text = decode(read_bytes(path))
            kind = filetype(path.with_suffix("").name, read=False)
            return list(ase.io.read(io.StringIO(text), index=":", format=kind))
        return list(ase.io.read(path, index=":"))
