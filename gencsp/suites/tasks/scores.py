"""Structures made elsewhere as a task: match rates in the order in which they are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any, Self

from ase import Atoms

from gencsp import records
from gencsp.deck import MOST
from gencsp.errors import SuiteError
from gencsp.minimise.settings import RelaxSettings
from gencsp.potentials.base import identity, require_elements
from gencsp.runs.objects import chosen
from gencsp.runs.parts import NamedRelaxer
from gencsp.searches.runner import TaskOutput
from gencsp.store.base import Finished, Manifest
from gencsp.suites.deck import BenchDeck, ScoreDeck
from gencsp.suites.given import ENERGY, digest_of_given, lacking, prepared, sort_out
from gencsp.suites.matching_rates import AS_PROPOSED, BY_ENERGY, MATCHERS, RELAXED, Look
from gencsp.suites.outcome import Outcome, Row, failures_of
from gencsp.suites.polymorphs import Made
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.base import SuiteTask
from gencsp.suites.tasks.proposals import ProposalsSettings
from gencsp.suites.tasks.proposing import Judging, judge
from gencsp.suites.truths import KnownCrystal, digest_of

OTHERS = "of no known composition"
UNREADABLE = "cannot be read"
#: What gencsp writes itself, by which nothing can be ordered.
_OWN = (records.RANK, records.RMS_TO_KNOWN)


class Scores(SuiteTask):
    """Match rates of given structures.

    Args:
        settings: of the suite.
        deck: of the score.
        crystals: those that are looked at.
        every: all that are known.
        structures: in the order in which their maker trusts them.
        unreadable: how many more could not be read.
        source: file of the known crystals.
        names: of the files of structures.
    """

    settings_class = ProposalsSettings
    stage = "match"

    def __init__(
        self,
        settings: ProposalsSettings,
        deck: ScoreDeck,
        crystals: Sequence[KnownCrystal],
        every: Sequence[KnownCrystal],
        structures: Sequence[Atoms],
        *,
        unreadable: int,
        source: Path,
        names: Sequence[str],
    ) -> None:
        self.given = sort_out(structures, every)
        most = max((len(self.given.of.get(one.key, ())) for one in crystals), default=0)
        if settings.n == MOST:
            settings = settings.model_copy(update={"n": max(most, *settings.k)})
        self.settings = settings
        self.deck = deck
        self.crystals = crystals
        self.every = every
        self.unreadable = unreadable
        self.source = source
        self.names = names
        self.counting = [atoms for one in crystals for atoms in self.given.of.get(one.key, ())]
        self.relaxer = (
            NamedRelaxer(deck.engine, chosen(deck.potential), deck.device) if deck.relax else None
        )
        self._check()

    @classmethod
    def open(cls, suite: Suite, deck: BenchDeck, settings: Any) -> Self:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`; scores are opened another way.

        Raises:
            SuiteError: always.
        """
        del suite, deck, settings
        raise SuiteError("structures made elsewhere are scored by gencsp bench score FILES.")

    def identify(self, executor: Executor) -> Manifest:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        found: dict[str, Any] = {
            "truths": digest_of(self.every),
            "structures": digest_of_given(self.given.of, self.deck.by),
            "files": list(self.names),
            "by": self.deck.by,
        }
        if self.relaxer is not None:
            elements = {s for one in self.crystals for s in one.atoms.get_chemical_symbols()}
            call = partial(_identify, self.relaxer, tuple(sorted(elements)))
            found |= executor.submit(call).result()
        return found

    def parts(self) -> Mapping[str, Callable[[], TaskOutput]]:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`: a crystal is a part."""
        settings = self.settings
        how = Judging(
            relaxer=self.relaxer,
            relax=RelaxSettings(fmax=settings.fmax, steps=settings.steps),
            tolerances=MATCHERS[settings.matcher],
        )
        return {
            one.key: partial(
                _match,
                how,
                one,
                self.given.of.get(one.key, []),
                n=settings.n,
                relaxed=self.deck.relaxed,
                by=self.deck.by,
            )
            for one in self.crystals
        }

    def later_parts(
        self, results: Callable[[], Mapping[str, Finished]]
    ) -> Mapping[str, Callable[[], TaskOutput]]:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`: those of polymorphs."""
        if not self.settings.polymorphs:
            return {}
        rates = self.settings.rates(self.looks())
        return rates.polymorph_parts(self.crystals, self._made(results()))

    def outcome(self, results: Mapping[str, Finished]) -> Outcome:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        rates = self.settings.rates(self.looks())
        structures = self._made(results)
        rows = [
            Row(key=key, seed=seed, values=dict(rates.values(made)))
            for (key, seed), made in structures.items()
        ]
        unused = {OTHERS: self.given.others, UNREADABLE: self.unreadable}
        failures = {**unused, **failures_of(results)}
        return Outcome(
            measures=tuple(rates.measures()),
            rows=tuple(rates.with_polymorphs(rows, structures, results)),
            sample_size={
                "known crystals": len(self.crystals),
                "known crystals without structures": sum(
                    not self.given.of.get(one.key) for one in self.crystals
                ),
                "structures": self.given.total,
            },
            protocol={
                "known crystals": f"{len(self.crystals)} of {len(self.every)} of "
                f"{self.source.name}",
                "order": "as given" if self.deck.by is None else f"as given, and by {self.deck.by}",
                "matcher": self.settings.matcher,
            },
            failures={reason: count for reason, count in failures.items() if count},
        )

    def looks(self) -> tuple[Look, ...]:
        """How the structures are looked at: as what they are, and what is made of them."""
        ended = [self.deck.relaxed or records.OUTCOME in atoms.info for atoms in self.counting]
        by = self.deck.by
        key = records.ENERGY_PER_ATOM if by == ENERGY else by
        looks = []
        if not all(ended) or not ended:
            looks.append(AS_PROPOSED)
            if by is not None:
                looks.append(Look(f"{AS_PROPOSED.name}, by {by}", relaxed=False, key=key))
        if any(ended):
            looks.append(RELAXED)
            energies = any(records.ENERGY_PER_ATOM in atoms.info for atoms in self.counting)
            if by is not None and key != BY_ENERGY.key:
                looks.append(Look(f"{RELAXED.name}, by {by}", relaxed=True, key=key))
            elif by is not None or energies:
                looks.append(BY_ENERGY)
        elif self.deck.relax:
            looks += [RELAXED, BY_ENERGY]
        return tuple(looks)

    def _made(self, results: Mapping[str, Finished]) -> Made:
        """The structures of each crystal."""
        return {(one.key, 0): results[one.key].structures for one in self.crystals}

    def _check(self) -> None:
        by = self.deck.by
        if by in _OWN:
            raise SuiteError(f"'{by}' is what gencsp writes: order by another number of info.")
        if by is not None and self.counting and lacking(self.counting, by) == len(self.counting):
            raise SuiteError(
                f"none of the structures has a number '{by}' in its info: leave --by out, or name "
                f"one that they have."
            )
        ended = self.deck.relaxed or any(records.OUTCOME in one.info for one in self.counting)
        if self.deck.relax and ended:
            raise SuiteError("the structures are relaxed already: leave --relax out.")


def _match(
    how: Judging,
    crystal: KnownCrystal,
    structures: Sequence[Atoms],
    *,
    n: int,
    relaxed: bool,
    by: str | None,
) -> TaskOutput:
    """What a worker does for one known crystal."""
    counting = prepared(structures, crystal, n=n, relaxed=relaxed, by=by)
    return judge(how, crystal, Finished(structures=tuple(counting)))


def _identify(relaxer: NamedRelaxer, elements: tuple[str, ...]) -> dict[str, str]:
    potential = relaxer.load()
    require_elements(potential, elements)
    return identity(potential)
