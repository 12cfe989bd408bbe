"""Cycles on the compositions of chemical systems, as in CHGGen: symmetry success and E_d.

Fig. 4c and f, 5 and 6 of the paper, for ways to generate that are rows of settings of
``gencsp cycle``. A part is a small cycle on one composition.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import product
from typing import Annotated, Any, Self

from annotated_types import MinLen
from pydantic import Field

from gencsp.composition import Composition
from gencsp.convex_hull.end_members import EndMembers
from gencsp.deck import Count, Deck
from gencsp.errors import SuiteError
from gencsp.files import file_name
from gencsp.filters.hull_energy import load_hull
from gencsp.runs.cycle import cycle_parts, identify_models
from gencsp.runs.decks import CycleDeck
from gencsp.runs.objects import chosen
from gencsp.searches.randomness import task_generator
from gencsp.searches.runner import TaskOutput
from gencsp.searches.space import Space
from gencsp.store.base import Finished, Manifest
from gencsp.suites.deck import BenchDeck
from gencsp.suites.outcome import Outcome, failures_of
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.base import SuiteTask
from gencsp.suites.tasks.cycle_block import run_cycle
from gencsp.suites.tasks.cycle_values import (
    FOUND,
    CycleRow,
    Part,
    System,
    energies_of,
    lowest_of,
    measures_of,
    name_of_phase,
    number_of_phase,
    rows_of,
)

#: Largest seed that a part is given.
_SEEDS = 2**63
#: Settings of cycles that the suite sets itself.
OWN = ("formula", "atoms", "n", "seed", "compositions", "host", "workers", "out", "potential")


class ChggenSettings(Deck):
    """Settings of the suite; the meaning of each stands in its description."""

    systems: Annotated[tuple[System, ...], MinLen(1)] = Field(description="What is run.")
    rows: Annotated[tuple[CycleRow, ...], MinLen(1)] = Field(description="How it is run.")
    only: tuple[str, ...] = Field((), description="Names of rows to run; all if not given.")
    n: Count = Field(16, description="Structures to generate of each composition, in whole blocks.")
    block: Count = Field(4, description="Structures of one cycle.")
    compositions: Count | None = Field(None, description="Most compositions of each system.")


class Chggen(SuiteTask):
    """Cycles of a suite; see the module."""

    settings_class = ChggenSettings
    stage = "cycle"

    def __init__(self, settings: ChggenSettings, deck: BenchDeck, rows: Sequence[CycleRow]) -> None:
        self.settings = settings
        self.deck = deck
        self.rows = rows
        self.hull = load_hull(None)

    @classmethod
    def open(cls, suite: Suite, deck: BenchDeck, settings: Any) -> Self:  # noqa: ARG003
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        task = cls(settings, deck, _rows(settings, deck))
        for part in task.compared():
            task._deck(part, part.blocks[0])
        return task

    def identify(self, executor: Executor) -> Manifest:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        first = {part.row.name: part for part in self.compared()}
        elements = {s for part in self.compared() for s in part.composition.elements}
        self.hull.require_elements(sorted(elements))
        models = [
            executor.submit(
                identify_models,
                *cycle_parts(self._deck(part, part.blocks[0])),
                tuple(sorted(elements)),
            ).result()
            for part in first.values()
        ]
        self.hull.require_model(models[0]["potential"])
        return {
            "proposer": ", ".join(row.name for row in self.rows),
            "rows": [json.dumps(_whole(row), sort_keys=True) for row in self.rows],
            "hull": self.hull.digest,
            **models[0],
        }

    def parts(self) -> Mapping[str, Callable[[], TaskOutput]]:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`: a block of structures is a part."""
        calls = {
            name: partial(run_cycle, self._deck(part, name), name, inpaint=part.row.inpaint)
            for part in self.compared()
            for name in part.blocks
        }
        # Block by block, so that what is done at any time is balanced.
        return dict(sorted(calls.items(), key=lambda one: one[0].rpartition("-")[2]))

    def note(self, result: Finished) -> str:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        formula = Composition.of(result.structures[0]).reduced.formula if result.structures else ""
        energies = list(energies_of(result.structures))
        return f"{formula} {f'E_d {min(energies):.3f}' if energies else 'nothing'}".strip()

    def compared(self) -> Iterator[Part]:
        """Every composition in every row with every seed."""
        blocks = -(-self.settings.n // self.settings.block)
        for seed, system, row in product(range(self.deck.seeds), self.settings.systems, self.rows):
            for composition in self._compositions(system):
                stem = file_name(f"{system.name}-{composition.formula}-{row.name}-seed{seed}")
                names = tuple(f"{stem}-{k:04d}" for k in range(blocks))
                yield Part(system=system, composition=composition, row=row, seed=seed, blocks=names)

    def outcome(self, results: Mapping[str, Finished]) -> Outcome:
        """See :class:`~gencsp.suites.tasks.base.SuiteTask`."""
        found = [
            (part, [a for name in part.blocks for a in results[name].structures])
            for part in self.compared()
        ]
        labels = {part.label: part for part, _ in found}
        return Outcome(
            measures=tuple(one for part in labels.values() for one in measures_of(part)),
            rows=tuple(row for part, structures in found for row in rows_of(part, structures)),
            sample_size={
                "structures generated of each composition and row": len(found[0][0].blocks)
                * self.settings.block,
                "compositions": len({part.key for part, _ in found}),
                "seeds": self.deck.seeds,
            },
            protocol={
                "systems": [one.model_dump(mode="json") for one in self.settings.systems],
                "rows": [_whole(row) for row in self.rows],
                "symmetric": "share of all that were made, what did not converge included",
                "known phase": f"E_d below {FOUND} eV/atom, of compositions with a reference",
            },
            failures=failures_of(results),
            tables={"lowest": [lowest_of(part, structures) for part, structures in found]},
            wholes={
                name_of_phase(label, phase): number_of_phase(
                    [a for p, some in found if p.label == label for a in some], phase
                )
                for label, part in labels.items()
                for phase in part.system.phases
            },
        )

    def _compositions(self, system: System) -> list[Composition]:
        n = self.deck.compositions or self.settings.compositions or system.compositions
        n = min(n, system.compositions)
        if system.formulas:
            return [Composition.parse(formula) for formula in system.formulas[:n]]
        every = Space.system(EndMembers.parse(system.name), max_atoms=system.atoms).compositions
        return [every[k][0] for k in range(min(n, every.number))]

    def _deck(self, part: Part, name: str) -> CycleDeck:
        """The settings of one cycle."""
        given: dict[str, Any] = {
            name: getattr(self.deck, name) for name in ("potential", "engine", "device")
        }
        given |= {} if self.deck.weights is None else {"weights": self.deck.weights}
        # The same for every row, so that rows with one proposer begin with the same structures.
        drawn = f"{part.key} {part.blocks.index(name)}"
        return CycleDeck.make(
            **{
                "guests": part.system.guests,
                **part.row.settings,
                **given,
                "formula": part.composition.formula,
                "atoms": part.system.atoms,
                "n": self.settings.block,
                "seed": int(task_generator(part.seed, drawn).integers(_SEEDS)),
                "workers": 1,
            }
        )


def _rows(settings: ChggenSettings, deck: BenchDeck) -> tuple[CycleRow, ...]:
    """The rows to run: those of the suite, or the proposer of the deck alone.

    Raises:
        SuiteError: one is named that there is not, or says what the suite does.
    """
    if "proposer" in deck.given:
        name = str(chosen(deck.proposer))
        return (CycleRow(name=name, settings={"proposer": deck.proposer}),)
    names = [row.name for row in settings.rows]
    for name in settings.only:
        if name not in names:
            raise SuiteError(f"there is no row '{name}': the suite has {', '.join(names)}.")
    if len(set(names)) < len(names):
        raise SuiteError("two rows of the suite have one name: name each as no other.")
    for row in settings.rows:
        for key in OWN:
            if key in row.settings:
                raise SuiteError(f"the row '{row.name}' has '{key}', which the suite sets.")
    return tuple(row for row in settings.rows if not settings.only or row.name in settings.only)


def _whole(row: CycleRow) -> dict[str, Any]:
    """A row as JSON has it; objects of a script by their names."""
    return {
        **row.model_dump(exclude={"settings"}),
        "settings": {
            key: value if isinstance(value, str | int | float | bool | list) else str(value)
            for key, value in row.settings.items()
        },
    }
