"""What the crystals of a row of PIGEN's tables come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from annotated_types import MinLen
from ase import Atoms
from pydantic import Field

from gencsp import records
from gencsp.deck import Count, Deck, Fmax, Natural
from gencsp.errors import SuiteError
from gencsp.filters.base import Verdict
from gencsp.filters.prototypes import unmatched_shares
from gencsp.filters.summary import HULL_THRESHOLDS
from gencsp.measure.distributions import greatest_of_stable
from gencsp.measure.sun import judge_sun
from gencsp.suites.outcome import NOTHING, Measure, Number, Row
from gencsp.suites.tasks.funnel_block import (
    COLUMNS,
    TOP,
    passed,
    passes,
    rank_of,
)
from gencsp.suites.tasks.model_rows import ModelRow

#: Ranks of which the share outside the first prototypes is recorded.
RANKS = (0, 1, 5, *range(10, TOP + 1, 10))
OUTSIDE = f"outside the first {TOP} prototypes"
#: eV/atom within which F looks for the greatest M_LED.
NEAR = 0.05


class FunnelSettings(Deck):
    """Settings of the suite; the meaning of each stands in its description."""

    rows: Annotated[tuple[ModelRow, ...], MinLen(1)] = Field(description="Of the tables.")
    only: tuple[str, ...] = Field((), description="Names of rows to make; all if not given.")
    n: Count = Field(1000, description="Crystals of each row, in whole blocks.")
    block: Count = Field(16, description="Crystals that are made together.")
    diverse: Natural = Field(16, description="Of a block, that D judges for its column alone.")
    relaxed: Natural = Field(1, description="Of a block, relaxed for E alone and S.U.N.")
    sampler: dict[str, Any] = Field({}, description="Changes to the sampler, such as steps = 30.")
    fmax: Fmax = Field(0.05, description="Relaxed when no force exceeds this, eV/Å.")
    steps: Natural = Field(500, description="Most minimiser steps.")

    @property
    def chosen(self) -> tuple[ModelRow, ...]:
        """The rows to make.

        Raises:
            SuiteError: one is named that there is not, or two have one name.
        """
        names = [row.name for row in self.rows]
        for name in self.only:
            if name not in names:
                raise SuiteError(f"there is no row '{name}': the suite has {', '.join(names)}.")
        if len(set(names)) < len(names):
            raise SuiteError("two rows of the suite have one name: name each as no other.")
        return tuple(row for row in self.rows if not self.only or row.name in self.only)


def measures_of(row: str) -> Iterator[Measure]:
    """What is measured of a row, in the order of the table."""

    def share(name: str) -> Measure:
        return Measure(name=f"{row}: {name}", kind="share")

    yield from map(share, (*COLUMNS, "A-C", "A-D"))
    yield from (share(_within("A-E", level)) for level in HULL_THRESHOLDS)
    yield Measure(name=f"{row}: F", kind="whole", unit="bits")
    yield share(OUTSIDE)
    yield from (share(_within("E", level)) for level in HULL_THRESHOLDS)
    yield from map(share, ("unique", "stable and novel", "S.U.N."))
    seconds = f"{row}: processor seconds of a crystal"
    yield Measure(name=seconds, kind="mean", unit="s", better="lower")


def rows_of(
    row: str, found: Sequence[tuple[Atoms, Atoms | None]], settings: FunnelSettings
) -> Iterator[Row]:
    """The values of each crystal; found are crystals, each with what it relaxed to."""
    sample = [place % settings.block < settings.relaxed for place in map(_place, found)]
    ended = [after for (_, after), inside in zip(found, sample, strict=True) if inside]
    judged = iter(
        judge_sun(
            [after for after in ended if after is not None],
            [_above(after) for after in ended if after is not None],
            threshold=HULL_THRESHOLDS[0],
        )
    )
    for (atoms, after), inside in zip(found, sample, strict=True):
        values = dict(_values(atoms, after, settings))
        if inside:
            sun = None if after is None else next(judged)
            values["unique"] = float(sun is not None and sun.unique)
            values["stable and novel"] = float(sun is not None and sun.stable_and_novel)
            values["S.U.N."] = float(sun is not None and sun.sun)
            values |= {_within("E", e): float(_above(after) <= e) for e in HULL_THRESHOLDS}
        yield Row(
            key=f"{row} {_place((atoms, after)):05d}",
            seed=int(atoms.info[records.SEED]),
            values={f"{row}: {name}": value for name, value in values.items()},
        )


def _values(
    atoms: Atoms, after: Atoms | None, settings: FunnelSettings
) -> Iterator[tuple[str, float]]:
    in_sample = _place((atoms, after)) % settings.block < settings.diverse
    for column in COLUMNS:
        found = passed(atoms, column)
        if found is not None and (column != "D" or in_sample):
            yield column, float(found)
    yield "A-C", float(passes(atoms, "ABC"))
    plausible = passes(atoms, "ABCD")
    yield "A-D", float(plausible)
    for level in HULL_THRESHOLDS:
        yield _within("A-E", level), float(plausible and _above(after) <= level)
    rank = rank_of(atoms)
    if rank is not None:
        yield OUTSIDE, float(rank > TOP)
    yield "processor seconds of a crystal", float(atoms.info[records.PROCESSOR_SECONDS])


def greatest_of(found: Sequence[tuple[Atoms, Atoms | None]]) -> Number:
    """F: the greatest M_LED of what passes A to D within 50 meV/atom of the hull."""
    some = [(a, after) for a, after in found if passes(a, "ABCD")]
    values = [Verdict.read(atoms, COLUMNS["D"]) for atoms, _ in some]
    greatest = greatest_of_stable(
        [float("nan") if one is None else one.value for one in values],
        [_above(after) for _, after in some],
        threshold=NEAR,
    )
    return {**NOTHING, "value": greatest, "n": len(some)}


def curve_of(crystals: Sequence[Atoms]) -> dict[str, float]:
    """Share outside the first N prototypes, by N (Fig. 3d)."""
    ranks = [rank for rank in map(rank_of, crystals) if rank is not None]
    if not ranks:
        return {}
    shares = unmatched_shares(ranks, top=TOP)
    return {str(n): shares[n] for n in RANKS}


def _above(atoms: Atoms | None) -> float:
    """eV/atom above the hull; not a number where it is not known."""
    if atoms is None or records.failed(atoms.info):
        return float("nan")
    above = records.above_hull(atoms.info)
    return float("nan") if above is None else above


def _within(name: str, level: float) -> str:
    return f"{name}, {1000 * level:g} meV/atom"


def is_relaxed(atoms: Atoms) -> bool:
    """Whether a structure of a block came of a relaxation."""
    return records.OUTCOME in atoms.info


def _place(pair: tuple[Atoms, Atoms | None]) -> int:
    return int(pair[0].info[records.RANK])
