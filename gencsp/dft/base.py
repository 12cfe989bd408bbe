"""The contract of codes for density functional theory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.deck import BandGap, Cutoff, Pressure, Spacing, check_fields
from gencsp.errors import DftError
from gencsp.plugins import Configured, Registry

CalculationKind = Literal["static", "relax"]

#: Spacing of k-points where neither it nor the band gap is given, 1/Å.
SPACING = 0.25
#: eV: a band gap below this is none, as in pymatgen's sets.
METAL = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculation:
    """What is to be computed.

    Attributes:
        kind: energies of the structures as they are, or of relaxed atoms and cells.
        cutoff: of plane waves, eV; ``None`` for the code's own choice.
        spacing: of k-points, 1/Å (2π included); ``None`` for that of ``gap``, or
            :data:`SPACING`.
        gap: band gap that the structures are taken to have, eV, 0 for metals; ``None`` where it is
            not known.
        pressure: GPa.
        settings: the code's own, over all others.
    """

    kind: CalculationKind = "static"
    cutoff: Cutoff | None = None
    spacing: Spacing | None = None
    gap: BandGap | None = None
    pressure: Pressure = 0.0
    settings: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self, DftError)
        if self.spacing is not None and self.gap is not None:
            raise DftError("the band gap says how far k-points are apart: leave out the spacing.")

    @property
    def kpoint_spacing(self) -> float:
        """Spacing of k-points, 1/Å (2π included), as it was given or by the band gap.

        With a gap by the rule of the Materials Project's r²SCAN calculations, as pymatgen has it:
        0.22 for metals, wider the larger the gap, 0.44 from 3.3 eV on. It follows Wisesa, McGill
        and Mueller, Phys. Rev. B 93, 155109 (2016), Eqs. 25 and 29, with these bounds.
        """
        if self.gap is None:
            return SPACING if self.spacing is None else self.spacing
        from pymatgen.io.vasp.sets import auto_kspacing

        return float(auto_kspacing(self.gap, METAL))


@dataclass(frozen=True, slots=True, kw_only=True)
class CalculationResult:
    """The result of a code for one structure.

    Attributes:
        atoms: with energy in eV (and forces in eV/Å, stress in eV/Å³ where the code gives them).
        energy: of the cell, eV, as it enters a hull; corrections included.
        problem: why the calculation failed; empty if it did not.
    """

    atoms: Atoms
    energy: float
    problem: str = ""


@runtime_checkable
class Code(Protocol):
    """A code: writes the inputs of each structure into a folder, runs it and reads its results."""

    @property
    def name(self) -> str:
        """Name of the code."""
        ...

    @property
    def command(self) -> tuple[str, ...]:
        """How the code is run in a folder, unless the user says otherwise."""
        ...

    @property
    def done(self) -> str:
        """File that is there once the code has run."""
        ...

    def level(self, structures: Sequence[Atoms], calculation: Calculation) -> str:
        """Level of theory of the energies: equal names may share a hull.

        Raises:
            DftError: what a calculation needs is missing.
        """
        ...

    def write(self, atoms: Atoms, folder: Path, calculation: Calculation) -> None:
        """Write the inputs of one structure into a folder that is there and empty.

        Raises:
            DftError: it cannot be written for this code.
        """
        ...

    def run(self, folder: Path, command: Sequence[str], *, seconds: float, retries: int) -> str:
        """Run one folder under custodian; returns what went wrong, empty where nothing did.

        Raises:
            ProgramError: there is no such program.
        """
        ...

    def read(self, folder: Path, *, level: str) -> CalculationResult:
        """Read one folder of a level of theory.

        Raises:
            StructureFileError: it cannot be read.
        """
        ...


class ConfiguredCode(Configured):
    """Base of codes: options are checked fields of the class, set once.

    Settings that all codes share are those of :class:`Calculation`.
    """

    kind: ClassVar[str] = "code"
    command: ClassVar[tuple[str, ...]]
    done: ClassVar[str]


#: All codes, by name.
CODES: Registry[Code] = Registry("gencsp.dft", kind="code", contract=Code, error=DftError)


def starting_moments(atoms: Atoms) -> NDArray[np.float64] | None:
    """Magnetic moments that a calculation starts from, μ_B, shape (n,); ``None`` without any.

    Raises:
        DftError: they are vectors, or not finite.
    """
    if not atoms.has("initial_magmoms"):
        return None
    moments = np.asarray(atoms.get_initial_magnetic_moments(), dtype=np.float64)
    if moments.ndim != 1 or not np.isfinite(moments).all():
        raise DftError(
            f"the magnetic moments of {atoms.symbols} are no finite numbers, one an atom: inputs "
            f"are written for collinear moments only."
        )
    return moments if moments.any() else None


def bare_crystal(atoms: Atoms) -> Atoms:
    """Elements, positions, cell and starting moments of a structure, and nothing else of it.

    Raises:
        DftError: as :func:`starting_moments`.
    """
    moments = starting_moments(atoms)
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True, magmoms=moments)


def settings_digest(*parts: object) -> str:
    """Hash of settings, six hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def file_digest(path: Path) -> str:
    """Twelve hexadecimal digits of the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
