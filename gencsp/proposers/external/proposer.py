"""Structures from a program in an environment of its own: MatterGen, DiffCSP, Chemeleon, ..."""

from __future__ import annotations

import json
import logging
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from math import ceil
from pathlib import Path

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.composition import Composition
from gencsp.descriptors.flaws import PROPOSED_SHARE
from gencsp.errors import ProgramError, RequestError
from gencsp.programs import Launch, Supervised
from gencsp.programs.launch import find_program, program_variables
from gencsp.proposers.base import CountsReasons, ProposerContext, Request
from gencsp.proposers.checks import rejection
from gencsp.proposers.drawing import draw_units, tag_proposal
from gencsp.proposers.external.arriving import Arriving
from gencsp.proposers.external.deck import ExternalDeck
from gencsp.proposers.options import SeparatedOptions

LOGGER = logging.getLogger("gencsp.external")

UNREADABLE = "unreadable"

#: Seconds between two readings of the files of a running program.
LOOK = 0.5


class ExternalProposer(CountsReasons):
    """Runs a generator under custodian and yields its crystals as they appear.

    Every crystal is checked: those that cannot be read, have another composition than requested, or
    two atoms too close are counted in ``rejected``, by reason, and dropped. A program that
    fails is started again as often as the deck allows; what it made before it failed counts. Where
    it makes too few, it is launched anew for the rest, with another seed. What went wrong is logged
    as a warning (``gencsp.external``).

    The same generator state gives the same commands, seeds included; whether a program then makes
    the same structures is for the program to say.

    Args:
        deck: the program and its limits.
        name: of the proposer, where the deck gives none.
        separation: least distance of two atoms as a share of the sum of their covalent radii.
    """

    inpaints = False

    def __init__(
        self, deck: ExternalDeck, *, name: str = "external", separation: float = PROPOSED_SHARE
    ) -> None:
        self.deck = deck
        self.separation = separation
        self.name = deck.name or deck.preset or name
        self.digest = deck.model_digest()
        self.rejected: Counter[str] = Counter()

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`.

        Raises:
            RequestError: the request has a host, a fixed cell or space groups, which these programs
                do not take.
            ProgramError: the program cannot be started.
        """
        if request.host is not None or request.cell is not None:
            raise RequestError(
                f"{self.name} makes whole crystals: use 'score' with a host or a fixed cell."
            )
        if request.space_groups is not None:
            raise RequestError(f"{self.name} takes no space groups: use 'symmetric'.")
        return self._propose(request, rng)

    def _propose(self, request: Request, rng: np.random.Generator) -> Iterator[Atoms]:
        made = 0
        for _ in range(self.deck.launches):
            before = made
            for units, wanted in self._shares(request, request.n - made, rng):
                n = ceil(wanted * self.deck.ask)
                with closing(
                    self._launch(request, units, n, seed=int(rng.integers(2**31)))
                ) as launched:
                    for atoms in launched:
                        made += 1
                        yield atoms
                        if made == request.n:
                            return
            if made == before:
                return

    def _shares(self, request: Request, n: int, rng: np.random.Generator) -> list[tuple[int, int]]:
        """Formula units in a cell and how many such cells, one pair for each launch."""
        if not self.deck.takes_composition:
            return [(max(request.units), n)]
        drawn = Counter(draw_units(request.units, rng) for _ in range(n))
        return sorted(drawn.items())

    def _launch(self, request: Request, units: int, n: int, *, seed: int) -> Generator[Atoms]:
        arriving = Arriving(self.deck.call.output)
        accepted, rejected = 0, Counter[str]()
        with self._folder() as folder:
            launch = self._prepared(folder, request.composition, units, n, seed)
            program = Supervised(launch, is_there=lambda: arriving.any_in(launch.out))
            try:
                with program:
                    running = True
                    while running:
                        running = program.running(LOOK)
                        for found in _arrived(arriving, launch, program, running=running):
                            reason = self._flaw(found, request)
                            if reason or isinstance(found, str):
                                rejected[reason] += 1
                                self.rejected[reason] += 1
                                continue
                            accepted += 1
                            yield tag_proposal(found, proposer=self.name, model=self.digest)
            finally:
                # Also where the caller has enough structures and closes this generator.
                self._report(launch, accepted, rejected)

    def _prepared(
        self, folder: Path, composition: Composition, units: int, n: int, seed: int
    ) -> Launch:
        deck = self.deck
        counts = {symbol: count * units for symbol, count in composition.counts}
        fixed = {
            "n": n,
            "formula": "".join(f"{symbol}{count}" for symbol, count in counts.items()),
            "counts": json.dumps(counts, separators=(",", ":")),
            "system": "-".join(sorted(composition.elements)),
            "seed": seed,
        }

        def command(out: Path, batch: int) -> list[str]:
            values = {**fixed, "out": out, "batch": batch, "batches": ceil(n / batch)}
            return deck.filled((*deck.call.command, *deck.arguments), values)

        names = list(deck.call.variables)
        values = deck.filled(list(deck.call.variables.values()), {**fixed, "out": folder})
        return Launch(
            command=command,
            folder=folder,
            limits=deck.limits,
            environment=deck.environment,
            variables=dict(zip(names, values, strict=True)),
            batch=min(deck.call.batch, n),
        )

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """A folder for one launch, gone afterwards unless the deck says to keep it."""
        try:
            if self.deck.keep is not None:
                self.deck.keep.mkdir(parents=True, exist_ok=True)
                yield Path(tempfile.mkdtemp(dir=self.deck.keep.absolute(), prefix="launch-"))
                return
            folder = tempfile.TemporaryDirectory(prefix="gencsp-", ignore_cleanup_errors=True)
        except OSError as error:
            raise ProgramError(f"there is no place to run {self.name} ({error}).") from error
        with folder as path:
            yield Path(path)

    def _flaw(self, found: Atoms | str, request: Request) -> str:
        """Why a crystal is dropped; empty for one that is not."""
        if isinstance(found, str):
            return UNREADABLE
        return rejection(found, request.composition, request.units, separation=self.separation)

    def _report(self, launch: Launch, accepted: int, rejected: Counter[str]) -> None:
        reasons = list(launch.faults)
        reasons += [f"{n} dropped: {reason}" for reason, n in sorted(rejected.items())]
        if reasons or not accepted:
            LOGGER.warning(
                "%s: %d structures; %s", self.name, accepted, "; ".join(reasons) or "none"
            )


class ExternalOptions(SeparatedOptions):
    """Options of :class:`ExternalProposer`."""

    name = "external"
    main = "program"
    executes = ("program",)
    divides = False

    program: Path | None = Field(default=None, description="Deck of the program, a TOML file.")

    def build(self, context: ProposerContext) -> ExternalProposer:  # noqa: ARG002
        """From the deck that is named.

        Raises:
            RequestError: no deck is named.
            DeckError: it cannot be read.
            ProgramError: the program is not installed.
        """
        if self.program is None:
            raise RequestError(
                "the proposer 'external' needs a deck: name its TOML file instead, such as "
                "--proposer mattergen.toml."
            )
        deck = ExternalDeck.read(self.program)
        variables = program_variables(deck.environment, deck.call.variables)
        find_program(deck.filled(deck.call.command[:1], {})[0], variables.get("PATH", ""))
        return ExternalProposer(deck, name=self.program.stem, separation=self.separation)


def _arrived(
    arriving: Arriving, launch: Launch, program: Supervised, *, running: bool
) -> Iterator[Atoms | str]:
    """New structures, also of earlier attempts that failed half way."""
    last = launch.attempt
    for attempt in range(1, last + 1):
        out = launch.folder / f"out-{attempt}"
        final = attempt < last or not running
        whole = final and attempt == last and program.succeeded
        yield from arriving.new(out, final=final, whole=whole)
