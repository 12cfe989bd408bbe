"""Protocols of the parts of a search, so that any part can be replaced."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Protocol, TypeVar

from ase import Atoms

from gencsp.composition import Composition
from gencsp.convex_hull.entries import HullEntry
from gencsp.minimise.result import PathCallback, Relaxed
from gencsp.minimise.settings import RelaxSettings
from gencsp.proposers.base import Proposer
from gencsp.records import Basis

Made_co = TypeVar("Made_co", covariant=True)


class Relaxer(Protocol):
    """Relaxes a stream of structures; a failure is a result with its reason, not an exception."""

    def __call__(
        self,
        structures: Iterable[Atoms],
        settings: RelaxSettings,
        *,
        on_path: PathCallback | None = None,
    ) -> Iterator[Relaxed]:
        """Yield the relaxed structures as they finish; ``on_path`` is told the path of each."""
        ...


class Maker(Hashable, Protocol[Made_co]):
    """Makes a part inside a worker process, which keeps it for later tasks.

    A maker is small, picklable and hashable, and equal makers make equal parts.
    """

    def __call__(self) -> Made_co:
        """Make the part."""
        ...


ProposerMaker = Maker[Proposer]
RelaxerMaker = Maker[Relaxer]


class HullReference(Protocol):
    """Says how far above (or below) the known phases an energy lies, or an enthalpy."""

    def require_pressure(self, pressure: float) -> None:
        """Raise ``HullReferenceError`` unless the references are at this pressure, GPa."""
        ...

    def decomposition_energy(self, composition: Composition, energy_per_atom: float) -> float:
        """E_d in eV/atom, negative below the hull (CHGGen, Methods, "MP phase diagram").

        Raises:
            HullReferenceError: no reference for one of the elements.
        """
        ...

    def basis(self, atoms: Atoms, energy_per_atom: float) -> Basis:
        """What that E_d stands on."""
        ...


class LiveHull(HullReference, Protocol):
    """A hull that grows with the search."""

    model: str
    pressure: float

    def energy_above(self, composition: Composition, energy_per_atom: float) -> float:
        """Distance to the live hull in eV/atom, negative for what would lower it."""
        ...

    def add(self, entry: HullEntry) -> bool:
        """Add a phase; returns whether it is the lowest of its formula."""
        ...
