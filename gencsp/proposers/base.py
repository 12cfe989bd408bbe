"""The contract of proposers, and the requests that they answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from ase import Atoms
from ase.cell import Cell
from pydantic import PrivateAttr

from gencsp.composition import Composition
from gencsp.deck import (
    CellAtoms,
    Count,
    Fraction,
    Natural,
    Pressure,
    SpaceGroupNumbers,
    UnitNumbers,
    VolumePerAtom,
    check,
    check_fields,
)
from gencsp.descriptors.least_distances import LeastDistances
from gencsp.plugins import Configured, Registry

if TYPE_CHECKING:
    from gencsp.diffusion.batch import ScoreModel
    from gencsp.diffusion.joint.model import JointModel
    from gencsp.diffusion.joint.settings import JointSamplerSettings
    from gencsp.diffusion.positions.settings import SamplerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to propose.

    Attributes:
        composition: the formula unit.
        n: how many structures.
        units: numbers of formula units allowed in a cell; one is drawn for each structure.
        cell: fixed cell; ``None`` draws one.
        volume_per_atom: Å³/atom; ``None`` predicts it from composition and pressure.
        host: structure whose atoms stay (constrained by ``FixAtoms`` semantics); the proposer adds
            what is missing to reach the composition. ``None`` for none.
        space_groups: space-group numbers to draw from; ``None`` for the proposer's own choice.
        pressure: GPa, at which the volume is predicted.
        offset: structures of this request that other calls were asked for. A proposer with an order
            goes on after them; one that draws at random need not know.
    """

    composition: Composition
    n: Count
    units: UnitNumbers = (1,)
    cell: Cell | None = None
    volume_per_atom: VolumePerAtom | None = None
    host: Atoms | None = None
    space_groups: SpaceGroupNumbers | None = None
    pressure: Pressure = 0.0
    offset: Natural = 0

    def __post_init__(self) -> None:
        check_fields(self)
        check_size(self.composition, self.units)


def check_size(composition: Composition, units: Sequence[int]) -> None:
    """Check the numbers of formula units and the size of the largest cell.

    Raises:
        RequestError: there is no number of units, one is not above zero, or a cell is too large.
    """
    check("units", tuple(units), UnitNumbers)
    check(
        f"the number of atoms in {max(units)} x {composition}",
        composition.size * max(units),
        CellAtoms,
    )


@runtime_checkable
class Proposer(Protocol):
    """Proposes structures.

    ``propose`` yields lazily, one structure at a time, each with exactly the requested composition;
    a structure that cannot be made is counted in ``failures`` and does not raise. The same state of
    the random generator gives the same structures. Where a proposer also has ``rejected``, a
    ``Counter`` of the reasons, runs tell them (:class:`CountsReasons`).
    """

    @property
    def name(self) -> str:
        """Name under which its structures are recorded."""
        ...

    @property
    def failures(self) -> int:
        """Structures so far that could not be made."""
        ...

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:
        """Yield up to ``request.n`` structures, one at a time; see the class.

        Args:
            request: composition, formula units, number and, where given, cell or host.
            rng: the only source of chance.
        """
        ...


class CountsReasons:
    """Counts what a proposer could not make, by reason.

    Attributes:
        rejected: how often a structure could not be made for each reason, in words.
    """

    rejected: Counter[str]

    @property
    def failures(self) -> int:
        """Structures so far that could not be made, whatever the reason."""
        return self.rejected.total()


def reasons_of(proposer: Proposer) -> Counter[str]:
    """A copy of what a proposer has counted; under no reason where it tells none."""
    told = getattr(proposer, "rejected", None)
    if isinstance(told, Counter) and told.total() == proposer.failures:
        return Counter(told)
    return Counter({"": proposer.failures})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposerContext:
    """Settings of a run for all its proposers; each uses those that it needs.

    An option of a proposer takes precedence over a setting of the same meaning here.

    Attributes:
        weights: file of a model; ``None`` for the one that ships with gencsp.
        model: a score model in memory, in place of the file.
        joint_model: a joint model in memory, in place of the file.
        sampler: settings of the sampler of score models; ``None`` for their defaults.
        joint_sampler: settings of the sampler of joint models; ``None`` for their defaults.
        min_separations: least distances of pairs of elements, Å, in place of a share of the
            covalent radii.
        volume_spread: volumes of random crystals are drawn uniformly within this fraction above and
            below the requested or predicted one.
        device: where a model of a file runs, see :func:`gencsp.executors.devices.find_device`.
    """

    weights: Path | None = None
    model: ScoreModel | None = None
    joint_model: JointModel | None = None
    sampler: SamplerSettings | None = None
    joint_sampler: JointSamplerSettings | None = None
    min_separations: LeastDistances = field(default_factory=LeastDistances)
    volume_spread: Fraction = 0.0
    device: str = "auto"

    def __post_init__(self) -> None:
        check("volume_spread", self.volume_spread, Fraction)


class ConfiguredProposer(Configured):
    """Base of proposers, or of their options: checked fields of the class, set once.

    A small proposer is one class with ``propose``. One that loads a model has its options here and
    makes the proposer in ``build``.

    Attributes:
        needs_model: whether it runs a score model, which a search then names in its manifest.
        block: structures of one task of a search, where larger batches are cheaper; ``None`` for
            the search's own number.
        inpaints: whether it completes a host; one that does not is refused wherever there is a
            host, before anything is computed.
        places_units: whether its structures consist of rigid units, which they name.
        wraps: option that names another proposer, whose structures it hands over and whose needs
            are therefore its own; empty where there is none.
        divides: whether several calls for some structures each do as well as one call for all;
            not so for what hands out files in their order or starts a program.
    """

    kind: ClassVar[str] = "proposer"
    needs_model: ClassVar[bool] = False
    block: ClassVar[int | None] = None
    divides: ClassVar[bool] = True
    inpaints: ClassVar[bool] = False
    places_units: ClassVar[bool] = False
    wraps: ClassVar[str] = ""

    _rejected: Counter[str] = PrivateAttr(default_factory=Counter)

    @property
    def rejected(self) -> Counter[str]:
        """How often a structure could not be made, by reason."""
        return self._rejected

    @property
    def failures(self) -> int:
        """Structures that could not be made."""
        return self._rejected.total()

    def count_failure(self, reason: str = "no reason given") -> None:
        """Count a structure that could not be made, and why, in words."""
        self._rejected[reason] += 1

    @classmethod
    def block_with(cls, options: Mapping[str, Any]) -> int | None:  # noqa: ARG003
        """``block`` of the proposer with some options.

        Raises:
            DeckError: an option is unknown or out of range.
        """
        return cls.block

    def build(self, context: ProposerContext) -> Proposer:  # noqa: ARG002
        """The proposer with these options; a subclass with ``propose`` is itself the proposer."""
        made: Any = self
        proposer: Proposer = made
        return proposer


#: All proposers, by name.
PROPOSERS: Registry[Proposer] = Registry(
    "gencsp.proposers",
    kind="proposer",
    contract=Proposer,
    hint=(
        ", or give the TOML deck of an external generator, FILE.py:OBJECT or package.module:OBJECT"
    ),
)
