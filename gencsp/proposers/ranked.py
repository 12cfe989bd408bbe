"""Another proposer's structures, the likeliest first.

Most proposers draw structures at random. This one draws some of theirs, compares them
(:mod:`gencsp.proposers.evidence`), and hands them over in the order of the probability that they
are the crystal sought, which is their ``confidence``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from ase import Atoms
from pydantic import Field, model_validator

from gencsp import records
from gencsp.deck import Count
from gencsp.errors import RequestError
from gencsp.potentials.base import Engine
from gencsp.potentials.chgnet.select import get_engine
from gencsp.proposers.base import ConfiguredProposer, Proposer, ProposerContext, Request, reasons_of
from gencsp.proposers.energy_order import by_probability_and_energy
from gencsp.proposers.evidence import Evidence, Kind, Losses, probabilities, relaxed_evidence

#: How many structures are compared with each other; the regressions were fitted to as many.
AMONG = 20
#: What structures are put in order by.
By: TypeAlias = Literal["prior"] | Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Puts structures of a composition in order.

    Attributes:
        by: by what.
        engine: of the potential that relaxes them; ``None`` where energies do not count.
        losses: of the network; ``None`` where it does not count.
    """

    by: By
    engine: Engine | None = None
    losses: Losses | None = None

    def ordered(
        self, structures: Sequence[Atoms], pressure: float, *, proposer: str = ""
    ) -> list[Atoms]:
        """The likeliest first, each with its new ``confidence``; the structures stay as they are.

        Args:
            structures: of one composition.
            pressure: GPa, at which they are relaxed.
            proposer: who made them.

        Raises:
            RequestError: by the word of a proposer that says nothing.
        """
        said = [records.number(atoms.info, records.CONFIDENCE) for atoms in structures]
        if self.by == "prior":
            return _by_their_word(structures, said)
        if self.by == "joint" and self.engine is not None and None not in said:
            enthalpies, _ = relaxed_evidence(self.engine, structures, pressure)
            return by_probability_and_energy(structures, enthalpies)
        found = probabilities(self._evidence(structures, pressure), self.by, proposer=proposer)
        for atoms, probability in zip(structures, found, strict=True):
            atoms.info[records.CONFIDENCE] = round(float(probability), 4)
        return [structures[k] for k in np.argsort(-found, kind="stable")]

    def _evidence(self, structures: Sequence[Atoms], pressure: float) -> Evidence:
        enthalpies = agreement = None
        if self.engine is not None:
            enthalpies, agreement = relaxed_evidence(self.engine, structures, pressure)
        return Evidence(
            enthalpies=enthalpies,
            agreement=agreement,
            losses=None if self.losses is None else self.losses(structures),
        )


def _by_their_word(structures: Sequence[Atoms], said: Sequence[float | None]) -> list[Atoms]:
    if None in said:
        raise RequestError(
            "the proposer says no confidence, so there is no order by it: choose by=joint, energy, "
            "model or agreement."
        )
    values = np.array(said, dtype=np.float64)
    return [structures[k] for k in np.argsort(-values, kind="stable")]


class RankedProposer:
    """The structures of another proposer, the likeliest first; see the module.

    Args:
        inner: the other proposer.
        judge: puts them in order.
        among: how many are drawn and compared with each other at a time.
        keep: how many of these are handed over, the likeliest; the others are dropped.
    """

    def __init__(self, inner: Proposer, judge: Judge, *, among: int = AMONG, keep: int = AMONG):
        self.inner = inner
        self.judge = judge
        self.among = among
        self.keep = keep

    @property
    def name(self) -> str:
        """That of the other proposer, whose structures they are."""
        return self.inner.name

    @property
    def rejected(self) -> Counter[str]:
        """Structures so far that the other proposer failed to make, by reason."""
        return reasons_of(self.inner)

    @property
    def failures(self) -> int:
        """Structures so far that the other proposer failed to make."""
        return self.inner.failures

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """See :class:`~gencsp.proposers.base.Proposer`; raises what the other one raises."""
        parts = -(-request.n // self.keep)
        drawn = replace(
            request,
            n=parts * self.among,
            offset=request.offset // self.keep * self.among,
        )
        return self._in_order(self.inner.propose(drawn, rng=rng), request)

    def _in_order(self, made: Iterator[Atoms], request: Request) -> Iterator[Atoms]:
        left = request.n
        while left > 0 and (some := list(islice(made, self.among))):
            ordered = self.judge.ordered(some, request.pressure, proposer=self.name)
            kept = ordered[: min(self.keep, left)]
            left -= len(kept)
            yield from kept


class RankedOptions(ConfiguredProposer):
    """Options of :class:`RankedProposer`."""

    name = "ranked"
    main = "of"
    wraps: ClassVar[str] = "of"

    of: str | dict[str, Any] = Field(
        default="pigen", description="The other proposer, with or without options of its own."
    )
    by: By = Field(
        default="joint",
        description="Order: by the confidence that the proposer says (prior), CHGNet's energy, the "
        "joint model's denoising loss, the agreement among the structures, or all (joint).",
    )
    among: Count = Field(default=AMONG, description="Structures compared with each other.")
    keep: Count | None = Field(
        default=None, description="How many of these are handed over; all if not given."
    )
    joint_weights: Path | None = Field(
        default=None, description="File of the joint model that judges; the shipped one if not."
    )

    @model_validator(mode="after")
    def _keeps_what_is_there(self) -> Self:
        if self.keep is not None and self.keep > self.among:
            raise ValueError(f"{self.keep} of {self.among} structures cannot be kept")
        return self

    @classmethod
    def block_with(cls, options: Mapping[str, Any]) -> int | None:
        """See :class:`~gencsp.proposers.base.ConfiguredProposer`: whole comparisons."""
        made = cls.from_options(options)
        return made.among if made.keep is None else made.keep

    def build(self, context: ProposerContext) -> RankedProposer:
        """See :class:`~gencsp.proposers.base.ConfiguredProposer`.

        Raises:
            RequestError, DeckError, WeightsError, PluginError: the other proposer cannot be made,
                or a model is missing.
        """
        from gencsp.proposers.registry import get_proposer

        return RankedProposer(
            get_proposer(self.of, context=context),
            self._judge(context.device),
            among=self.among,
            keep=self.among if self.keep is None else self.keep,
        )

    def _judge(self, device: str) -> Judge:
        relaxes = self.by in ("energy", "agreement", "joint")
        return Judge(
            by=self.by,
            engine=get_engine(device=device) if relaxes else None,
            losses=_losses(self.joint_weights, device) if self.by in ("model", "joint") else None,
        )


def _losses(weights: Path | None, device: str) -> Losses:
    # Loads torch, which a proposer that is only named does not need.
    from gencsp.diffusion.joint.denoising_loss import denoising_losses
    from gencsp.diffusion.joint.model import load_joint_model

    return partial(denoising_losses, load_joint_model(weights, device=device))
