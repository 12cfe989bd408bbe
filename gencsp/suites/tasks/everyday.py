"""Everyday compounds: is their known phase among the references of a hull, and how low is it?

A reference is the known phase where its space group is, before or after its relaxation by the
potential of the hull: some known phases are no minimum of it, which then relaxes them to a phase of
another symmetry. Nothing is computed but distances to the hull.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import Field

from gencsp.composition import Composition
from gencsp.convex_hull.entries import DEFAULT_MODEL, HullEntry
from gencsp.convex_hull.hull import Hull
from gencsp.deck import Count, Deck, SpaceGroupNumber, check
from gencsp.errors import CompositionError, StructureFileError, SuiteError
from gencsp.io.content import decode, read_bytes
from gencsp.runs.objects import Carried, open_hull
from gencsp.searches.runner import TaskOutput
from gencsp.shipped import shipped_bytes
from gencsp.store.base import Finished, Manifest
from gencsp.suites.deck import BenchDeck
from gencsp.suites.outcome import Measure, Outcome, Row
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.base import SuiteTask
from gencsp.suites.truths import DRAWN_WITH, find_truths

#: eV/atom: phases closer than this have one energy, as far as a potential can tell.
SAME = 5e-4
#: Columns of the table of compounds, and of a hull's that is read beside what a hull holds.
COLUMNS = ("formula", "space_group", "name")
BEFORE = "space_group_start"
#: Names of measures.
THERE = "known phase is a reference"
LOWEST = "known phase is the lowest of its formula"
ABOVE_LOWEST = "known phase above the lowest of its formula"
ABOVE_HULL = "known phase above the hull"


class EverydaySettings(Deck):
    """Settings of the suite; the meaning of each stands in its description."""

    compositions: Count | None = Field(None, description="Take so many compounds.")


@dataclass(frozen=True, slots=True)
class Compound:
    """A compound whose phase at ambient conditions is known: formula, space group, name."""

    formula: str
    space_group: int
    name: str

    @property
    def key(self) -> str:
        """Formula and space group; a compound may be there with several phases."""
        return f"{self.formula}-{self.space_group}"


class Everyday(SuiteTask):
    """Known phases of compounds among the references of a hull; see the module."""

    settings_class = EverydaySettings
    stage = "look up"

    def __init__(
        self,
        deck: BenchDeck,
        compounds: Sequence[Compound],
        hull: Hull,
        *,
        digest: str,
        of: int,
        source: Path,
    ) -> None:
        self.deck = deck
        self.compounds = compounds
        self.hull = hull
        self.digest = digest
        self.of = of
        self.source = source

    @classmethod
    def open(cls, suite: Suite, deck: BenchDeck, settings: Any) -> Self:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        if suite.truths is None:
            raise SuiteError("the suite needs a table of compounds: give its table 'truths'.")
        path = find_truths(suite.truths, deck.truth)
        every = read_compounds(path)
        n = deck.compositions or settings.compositions or len(every)
        drawn = sorted(np.random.default_rng(DRAWN_WITH).permutation(len(every))[:n])
        return cls(
            deck,
            [every[k] for k in drawn],
            open_hull(deck.hull),
            digest=_digest_of(every),
            of=suite.truths.crystals,
            source=path,
        )

    @classmethod
    def measures_of(cls, settings: Any = None) -> tuple[Measure, ...]:  # noqa: ARG003
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        return (
            Measure(name=THERE, kind="share"),
            Measure(name=LOWEST, kind="share"),
            Measure(name=ABOVE_LOWEST, kind="mean", unit="eV/atom", better="lower"),
            Measure(name=ABOVE_HULL, kind="mean", unit="eV/atom", better="lower"),
        )

    def identify(self, executor: Executor) -> Manifest:  # noqa: ARG002 - no worker is needed
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        return {
            "truths": self.digest,
            "potential": self.hull.model,
            "hull": self.hull.digest,
        }

    def parts(self) -> Mapping[str, Callable[[], TaskOutput]]:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`: nothing needs a worker."""
        return {}

    def outcome(self, results: Mapping[str, Finished]) -> Outcome:  # noqa: ARG002
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        before = _groups_before(self.deck.hull)
        found = [judge(one, self.hull, before) for one in self.compounds]
        return Outcome(
            measures=self.measures_of(),
            rows=tuple(
                Row(key=one.key, seed=0, values=dict(_values(row)))
                for one, row in zip(self.compounds, found, strict=True)
            ),
            sample_size={"compounds": len(self.compounds)},
            protocol={
                "compounds": f"{len(self.compounds)} of {self.source.name} (of a suite of "
                f"{self.of})",
                "hull": f"{self.hull.model}, {len(self.hull)} formulas",
                "known phase": "a reference whose space group is the known one after its "
                "relaxation, or before it where none has it after",
                "lowest": f"within {SAME} eV/atom",
            },
            tables={"counts": dict(Counter(row["state"] for row in found)), "compounds": found},
        )


