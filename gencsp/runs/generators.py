"""What generates crystals de novo, made in whichever process needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ase import Atoms

from gencsp.deck import CellAtoms, check_fields
from gencsp.errors import RequestError
from gencsp.io.pools import sources
from gencsp.plugins import Choice
from gencsp.proposers.base import ProposerContext
from gencsp.proposers.targets import read_targets
from gencsp.searches.tasks import cached_make

if TYPE_CHECKING:
    from gencsp.diffusion.joint.model import JointModel

#: Proposers that choose compositions themselves.
DE_NOVO = ("pigen",)


@dataclass(frozen=True, slots=True)
class StoredJointModel:
    """Makes the joint model of a weights file; ``None`` for the one that ships with gencsp."""

    weights: Path | None = None
    device: str = "auto"

    def __call__(self) -> JointModel:
        """Load the model."""
        from gencsp.diffusion.joint.model import load_joint_model

        return load_joint_model(self.weights, device=self.device)


@dataclass(frozen=True, slots=True)
class DeNovo:
    """Crystals of the joint model's own compositions, see :func:`.pigen.propose_de_novo`.

    Attributes:
        choice: the proposer with its options, targets and guidance among them.
        elements: that may occur; ``None`` for all that the model knows.
        atoms: most in a cell.
        weights: file of the model; ``None`` for the one that ships with gencsp.
        device: where it runs, see :func:`gencsp.executors.devices.find_device`.
    """

    choice: Choice
    elements: tuple[str, ...] | None = None
    atoms: CellAtoms = 20
    weights: Path | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def of(
        cls,
        proposer: str | Mapping[str, Any],
        targets: Sequence[str],
        *,
        guidance: float,
        elements: tuple[str, ...] | None,
        atoms: int,
        weights: Path | None,
        device: str = "auto",
    ) -> DeNovo:
        """From the texts of a deck.

        Raises:
            RequestError: a proposer that makes no structures de novo, or a target that is not
                written as ``compactness=0.7``.
        """
        given = Choice.read(proposer)
        if given.name not in DE_NOVO:
            raise RequestError(
                f"'{given}' makes no structures de novo: use {' or '.join(DE_NOVO)}."
            )
        aims = {"targets": read_targets(targets), "guidance": guidance}
        choice = Choice.of(given.name, {**aims, **given.options})
        return cls(choice, elements, atoms, weights, device)

    def propose(self, n: int, *, seed: int) -> Iterator[Atoms]:
        """Generate n structures.

        Raises:
            RequestError: an element or a target that the model does not know.
            WeightsError: the weights are missing or damaged.
        """
        # Late, because they load torch, which the process that only starts workers does not need.
        from gencsp.proposers.pigen import PigenOptions, propose_de_novo

        return propose_de_novo(
            n=n,
            elements=self.elements,
            most_atoms=self.atoms,
            seed=seed,
            options=PigenOptions.from_options(self.choice.options),
            context=ProposerContext(
                joint_model=cached_make(StoredJointModel(self.weights, self.device))
            ),
        )

    def identify(self) -> str:
        """The digest of the weights, once everything that was asked for is known to be there.

        Raises:
            RequestError, WeightsError: as :meth:`propose`.
        """
        self.propose(1, seed=0)
        model: JointModel = cached_make(StoredJointModel(self.weights, self.device))
        return model.digest


def read_given(files: Sequence[Path], most: int) -> list[Atoms]:
    """The first structures of files of another generator.

    Raises:
        StructureFileError: a file is missing or cannot be read.
        RequestError: there is none in them.
    """
    every = (atoms for source in sources(list(files)) for atoms in source.load())
    found = list(islice(every, most))
    if not found:
        raise RequestError(f"there is no structure in {', '.join(map(str, files))}.")
    return found
