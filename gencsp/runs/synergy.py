"""Searches seeded with generated structures against searches of their compositions alone.

PIGEN, "Synergy between generative models and crystal structure prediction" and Extended Data
Table 3. For each model, compositions are drawn from what it generates, half of them behind the
filters; each is searched twice, at the same settings and from the same seed: from the composition
alone, and with the generated structure among the structures that the search begins with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from ase import Atoms

from gencsp.errors import WrongTypeError
from gencsp.files import file_name
from gencsp.runs.candidate_parts import Parts, candidate_manifest
from gencsp.runs.candidates import StageProgress
from gencsp.runs.discover_decks import SynergyDeck
from gencsp.runs.generators import DeNovo
from gencsp.runs.objects import carried
from gencsp.runs.parts import run_executor
from gencsp.runs.synergy_model import Model, ModelResult, ModelRun
from gencsp.store import DiskStore, MemoryStore, Store
from gencsp.store.base import Manifest


class Synergy:
    """The comparison for all models of a deck; make one with :func:`open_synergy`.

    Args:
        deck: the settings.
        parts: filters, relaxer and hull.
        sources: the generators, or the structures of their files, by model.
        manifests: what the run of each model is known by again.
        in_memory: write nothing.
        executor: where tasks run, which the caller opens and closes; ``None`` opens local
            processes for each :meth:`irun`.

    Attributes:
        results: of the models that are done.
    """

    def __init__(
        self,
        deck: SynergyDeck,
        *,
        parts: Parts,
        sources: Mapping[Model, DeNovo | Sequence[Atoms]],
        manifests: Mapping[Model, Manifest],
        in_memory: bool = False,
        executor: Executor | None = None,
    ) -> None:
        self.deck = deck
        self.parts = parts
        self.sources = sources
        self.manifests = manifests
        self.in_memory = in_memory
        self.executor = executor
        self.results: list[ModelResult] = []

    def irun(self) -> Iterator[StageProgress]:
        """Run step by step, one model after the other; raises as :meth:`ModelRun.irun`.

        Raises:
            StoreError: the folder of a model holds another run, or cannot be written.
        """
        self.results = []
        with _executor(self.deck, self.executor) as executor:
            for model, source in self.sources.items():
                folder = None if self.in_memory else self.deck.folder / file_name(model.text)
                with self._store(model, folder) as store:
                    run = ModelRun(
                        self.deck,
                        model,
                        source=source,
                        parts=self.parts,
                        store=store,
                        folder=folder,
                        executor=executor,
                    )
                    yield from run.irun()
                    self.results.append(run.result())

    def _store(self, model: Model, folder: Path | None) -> AbstractContextManager[Store]:
        if folder is None:
            return nullcontext(MemoryStore())
        return DiskStore(folder, self.manifests[model])


def _executor(deck: SynergyDeck, opened: Executor | None) -> AbstractContextManager[Executor]:
    return run_executor(carried(dict(deck)), "local", workers=deck.workers, opened=opened)


def open_synergy(
    deck: SynergyDeck, *, in_memory: bool = False, executor: Executor | None = None
) -> Synergy:
    """A comparison ready to begin or to go on; all errors of the inputs are found here.

    Args:
        deck: the settings.
        in_memory: write nothing.
        executor: see :class:`Synergy`; ``None`` opens one for what is looked at here, too.

    Raises:
        GencspError: as :func:`gencsp.runs.discover.open_discovery`.
    """
    parts = Parts.of(deck)
    models = dict.fromkeys(map(Model.read, deck.model))
    sources = {model: model.source(deck) for model in models}
    with _executor(deck, executor) as own:
        manifests = {
            model: candidate_manifest("synergy", deck, source, parts, n=deck.generate, executor=own)
            for model, source in sources.items()
        }
    return Synergy(
        deck,
        parts=parts,
        sources=sources,
        manifests=manifests,
        in_memory=in_memory,
        executor=executor,
    )


def synergy(
    deck: SynergyDeck | None = None,
    *,
    report: Callable[[StageProgress], None] | None = None,
    **settings: Any,
) -> list[ModelResult]:
    """Seeded against unseeded searches: ``synergy(model=["m_led=9"], n=40, patience=1500)``.

    With ``out`` every result is in that folder at once, and the same call goes on where an earlier
    one was stopped; without it nothing is written.

    Args:
        deck: whole settings; or give them one by one.
        report: called after each step.
        settings: fields of :class:`~gencsp.runs.discover_decks.SynergyDeck`, where each is
            described; beside a deck they take the place of what it says.

    Returns:
        What came of each model; :class:`gencsp.measure.synergy.Columns` makes the table of it.

    Raises:
        DeckError: an unknown setting, or one out of range.
        GencspError: as :func:`gencsp.runs.discover.open_discovery`.
    """
    if deck is not None and not isinstance(deck, SynergyDeck):
        raise WrongTypeError(
            f"the deck is a {type(deck).__name__}: give a SynergyDeck, or settings by name."
        )
    whole = SynergyDeck.make(**{**({} if deck is None else deck.given), **settings})
    with _executor(whole, None) as executor:
        run = open_synergy(whole, in_memory=whole.out is None, executor=executor)
        for step in run.irun():
            if report is not None:
                report(step)
    return run.results
