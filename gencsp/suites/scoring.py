"""Structures made elsewhere, by any program, scored as a suite of proposals scores a proposer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from gencsp.deck import MOST
from gencsp.errors import SuiteError
from gencsp.io.reading import read_pool
from gencsp.runs.objects import carried
from gencsp.runs.parts import run_executor
from gencsp.store import DiskStore, MemoryStore
from gencsp.suites.deck import ScoreDeck
from gencsp.suites.outcome import Outcome
from gencsp.suites.run import FORMAT, RESULT, Bench
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.proposals import ProposalsSettings
from gencsp.suites.tasks.scores import Scores
from gencsp.suites.truths import find_truths, read_truths

#: The task whose measures these are.
TASK = "proposals"
#: Settings where no suite is named.
PLAIN: Mapping[str, Any] = {"rms": True, "polymorphs": True, "k": (1, 5, 20)}


@contextmanager
def open_scoring(
    files: Sequence[Path | str], deck: ScoreDeck, *, in_memory: bool = False
) -> Iterator[Bench]:
    """A score ready to begin or to go on, as :func:`gencsp.suites.run.open_bench` opens a run.

    Args:
        files: structure files, folders, archives and databases, in the order that counts.
        deck: the settings.
        in_memory: write nothing.

    Raises:
        SuiteError: there is no such suite, its known crystals are not there, or the structures
            cannot be ordered or relaxed as asked for.
        StructureFileError: a file is not there, or nothing in the files can be read.
        StoreError: the folder holds another run, or cannot be written.
    """
    task, suite = _task(files, deck)
    with run_executor(carried(dict(deck)), deck.executor, workers=deck.workers) as executor:
        manifest = {
            "kind": "bench score",
            "format": FORMAT,
            "task": TASK,
            "settings": json.dumps(task.settings.model_dump(mode="json"), sort_keys=True),
            "relaxed": deck.relaxed,
            **task.identify(executor),
        }
        with nullcontext(MemoryStore()) if in_memory else DiskStore(deck.folder, manifest) as store:
            yield Bench(
                suite,
                deck,
                task,
                manifest=manifest,
                store=store,
                executor=executor,
                files=task.names,
            )


def score(files: Iterable[Path | str], **settings: Any) -> Outcome:
    """Score structures made elsewhere: ``score(["made.extxyz"], truth="known.extxyz")``.

    The record and the structures are written to ``out``; without it nothing is written.

    Args:
        files: as :func:`open_scoring`.
        settings: fields of :class:`~gencsp.suites.deck.ScoreDeck`.

    Raises:
        GencspError: as :func:`open_scoring`.
    """
    deck = ScoreDeck.make(**settings)
    with open_scoring(list(files), deck, in_memory="out" not in deck.given) as opened:
        for _ in opened.irun():
            pass
        outcome = opened.outcome()
        if "out" in deck.given:
            opened.write(outcome, deck.folder / RESULT)
    return outcome


def _task(files: Sequence[Path | str], deck: ScoreDeck) -> tuple[Scores, Suite]:
    suite, settings = _settings(deck)
    truths = suite.truths
    if truths is None:
        raise SuiteError("the suite has no known crystals: give them with --truth.")
    source = find_truths(truths, deck.truth)
    every = read_truths(source)
    some = settings.part_of(every, deck.compositions)
    if not some:
        raise SuiteError(f"{source} has none of the crystals that the suite asks for.")
    structures, failures = read_pool(files)
    task = Scores(
        settings,
        deck,
        some,
        every,
        structures,
        unreadable=len(failures),
        source=source,
        names=[Path(file).name for file in files],
    )
    return task, suite


def _settings(deck: ScoreDeck) -> tuple[Suite, ProposalsSettings]:
    """The suite, and its settings with those of the deck in their place."""
    own: dict[str, Any] = {"k": deck.k, "n": deck.n, "matcher": deck.matcher}
    given = {name: value for name, value in own.items() if value is not None}
    if deck.suite is not None:
        suite = Suite.open(deck.suite)
        if suite.task != TASK:
            raise SuiteError(
                f"the suite '{deck.suite}' measures no proposals, but {suite.task}: structures "
                f"made elsewhere cannot be scored on it."
            )
        quick = suite.quick if deck.quick else {}
        settings = ProposalsSettings.make(**{**suite.settings, **quick, **given})
    else:
        if deck.truth is None:
            raise SuiteError("give the known crystals with --truth, or a suite with --suite.")
        if deck.quick:
            raise SuiteError("--quick is a part of a suite: name one with --suite.")
        suite = Suite.make(
            title="Structures made elsewhere",
            task=TASK,
            source="",
            about="Known crystals that the maker of the structures was trained on are no test.",
            truths={"file": deck.truth.name, "crystals": MOST, "where": "they are your own"},
        )
        settings = ProposalsSettings.make(**{**PLAIN, "n": MOST, **given})
    return suite, settings.model_copy(update={"relaxed": deck.relax})
