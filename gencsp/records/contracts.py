"""What is recorded: the protocols of a result and of a hull that says what an energy stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ase import Atoms

from gencsp.composition import Composition


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a decomposition energy stands on.

    Attributes:
        decomposition: the phases that it is taken against, see
            :data:`~gencsp.records.keys.DECOMPOSITION`.
        has_reference: whether a reference has this very composition.
        phase: the reference phase that the structure is; empty where it is none that is known.
    """

    decomposition: str
    has_reference: bool
    phase: str = ""


class Reference(Protocol):
    """A hull of known phases that gives decomposition energies, or enthalpies at its pressure."""

    def require_pressure(self, pressure: float) -> None:
        """Raise ``HullReferenceError`` unless the references are at this pressure, GPa."""
        ...

    def decomposition_energy(self, composition: Composition, energy_per_atom: float) -> float:
        """Energy above the hull in eV/atom, negative below it; of enthalpies under pressure."""
        ...

    def basis(self, atoms: Atoms, energy_per_atom: float) -> Basis:
        """What that decomposition energy stands on."""
        ...


class Ended(Protocol):
    """The members of :class:`~gencsp.minimise.result.Relaxed` that are recorded."""

    @property
    def atoms(self) -> Atoms:
        """The last structure."""
        ...

    @property
    def outcome(self) -> str:
        """How it ended, see :class:`~gencsp.minimise.result.Outcome`."""
        ...

    @property
    def reason(self) -> str:
        """Why it failed; empty where it did not."""
        ...

    @property
    def steps(self) -> int:
        """Steps taken."""
        ...

    @property
    def broken_units(self) -> str:
        """What became of its rigid units; empty where they are whole, or there are none."""
        ...

    @property
    def unit_bond_change(self) -> float | None:
        """Change of a bond of its rigid units, a share of its length; ``None`` for none."""
        ...

    @property
    def converged(self) -> bool:
        """Whether forces and stresses fell below their limits."""
        ...

    @property
    def energy(self) -> float:
        """eV."""
        ...

    @property
    def enthalpy(self) -> float:
        """eV, with the pressure's share."""
        ...

    @property
    def pressure(self) -> float:
        """External pressure of the relaxation, GPa."""
        ...

    @property
    def energy_model(self) -> str:
        """Potential that made the energy."""
        ...

    @property
    def energy_digest(self) -> str:
        """Hash of the potential's weights."""
        ...
