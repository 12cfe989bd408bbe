"""The contract of moves, and the tools that are passed to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from ase import Atoms
from ase.constraints import FixSymmetry
from pydantic import model_validator

from gencsp.errors import RequestError
from gencsp.plugins import Configured, Registry
from gencsp.searches.contracts import Maker
from gencsp.searches.tasks import cached_make
from gencsp.symmetry.answers import FIX_SYMMETRY_ERRORS

if TYPE_CHECKING:
    from gencsp.diffusion.batch import ScoreModel


class OwnModel(Protocol):
    """A model that one move alone has."""

    @property
    def digest(self) -> str:
        """Short hash of its weights."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What moves may use besides their parents.

    Attributes:
        score_model: makes the score model, once in each worker; ``None`` where there is none.
        elements: symbols that a move may substitute for others; empty where the composition is
            fixed.
        fixed_cell: whether the cell must stay as it is.
        device: where models of moves run, see :func:`gencsp.executors.devices.find_device`.
    """

    score_model: Maker[ScoreModel] | None = None
    elements: tuple[str, ...] = ()
    fixed_cell: bool = False
    device: str = "auto"

    def model(self) -> ScoreModel:
        """The score model, loaded once in a process.

        Raises:
            RequestError: there is none.
        """
        if self.score_model is None:
            raise RequestError("this move needs a score model: name its weights, or leave it out.")
        model: ScoreModel = cached_make(self.score_model)
        return model


@runtime_checkable
class Move(Protocol):
    """Makes a structure from relaxed ones.

    A move is small and picklable, and does not change its arguments. The search checks composition
    and distances of its structures, and calls it again with the same generator where a check fails.
    """

    @property
    def name(self) -> str:
        """Name under which the move is chosen and counted."""
        ...

    @property
    def n_parents(self) -> int:
        """Number of parents."""
        ...

    @property
    def keeps_cell(self) -> bool:
        """Whether the cell of the first parent can stay as it is."""
        ...

    @property
    def keeps_counts(self) -> bool:
        """Whether the numbers of atoms of each species stay those of the first parent."""
        ...

    @property
    def keeps_units(self) -> bool:
        """Whether rigid units that the parents name stay whole, and are named by the child."""
        ...

    @property
    def needs_model(self) -> bool:
        """Whether a score model is needed."""
        ...

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """Whether the move can be made from these parents; cheap, without random numbers."""
        ...

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        """A new structure, or ``None`` where this attempt gave none."""
        ...


class ConfiguredMove(Configured):
    """Base of moves, see :class:`Move`: options are checked fields of the class, set once.

    A subclass defines ``name`` and ``__call__``, and overrides the attributes in which it differs.
    """

    kind: ClassVar[str] = "move"
    n_parents: ClassVar[int] = 1
    keeps_cell: ClassVar[bool] = True
    keeps_counts: ClassVar[bool] = True
    keeps_units: ClassVar[bool] = False
    needs_model: ClassVar[bool] = False

    def applies(self, parents: Sequence[Atoms]) -> bool:  # noqa: ARG002
        """True for every crystal, unless a subclass says otherwise."""
        return True

    def own_model(self) -> Maker[OwnModel] | None:
        """Makes a model that the move has beside the score model; ``None`` where there is none.

        A search loads it once in a worker before it begins, so that weights that are missing are
        reported, and keeps its digest in the manifest.
        """
        return None


class MoveWithLimits(ConfiguredMove):
    """Base of moves whose size is drawn between two limits."""

    least: float
    most: float

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"least is {self.least} and most {self.most}")
        return self


#: All moves, by name.
MOVES: Registry[Move] = Registry("gencsp.moves", kind="move", contract=Move)


def bare(atoms: Atoms) -> Atoms:
    """A copy with species, positions and cell, and nothing else."""
    return Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)


def hold_symmetry(atoms: Atoms, symprec: float) -> FixSymmetry | None:
    """The symmetry of a crystal, which is moved onto exact sites; ``None`` where spglib fails."""
    try:
        return FixSymmetry(atoms, symprec=symprec)
    except FIX_SYMMETRY_ERRORS:
        return None