def read_compounds(path: Path) -> list[Compound]:
    """Compounds of a CSV file with the columns ``formula``, ``space_group`` and ``name``.

    Raises:
        StructureFileError: it cannot be read or lacks a column; a formula or space group is none.
    """
    rows = _rows(decode(read_bytes(path)))
    if not rows or not set(COLUMNS) <= rows[0].keys():
        raise StructureFileError(f"{path} needs rows with the columns {', '.join(COLUMNS)}.")
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            Composition.parse(row["formula"])
            group = int(row["space_group"])
        except (CompositionError, TypeError, ValueError) as error:
            raise StructureFileError(f"row {number} of {path} cannot be read ({error}).") from error
        check(f"space_group of row {number} of {path}", group, SpaceGroupNumber, StructureFileError)
        found.append(Compound(row["formula"], group, row["name"] or ""))
    return found


def judge(compound: Compound, hull: Hull, before: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """What a hull knows of one compound.

    Args:
        compound: what is known.
        hull: the references.
        before: space groups of references before their relaxation, by formula and id.

    Returns:
        Its ``state``: "no reference", "known phase missing", "lowest" of its formula, or "another
        phase is lower", with ``lower_space_group`` and ``above_lowest``; ``above_hull`` is E_d of
        the known phase. All energies are in eV/atom.

    Raises:
        HullReferenceError: no reference for one of the elements of a compound that has one.
    """
    formula, group = Composition.parse(compound.formula).reduced, compound.space_group
    said: dict[str, Any] = asdict(compound)
    there = hull.references(formula)
    known = [one for one in there if one.space_group == group] or [
        one for one in there if before.get(_place(one)) == group
    ]
    if not known:
        return said | {"state": "known phase missing" if there else "no reference"}
    lowest, energy = there[0], known[0].energy_per_atom
    said |= {
        "relaxed_to": known[0].space_group,
        "above_hull": round(hull.decomposition_energy(formula, energy), 5),
    }
    if energy - lowest.energy_per_atom <= SAME:
        return said | {"state": "lowest"}
    return said | {
        "state": "another phase is lower",
        "lower_space_group": lowest.space_group,
        "above_lowest": round(energy - lowest.energy_per_atom, 5),
    }


def _digest_of(compounds: Sequence[Compound]) -> str:
    """Short hash of compounds, 12 hexadecimal digits."""
    told = "\n".join(f"{one.key} {one.name}" for one in compounds)
    return sha256(told.encode()).hexdigest()[:12]


def _values(row: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    there = "above_hull" in row
    yield THERE, float(there)
    yield LOWEST, float(row["state"] == "lowest") if there else None
    yield ABOVE_LOWEST, float(row.get("above_lowest", 0.0)) if there else None
    yield ABOVE_HULL, row.get("above_hull")


def _groups_before(given: object) -> Mapping[tuple[str, str], int]:
    """Space groups before their relaxation of the references of a table that it changed.

    By formula and id; none where the table does not say.
    """
    if isinstance(given, Carried):
        return {}
    if isinstance(given, Path):
        text = decode(read_bytes(given))
    else:
        text = gzip.decompress(shipped_bytes(f"references_{DEFAULT_MODEL}.csv.gz")).decode("utf-8")
    if text.lstrip()[:1] in ("[", "{"):
        return {}
    found: dict[tuple[str, str], int] = {}
    for row in _rows(text):
        before = row.get(BEFORE) or ""
        if before.isdecimal() and before != row.get("space_group"):
            formula = Composition.parse(row["formula"]).reduced.formula
            found[formula, row.get("source_id") or ""] = int(before)
    return found


def _place(entry: HullEntry) -> tuple[str, str]:
    return entry.composition.reduced.formula, entry.entry_id


def _rows(text: str) -> list[dict[str, str]]:
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return list(csv.DictReader(lines))
