"""Structure prototypes: frameworks that are known already, whatever their species.

Source: PIGEN, Fig. 3d and Methods, "Crystal structure prototype matching". Two collections:

- OQMD-ICSD frameworks ranked by the number of crystals (card: ``gencsp/data/filters.md``); the
  share of structures that match none of the first N, over N, is Fig. 3d;
- AFLOW's prototypes, as pymatgen carries them (Mehl et al., Comput. Mater. Sci. 136, S1 (2017)).

How two frameworks are compared stands in :mod:`gencsp.filters.frameworks`. Numbers of atoms in the
primitive cell must agree and fingerprints be near before pymatgen's matcher is called.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.deck import Count, Natural, Symprec
from gencsp.descriptors.orbits import orbits
from gencsp.filters.base import ConfiguredFilter, Verdict
from gencsp.filters.frameworks import FAR, Framework
from gencsp.io.packed import PackedStructures
from gencsp.shipped import open_shipped
from gencsp.symmetry.tolerances import SYMPREC


@dataclass(slots=True)
class Collection:
    """Prototypes in order of rank.

    Attributes:
        cells: primitive cells.
        names: one each.
        counts: known crystals of each; zero where nobody counted.
    """

    cells: Sequence[Atoms] | PackedStructures
    names: tuple[str, ...]
    counts: tuple[int, ...]
    sizes: tuple[int, ...]
    _frameworks: dict[int, Framework] = field(default_factory=dict)

    def first_match(self, framework: Framework, *, within: int) -> int | None:
        """Index of the first prototype among the first ``within`` that is this framework."""
        return next(self.matches(framework, within=within), None)

    def matches(self, framework: Framework, *, within: int) -> Iterator[int]:
        """Indices of all such prototypes, in order."""
        for index in range(min(within, len(self.names))):
            if self.sizes[index] != len(framework):
                continue
            known = self._framework(index)
            if np.abs(known.fingerprint - framework.fingerprint).max() > FAR:
                continue
            if known.matches(framework):
                yield index

    def _framework(self, index: int) -> Framework:
        if index not in self._frameworks:
            self._frameworks[index] = Framework.of_primitive(self.cells[index])
        return self._frameworks[index]


class Prototypes(ConfiguredFilter):
    """Passes a structure that matches none of the ``top`` most frequent OQMD-ICSD frameworks.

    The value is the rank (from 1) of the first match, and infinite where there is none among the
    ``search`` most frequent; the note names it.
    """

    name: ClassVar[str] = "prototypes"
    quantity: ClassVar[str] = "rank of the matched prototype"
    costly: ClassVar[bool] = True

    top: Count = Field(100, description="Most frequent prototypes that count as known.")
    search: Natural = Field(0, description="Prototypes to look through, for ranks beyond top.")
    symprec: Symprec = Field(SYMPREC, description="Å, to find the primitive cell.")

    def judge(self, atoms: Atoms) -> Verdict:
        """See :class:`~gencsp.filters.base.Filter`."""
        known = shipped_prototypes()
        framework = Framework.of(atoms, symprec=self.symprec)
        match = known.first_match(framework, within=max(self.top, self.search))
        window = (self.top + 1.0, np.inf)
        if match is None:
            return self.verdict(np.inf, window)
        return self.verdict(match + 1.0, window, f"as {known.names[match]}")


class AflowPrototypes(ConfiguredFilter):
    """Passes a structure that matches none of AFLOW's prototypes (those in pymatgen).

    The value is 1 for an unmatched structure and 0 for a matched one; the note names the prototype.
    """

    name: ClassVar[str] = "aflow_prototypes"
    quantity: ClassVar[str] = "unmatched (0 or 1)"
    costly: ClassVar[bool] = True

    symprec: Symprec = Field(SYMPREC, description="Å, to find the primitive cell.")

    def judge(self, atoms: Atoms) -> Verdict:
        """See :class:`~gencsp.filters.base.Filter`."""
        known = aflow_prototypes()
        framework = Framework.of(atoms, symprec=self.symprec)
        match = known.first_match(framework, within=len(known.names))
        note = "" if match is None else f"as {known.names[match]}"
        return self.verdict(float(match is None), (1.0, 1.0), note)


def unmatched_shares(ranks: Sequence[float], *, top: int) -> list[float]:
    """Share (0 to 1) of structures that match none of the first N prototypes, for N = 0 … top.

    Source: PIGEN, Fig. 3d.

    Args:
        ranks: of the first match of each structure, from 1; infinite where there is none.
        top: greatest N.
    """
    sorted_ranks = np.sort(np.asarray(ranks, dtype=float))
    matched = np.searchsorted(sorted_ranks, np.arange(top + 1), side="right")
    return [float(share) for share in 1 - matched / max(len(sorted_ranks), 1)]


@cache
def shipped_prototypes() -> Collection:
    """The ranked frameworks of OQMD-ICSD, named by their most frequent label and an example."""
    with open_shipped("prototypes.npz") as file:
        data = dict(np.load(file, allow_pickle=False))
    cells = PackedStructures(data)
    names = tuple(
        f"{cells[i].get_chemical_formula(mode='hill', empirical=True)} ({label})"
        for i, label in enumerate(data["labels"])
    )
    counts = tuple(int(n) for n in data["counts"])
    return Collection(cells, names, counts, tuple(int(n) for n in cells.sizes))


@cache
def aflow_prototypes() -> Collection:
    """AFLOW's prototypes, in pymatgen's order."""
    from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY
    from pymatgen.io.ase import AseAtomsAdaptor

    cells, names = [], []
    for entry in AFLOW_PROTOTYPE_LIBRARY:
        cells.append(orbits(AseAtomsAdaptor.get_atoms(entry["snl"].structure)).atoms)
        tags = entry["tags"]
        names.append(f"{tags['mineral']} ({tags['aflow']})".strip())
    sizes = tuple(len(cell) for cell in cells)
    return Collection(cells, tuple(names), (0,) * len(cells), sizes)
