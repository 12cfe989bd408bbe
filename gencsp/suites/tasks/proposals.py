"""Proposals of compositions whose crystals are known: match rates at k, as proposed and relaxed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any, Literal, Self

from ase import Atoms
from pydantic import Field

from gencsp import records
from gencsp.composition import Composition
from gencsp.deck import CellAtoms, Count, Deck, Fmax, Natural
from gencsp.errors import SuiteError
from gencsp.measure.match_rate import best_distance
from gencsp.minimise.settings import RelaxSettings
from gencsp.runs.objects import chosen
from gencsp.runs.parts import NamedProposer, NamedRelaxer
from gencsp.searches.runner import TaskOutput
from gencsp.similarity.matching import LOOSE, STANDARD
from gencsp.store.base import Finished, Manifest
from gencsp.suites.checked_proposer import CheckedMaker
from gencsp.suites.deck import BenchDeck
from gencsp.suites.identity import identify
from gencsp.suites.outcome import Measure, Outcome, Row
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.base import SuiteTask
from gencsp.suites.tasks.proposing import Trying, propose_and_match
from gencsp.suites.truths import (
    KnownCrystal,
    digest_of,
    find_truths,
    part_of,
    read_truths,
    seeds_of,
)

#: pymatgen's own tolerances, and those of CDVAE and all that followed it.
MATCHERS = {"pymatgen": STANDARD, "cdvae": LOOSE}
#: Ways in which proposals are looked at, as the names of measures say them.
AS_PROPOSED, RELAXED, BY_ENERGY = "as proposed", "relaxed", "relaxed, by energy"


class ProposalsSettings(Deck):
    """Settings of suites of proposals; the meaning of each stands in its description."""

    n: Count = Field(20, description="Proposals for each composition.")
    k: tuple[Count, ...] = Field((1, 5, 20), description="How many of them count.")
    matcher: Literal["pymatgen", "cdvae"] = Field(
        "pymatgen", description="Tolerances: pymatgen's own, or stol 0.5, ltol 0.3, 10 degrees."
    )
    relaxed: bool = Field(True, description="Relax the proposals, too.")
    rms: bool = Field(False, description="Report RMSE, too.")
    polymorphs: bool = Field(False, description="Report METRe and cRMSE, too.")
    unique: bool = Field(False, description="Leave out known crystals that match one before.")
    fmax: Fmax = Field(0.1, description="Relaxed when no force exceeds this, eV/Å.")
    steps: Natural = Field(200, description="Most minimiser steps.")
    compositions: Count | None = Field(None, description="Take so many compositions.")
    most_atoms: CellAtoms | None = Field(None, description="Leave out larger cells.")
    formulas: tuple[str, ...] = Field((), description="Cells to take; all if not given.")

    @property
    def counted(self) -> tuple[int, ...]:
        """The numbers of proposals that count, of which there are as many."""
        return tuple(k for k in self.k if k <= self.n) or (self.n,)


class Proposals(SuiteTask):
    """Match rates of proposals; see the module."""

    settings_class = ProposalsSettings
    stage = "propose"

    def __init__(
        self,
        settings: ProposalsSettings,
        deck: BenchDeck,
        crystals: Sequence[KnownCrystal],
        *,
        digest: str,
        of: int,
        source: Path,
    ) -> None:
        self.settings = settings
        self.deck = deck
        self.crystals = crystals
        self.digest = digest
        self.of = of
        self.source = source
        self.proposer = NamedProposer(chosen(deck.proposer))
        self.relaxer = NamedRelaxer(deck.engine, chosen(deck.potential))

    @classmethod
    def open(cls, suite: Suite, deck: BenchDeck, settings: Any) -> Self:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        if suite.truths is None:
            raise SuiteError("a suite of proposals needs known crystals: give its table 'truths'.")
        path = find_truths(suite.truths, deck.truth)
        every = read_truths(path)
        some = part_of(
            every,
            n=deck.compositions or settings.compositions,
            most_atoms=settings.most_atoms,
            formulas=settings.formulas,
            unique=MATCHERS[settings.matcher] if settings.unique else None,
        )
        if not some:
            raise SuiteError(f"{path} has none of the known crystals that the suite asks for.")
        return cls(
            settings, deck, some, digest=digest_of(every), of=suite.truths.crystals, source=path
        )

    def identify(self, executor: Executor) -> Manifest:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        elements = {s for one in self.crystals for s in one.atoms.get_chemical_symbols()}
        return {
            "truths": self.digest,
            "time_limit": self.deck.time_limit,
            **identify(
                executor,
                self.proposer,
                self.relaxer if self.settings.relaxed else None,
                tuple(sorted(elements)),
            ),
        }

    def parts(self) -> Mapping[str, Callable[[], TaskOutput]]:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`: a crystal with a seed is a part."""
        settings = self.settings
        how = Trying(
            proposer=CheckedMaker(self.proposer, self.deck.time_limit),
            relaxer=self.relaxer if settings.relaxed else None,
            relax=RelaxSettings(fmax=settings.fmax, steps=settings.steps),
            n=settings.n,
            tolerances=MATCHERS[settings.matcher],
        )
        return {
            _name(seed, one): partial(propose_and_match, how, one, seed=seed)
            for seed, one in seeds_of(self.crystals, self.deck.seeds)
        }

    def note(self, result: Finished) -> str:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        matched = any(records.RMS_TO_KNOWN in atoms.info for atoms in result.structures)
        known = str(result.structures[0].info[records.KNOWN_CRYSTAL]) if result.structures else ""
        return f"{known} {'found' if matched else 'not found'}".strip()

    def outcome(self, results: Mapping[str, Finished]) -> Outcome:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        rows = [
            Row(key=one.key, seed=seed, values=dict(self._values(results[_name(seed, one)])))
            for seed, one in seeds_of(self.crystals, self.deck.seeds)
        ]
        if self.settings.polymorphs:
            rows = self._with_polymorphs(rows, results)
        failures: dict[str, int] = defaultdict(int)
        for finished in results.values():
            for reason, count in finished.failures.items():
                failures[reason] += count
        return Outcome(
            measures=tuple(self._measures()),
            rows=tuple(rows),
            sample_size={
                "known crystals": len(self.crystals),
                "proposals of each": self.settings.n,
                "seeds": self.deck.seeds,
            },
            protocol={
                "known crystals": f"{len(self.crystals)} of {self.source.name} (of a suite of "
                f"{self.of})",
                "given": "composition and number of atoms of the known cell",
                "matcher": self.settings.matcher,
            },
            failures=failures,
        )

    def _looks(self) -> tuple[str, ...]:
        return (AS_PROPOSED, RELAXED, BY_ENERGY) if self.settings.relaxed else (AS_PROPOSED,)

    def _measures(self) -> Iterator[Measure]:
        for look in self._looks():
            for k in self.settings.counted:
                yield Measure(name=matched(k, look), kind="share")
                if self.settings.rms:
                    yield Measure(name=rmse(k, look), kind="mean", better="lower")
        if self.settings.polymorphs:
            yield Measure(name="METRe", kind="share")
            yield Measure(name="cRMSE", kind="mean", better="lower")
        seconds = "processor seconds of a proposal"
        yield Measure(name=seconds, kind="mean", unit="s", better="lower")

    def _values(self, finished: Finished) -> Iterator[tuple[str, float | None]]:
        """What one crystal comes to with one seed, by the names of measures."""
        for look in self._looks():
            ordered = [_distance(atoms) for atoms in _ordered(finished.structures, look)]
            for k in self.settings.counted:
                found = min((d for d in ordered[:k] if d is not None), default=None)
                yield matched(k, look), float(found is not None)
                if self.settings.rms:
                    yield rmse(k, look), found
        seconds = [
            float(atoms.info[records.PROCESSOR_SECONDS])
            for atoms in finished.structures
            if records.PROCESSOR_SECONDS in atoms.info
        ]
        mean = sum(seconds) / len(seconds) if seconds else None
        yield "processor seconds of a proposal", mean

    def _with_polymorphs(self, rows: Sequence[Row], results: Mapping[str, Finished]) -> list[Row]:
        """The same with METRe and cRMSE: what was made for any polymorph counts for each."""
        tolerances = MATCHERS[self.settings.matcher]
        alike: dict[Composition, list[KnownCrystal]] = defaultdict(list)
        for one in self.crystals:
            alike[one.composition].append(one)
        by_key = {one.key: one for one in self.crystals}
        found = []
        for row in rows:
            crystal = by_key[row.key]
            own = _distances(results[_name(row.seed, crystal)])
            others = [
                best_distance(
                    _ordered(results[_name(row.seed, other)].structures, AS_PROPOSED),
                    crystal.atoms,
                    tolerances=tolerances,
                )
                for other in alike[crystal.composition]
                if other is not crystal
            ]
            best = min([*own, *(d for d in others if not isnan(d))], default=None)
            corrected = tolerances.stol if best is None else best
            more = {"METRe": float(best is not None), "cRMSE": corrected}
            found.append(Row(key=row.key, seed=row.seed, values={**row.values, **more}))
        return found


def matched(k: int, look: str) -> str:
    """Name of the share of crystals that one of k proposals matches."""
    return f"matched, k = {k}, {look}"


def rmse(k: int, look: str) -> str:
    """Name of the mean distance of the best of k proposals that match."""
    return f"RMSE, k = {k}, {look}"


def _name(seed: int, crystal: KnownCrystal) -> str:
    return f"{crystal.key}-seed{seed}"


def _ordered(structures: Sequence[Atoms], look: str) -> list[Atoms]:
    """Structures in the order in which they count; what did not converge is left out."""
    relaxed = look != AS_PROPOSED
    some = [
        atoms
        for atoms in structures
        if (records.OUTCOME in atoms.info) is relaxed and not records.failed(atoms.info)
    ]
    if look == BY_ENERGY:
        return sorted(some, key=lambda atoms: float(atoms.info[records.ENERGY_PER_ATOM]))
    return sorted(some, key=lambda atoms: int(atoms.info[records.RANK]))


def _distance(atoms: Atoms) -> float | None:
    return records.number(atoms.info, records.RMS_TO_KNOWN)


def _distances(finished: Finished) -> list[float]:
    every = map(_distance, _ordered(finished.structures, AS_PROPOSED))
    return [d for d in every if d is not None]
