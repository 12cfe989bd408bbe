"""Two runs of one suite compared, crystal by crystal."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from gencsp.errors import SuiteError
from gencsp.measure.statistics import bootstrap_interval, sign_flip_p, sign_test_p
from gencsp.suites.outcome import Kind, Measure, Row, by_key, number_of
from gencsp.suites.run import RESULT

#: Settings that choose crystals and measures: two runs that differ in them have some in common.
MAY_DIFFER = frozenset({"compositions", "most_atoms", "formulas", "relaxed", "rms", "polymorphs"})
Better = Literal["higher", "lower", ""]


class _Row(BaseModel):
    key: str
    seed: int
    values: dict[str, float | None]


class _Number(BaseModel):
    value: float | None


class _Results(BaseModel):
    measures: dict[str, _Number]
    kinds: dict[str, Kind]
    units: dict[str, str] = {}
    better: dict[str, Better] = {}
    rows: Annotated[list[_Row], Field(min_length=1)]


class _Run(BaseModel):
    settings: str
    truths: str = ""


class _Protocol(BaseModel):
    suite: str
    run: _Run


class _Record(BaseModel):
    protocol: _Protocol
    results: _Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run of a suite recorded.

    Attributes:
        path: of the record.
        suite: that was run.
        settings: of its task.
        truths: hash of the file of known crystals; empty where there is none.
        measures: in the order of their table.
        rows: of crystals and seeds.
        values: of the measures, by name; ``None`` where there is none.
    """

    path: Path
    suite: str
    settings: dict[str, Any]
    truths: str
    measures: tuple[Measure, ...]
    rows: tuple[Row, ...]
    values: dict[str, float | None]

    @property
    def keys(self) -> frozenset[str]:
        """Of its crystals."""
        return frozenset(row.key for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What two runs differ by in one measure, over the crystals for which both have a value.

    Attributes:
        measure: which one.
        n: how many crystals these are; 0 for what is a number of all crystals together, of which
            both values stand here and no test is made.
        first, second: the values of both runs, over these crystals alone; ``None`` for a median
            that lies beyond what was found.
        value: second less first; ``None`` where one of them is.
        low, high: 95 % interval of it, by a bootstrap of the crystals; ``None`` where there is
            none, as of a median where a search found nothing.
        lower, higher: crystals for which the second run is lower, and higher.
        p: of a difference as large where neither run is better: by sign flips
            (:func:`~gencsp.measure.statistics.sign_flip_p`), of medians by the sign test
            (:func:`~gencsp.measure.statistics.sign_test_p`). It is of this measure alone. ``None``
            where no crystal has values in both.
    """

    measure: Measure
    n: int
    first: float | None
    second: float | None
    value: float | None
    low: float | None
    high: float | None
    lower: int
    higher: int
    p: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs of one suite.

    Attributes:
        first, second: the runs.
        differences: of the measures that both have, in the order of the first.
        only_first, only_second: crystals that only one of them has.
    """

    first: Result
    second: Result
    differences: tuple[Difference, ...]
    only_first: int
    only_second: int


def read_result(path: Path | str) -> Result:
    """The record of a run of a suite.

    Args:
        path: of the file, or of the folder of the run.

    Raises:
        SuiteError: there is none, it is damaged, or it is the record of something else.
    """
    file = Path(path) / RESULT if Path(path).is_dir() else Path(path)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        record = _Record.model_validate(content)
        settings = json.loads(record.protocol.run.settings)
    except OSError as error:
        raise SuiteError(
            f"{file} cannot be read ({error.strerror}): give the folder of a run of gencsp bench "
            f"that has ended."
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SuiteError(f"{file} is damaged ({error}): run the suite again.") from error
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "the whole file"
        raise SuiteError(
            f"{file} is no record of gencsp bench: {where} is missing or another."
        ) from error
    results = record.results
    return Result(
        path=file,
        suite=record.protocol.suite,
        settings=settings if isinstance(settings, dict) else {},
        truths=record.protocol.run.truths,
        measures=tuple(
            Measure(
                name=name,
                kind=kind,
                unit=results.units.get(name, ""),
                better=results.better.get(name, ""),
            )
            for name, kind in results.kinds.items()
        ),
        rows=tuple(Row(key=row.key, seed=row.seed, values=row.values) for row in results.rows),
        values={name: number.value for name, number in results.measures.items()},
    )


def compare(first: Path | str, second: Path | str) -> Comparison:
    """Compare two runs of a suite, paired by crystal, seeds averaged.

    Args:
        first: folder or record of a run.
        second: of another one.

    Raises:
        SuiteError: as :func:`read_result`; or they are of different suites, of different known
            crystals, or measured in different ways, or have no crystal in common.
    """
    one, other = read_result(first), read_result(second)
    _require_comparable(one, other)
    theirs = {measure.name: measure for measure in other.measures}
    return Comparison(
        first=one,
        second=other,
        differences=tuple(
            _difference(measure, one, other)
            for measure in one.measures
            if theirs.get(measure.name, measure).kind == measure.kind and measure.name in theirs
        ),
        only_first=len(one.keys - other.keys),
        only_second=len(other.keys - one.keys),
    )


def _require_comparable(one: Result, other: Result) -> None:
    if one.suite != other.suite:
        raise SuiteError(
            f"{one.path} is of the suite '{one.suite}' and {other.path} of '{other.suite}': give "
            f"two runs of one suite."
        )
    if one.truths != other.truths:
        raise SuiteError(
            f"{one.path} and {other.path} are of different files of known crystals: give runs of "
            f"the same."
        )
    for name in sorted((one.settings.keys() | other.settings.keys()) - MAY_DIFFER):
        values = one.settings.get(name), other.settings.get(name)
        if values[0] != values[1]:
            raise SuiteError(
                f"'{name}' is {values[0]} in {one.path} and {values[1]} in {other.path}: numbers "
                f"measured in different ways cannot be compared."
            )
    if not one.keys & other.keys:
        raise SuiteError(f"{one.path} and {other.path} have no crystal in common.")


def _difference(measure: Measure, first: Result, second: Result) -> Difference:
    rows = (first.rows, second.rows)
    if not any(measure.name in row.values for some in rows for row in some):
        return _of_wholes(measure, first.values.get(measure.name), second.values.get(measure.name))
    found = [_of_crystals(measure, some) for some in rows]
    keys = [key for key in found[0] if key in found[1]]
    pairs = np.array([[one[key] for one in found] for key in keys], dtype=float).reshape(-1, 2)
    lower = int((pairs[:, 1] < pairs[:, 0]).sum())
    higher = int((pairs[:, 1] > pairs[:, 0]).sum())
    if measure.kind == "median":
        p = sign_test_p(lower, higher)
    else:
        p = sign_flip_p((pairs[:, 1] - pairs[:, 0]).tolist(), rng=np.random.default_rng(0))
    chosen = set(keys)
    values = [
        number_of(measure, [row for row in some if row.key in chosen])["value"] for some in rows
    ]
    low, high = _interval(measure, keys, rows)
    return Difference(
        measure=measure,
        n=len(keys),
        first=values[0],
        second=values[1],
        value=_less(*values),
        low=low,
        high=high,
        lower=lower,
        higher=higher,
        p=p if keys else None,
    )


def _of_wholes(measure: Measure, first: float | None, second: float | None) -> Difference:
    """Of numbers that are no mean over crystals."""
    return Difference(
        measure=measure,
        n=0,
        first=first,
        second=second,
        value=_less(first, second),
        low=None,
        high=None,
        lower=0,
        higher=0,
        p=None,
    )


def _less(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else second - first


def _of_crystals(measure: Measure, rows: Sequence[Row]) -> dict[str, float]:
    """One value for each crystal that has one: the mean over seeds, of medians their median."""
    found = {}
    for key, values in by_key(measure.name, rows).items():
        if measure.kind == "median":
            filled = [inf if value is None else value for value in values]
            found[key] = float(np.quantile(filled, 0.5, method="lower"))
        else:
            known = [value for value in values if value is not None]
            if known:
                found[key] = float(np.mean(known))
    return found


def _interval(
    measure: Measure, keys: Sequence[str], rows: tuple[Sequence[Row], Sequence[Row]]
) -> tuple[float | None, float | None]:
    """Of the difference, by a bootstrap of the crystals with all their seeds."""
    groups = [by_key(measure.name, some) for some in rows]
    if measure.kind != "median":
        means = [_of_crystals(measure, some) for some in rows]
        return _bootstrap([means[1][key] - means[0][key] for key in keys], np.mean)
    if any(value is None for group in groups for key in keys for value in group[key]):
        return None, None

    def between(drawn: np.ndarray) -> float:
        middles = [
            np.quantile(
                [value for k in drawn for value in group[keys[int(k)]]], 0.5, method="lower"
            )
            for group in groups
        ]
        return float(middles[1] - middles[0])

    return _bootstrap(list(range(len(keys))), between, resamples=500)


def _bootstrap(
    values: Sequence[float], statistic: Callable[[np.ndarray], float], *, resamples: int = 2000
) -> tuple[float | None, float | None]:
    if not values:
        return None, None
    rng = np.random.default_rng(0)
    return bootstrap_interval(values, statistic, rng=rng, resamples=resamples)
