"""The contract of moves, and what they may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import numpy as np
from ase import Atoms
from ase.constraints import FixSymmetry

from gencsp.errors import RequestError
from gencsp.plugins import Configured, Registry
from gencsp.searches.contracts import Maker
from gencsp.searches.tasks import cached_make
from gencsp.symmetry.refinement import SPGLIB_ERRORS

if TYPE_CHECKING:
    from gencsp.diffusion.batch import ScoreModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What moves may use besides their parents.

    Attributes:
        score_model: makes the score model, once in a worker; ``None`` where there is none.
        elements: those that a move may put in place of others; empty where the composition is
            fixed.
        fixed_cell: whether the cell must stay.
    """

    score_model: Maker[ScoreModel] | None = None
    elements: tuple[str, ...] = ()
    fixed_cell: bool = False

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

    A move is small and picklable; it changes nothing that it is given. What it makes is checked by
    the search (composition, distances), and it is called again with the same generator where it
    fails.

    Attributes:
        name: under which it is asked for and counted.
        n_parents: how many structures it starts from.
        keeps_cell: whether it can leave the cell of the first parent as it is.
        keeps_counts: whether the atoms of the first parent stay, species by species.
        needs_model: whether it needs a score model.
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
    def needs_model(self) -> bool:
        """Whether a score model is needed."""
        ...

    def applies(self, parents: Sequence[Atoms]) -> bool:
        """Whether it can make anything of these; cheap, and without chance."""
        ...

    def __call__(
        self, parents: Sequence[Atoms], *, rng: np.random.Generator, tools: Tools
    ) -> Atoms | None:
        """A new structure, or ``None`` where this attempt came to nothing."""
        ...


class ConfiguredMove(Configured):
    """Base of moves, see :class:`Move`: options are checked fields of the class, set once.

    A subclass gives ``name`` and ``__call__``, and says where it differs from what stands here.
    """

    kind: ClassVar[str] = "move"
    n_parents: ClassVar[int] = 1
    keeps_cell: ClassVar[bool] = True
    keeps_counts: ClassVar[bool] = True
    needs_model: ClassVar[bool] = False

    def applies(self, parents: Sequence[Atoms]) -> bool:  # noqa: ARG002
        """To every crystal, unless a subclass says otherwise."""
        return True


#: All moves, by name.
MOVES: Registry[Move] = Registry("gencsp.moves", kind="move", contract=Move)


def bare(atoms: Atoms) -> Atoms:
    """A copy of species, positions and cell alone."""
    return Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)


def hold_symmetry(atoms: Atoms, symprec: float) -> FixSymmetry | None:
    """The symmetry of a crystal, which is moved onto exact sites; ``None`` where spglib fails."""
    try:
        return FixSymmetry(atoms, symprec=symprec)
    except SPGLIB_ERRORS:
        return None
