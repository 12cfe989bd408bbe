"""Match rates of structures in an order: what suites of proposals measure, and scores of files.

A crystal is found at k when one of the first k structures made for it matches it
(:func:`gencsp.measure.match_rate.distance`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, TypeAlias

from ase import Atoms

from gencsp import records
from gencsp.searches.runner import TaskOutput
from gencsp.similarity.matching import LOOSE, STANDARD, Tolerances
from gencsp.store.base import Finished
from gencsp.suites.outcome import Measure, Row
from gencsp.suites.polymorphs import Made, distances_of, name_of, polymorph_parts
from gencsp.suites.truths import KnownCrystal

MatcherName: TypeAlias = Literal["pymatgen", "cdvae"]
#: pymatgen's own tolerances, and those of CDVAE and all that followed it.
MATCHERS: dict[str, Tolerances] = {"pymatgen": STANDARD, "cdvae": LOOSE}
METRE, CRMSE = "METRe", "cRMSE"


@dataclass(frozen=True, slots=True)
class Look:
    """A way to look at structures, as the names of measures say it.

    Attributes:
        name: of the way.
        relaxed: the structures that were relaxed count, and not the others.
        key: number of ``info`` that they are ordered by, lowest first and what has none last;
            ``None`` for the order in which they were made.
    """

    name: str
    relaxed: bool
    key: str | None = None

    def ordered(self, structures: Sequence[Atoms]) -> list[Atoms]:
        """Structures in the order in which they count; those without a result are left out."""
        some = [
            atoms
            for atoms in structures
            if (records.OUTCOME in atoms.info) is self.relaxed and not records.failed(atoms.info)
        ]
        some.sort(key=lambda atoms: int(atoms.info[records.RANK]))
        if self.key is not None:
            some.sort(key=self._value)
        return some

    def _value(self, atoms: Atoms) -> float:
        assert self.key is not None
        value = records.number(atoms.info, self.key)
        return inf if value is None else value


AS_PROPOSED = Look("as proposed", relaxed=False)
RELAXED = Look("relaxed", relaxed=True)
BY_ENERGY = Look("relaxed, by energy", relaxed=True, key=records.ENERGY_PER_ATOM)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingRates:
    """What is measured of structures whose distances from known crystals stand in ``info``.

    Attributes:
        looks: how structures are looked at; polymorph-aware measures are of the first.
        k: how many of them count, each in turn.
        tolerances: of the matcher.
        rms: report RMSE.
        polymorphs: report METRe and cRMSE.
    """

    looks: tuple[Look, ...]
    k: tuple[int, ...]
    tolerances: Tolerances
    rms: bool
    polymorphs: bool

    def measures(self) -> Iterator[Measure]:
        """The measures, in the order of the table."""
        for look in self.looks:
            for k in self.k:
                yield Measure(name=matched(k, look), kind="share")
                if self.rms:
                    yield Measure(name=rmse(k, look), kind="mean", better="lower")
        if self.polymorphs:
            yield Measure(name=METRE, kind="share")
            yield Measure(name=CRMSE, kind="mean", better="lower")

    def values(self, structures: Sequence[Atoms]) -> Iterator[tuple[str, float | None]]:
        """What the structures of one crystal come to, by the names of measures.

        Args:
            structures: each with its ``rank``, and ``rms_to_known`` where it matches.
        """
        for look in self.looks:
            distances = [
                records.number(atoms.info, records.RMS_TO_KNOWN)
                for atoms in look.ordered(structures)
            ]
            for k in self.k:
                found = min((d for d in distances[:k] if d is not None), default=None)
                yield matched(k, look), float(found is not None)
                if self.rms:
                    yield rmse(k, look), found

    def polymorph_parts(
        self, crystals: Sequence[KnownCrystal], made: Made
    ) -> Mapping[str, Callable[[], TaskOutput]]:
        """The comparisons that METRe and cRMSE need beside those that are in ``info``.

        Args:
            crystals: all of them.
            made: structures of each.
        """
        if not self.polymorphs:
            return {}
        look = self.looks[0]
        counting = {of: look.ordered(some) for of, some in made.items()}
        return polymorph_parts(crystals, counting, self.tolerances)

    def with_polymorphs(
        self, rows: Sequence[Row], made: Made, results: Mapping[str, Finished]
    ) -> list[Row]:
        """Rows with METRe and cRMSE, where these are asked for.

        Args:
            rows: of crystals and seeds.
            made: structures of each.
            results: of :meth:`polymorph_parts`, by name.
        """
        if not self.polymorphs:
            return list(rows)
        others = distances_of(results)
        return [
            self._with_others(row, made[row.key, row.seed], others.get(name_of(row.key, row.seed)))
            for row in rows
        ]

    def _with_others(self, row: Row, own: Sequence[Atoms], other: float | None) -> Row:
        distances = [
            records.number(atoms.info, records.RMS_TO_KNOWN) for atoms in self.looks[0].ordered(own)
        ]
        found = [d for d in (*distances, other) if d is not None]
        corrected = min(found, default=self.tolerances.stol)
        values = {**row.values, METRE: float(bool(found)), CRMSE: corrected}
        return Row(key=row.key, seed=row.seed, values=values)


def matched(k: int, look: Look) -> str:
    """Name of the share of crystals that one of k structures matches."""
    return f"matched, k = {k}, {look.name}"


def rmse(k: int, look: Look) -> str:
    """Name of the mean distance of the best of k structures that match."""
    return f"RMSE, k = {k}, {look.name}"
