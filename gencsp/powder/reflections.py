"""Reflections of a crystal: where its powder lines lie, and how strong they are.

Kinematic X-ray intensities as pymatgen's ``XRDCalculator`` has them (its atomic scattering factors,
Lorentz and polarisation factor, no thermal motion, no anomalous scattering), for all reflections at
once, with what is needed to move the lines when the cell is strained.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from gencsp.errors import PatternError

Array = NDArray[np.float64]

#: Å² sr: the constant of the Mott-Bethe formula, f = Z - C s² Σ a exp(-b s²).
_MOTT_BETHE = 41.78214
#: Reflections and atoms whose phases are computed together.
_CHUNK = 4_000_000
#: Lines weaker than this share of the strongest are left out.
WEAKEST = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Reflections:
    """The reflections of a crystal, one of each pair h, -h.

    Attributes:
        vectors: reciprocal-lattice vectors, Cartesian, 1/Å without 2π, shape (m, 3).
        strengths: squared structure factors of both of a pair, shape (m,); relative.
    """

    vectors: Array
    strengths: Array

    @classmethod
    def of(cls, atoms: Atoms, *, longest: float) -> Reflections:
        """Those of a crystal up to a length of the reciprocal-lattice vector.

        Args:
            atoms: fully periodic.
            longest: 1/Å, which is 2 sin θ / λ.

        Raises:
            PatternError: there are no scattering factors for one of the elements, or no reflection
                within that length.
        """
        symbols = sorted(set(atoms.symbols))
        require_scattering_factors(symbols)
        indices = _half_sphere(atoms.cell.array, longest)
        if not len(indices):
            raise PatternError(
                f"a crystal of cell {atoms.cell.cellpar().round(2).tolist()} has no reflection "
                f"within the range of the pattern: give a pattern up to a larger angle."
            )
        vectors = indices @ np.linalg.inv(atoms.cell.array).T
        squared = np.square(np.linalg.norm(vectors, axis=1) / 2)
        amplitude = np.zeros(len(indices), dtype=complex)
        fractional = atoms.get_scaled_positions()
        for symbol in symbols:
            there = fractional[np.array(atoms.symbols) == symbol]
            factor = scattering_factor(symbol, squared)
            amplitude += factor * _phase_sums(indices, there)
        return cls(vectors, 2 * np.square(np.abs(amplitude)))

    def lines(self, wavelength: float, strain: Array | None = None) -> tuple[Array, Array]:
        """Angles 2θ in degrees, ascending, and intensities; lines at one angle are joined.

        Args:
            wavelength: Å.
            strain: symmetric, by which the crystal is deformed (1 + strain), shape (3, 3);
                structure factors stay. ``None`` for none.
        """
        vectors = self.vectors if strain is None else strained(self.vectors, strain)
        sines = np.linalg.norm(vectors, axis=1) * wavelength / 2
        seen = sines < 1
        theta = np.arcsin(sines[seen])
        strengths = self.strengths[seen] * lorentz_polarisation(theta)
        order = np.argsort(theta, kind="stable")
        angles, strengths = np.degrees(2 * theta[order]), strengths[order]
        begins = np.flatnonzero(np.diff(angles, prepend=-1.0) > 1e-5)
        if not len(begins):
            return angles, strengths
        joined = np.add.reduceat(strengths, begins)
        strong = joined > WEAKEST * joined.max()
        return angles[begins][strong], joined[strong]


def require_scattering_factors(symbols: Iterable[str]) -> None:
    """Raise ``PatternError`` where there are none for one of the elements."""
    unknown = [symbol for symbol in symbols if symbol not in scattering_parameters()]
    if unknown:
        raise PatternError(
            f"there are no X-ray scattering factors for {', '.join(unknown)}: leave --xrd out."
        )


def strained(vectors: Array, strain: Array) -> Array:
    """Reciprocal-lattice vectors of a crystal deformed by 1 + strain, shape (m, 3)."""
    return np.asarray(vectors @ np.linalg.inv(np.eye(3) + strain))


def lorentz_polarisation(theta: Array) -> Array:
    """(1 + cos² 2θ) / (sin² θ cos θ), of a powder and unpolarised X-rays; θ in radians."""
    return np.asarray((1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta)))


def scattering_factor(symbol: str, squared: Array) -> Array:
    """Atomic scattering factor at s² = (sin θ / λ)², 1/Å²; as in pymatgen."""
    table = np.array(scattering_parameters()[symbol])
    sums = (table[:, 0] * np.exp(-table[:, 1] * squared[:, None])).sum(axis=1)
    return np.asarray(atomic_numbers[symbol] - _MOTT_BETHE * squared * sums)


@cache
def scattering_parameters() -> dict[str, list[list[float]]]:
    """Pairs a, b of each element, as pymatgen ships them."""
    from pymatgen.analysis.diffraction.xrd import ATOMIC_SCATTERING_PARAMS

    known = ATOMIC_SCATTERING_PARAMS
    return {symbol: known[symbol] for symbol in chemical_symbols if symbol in known}


def _half_sphere(cell: Array, longest: float) -> Array:
    """Indices of the reflections within a sphere, one of each pair h, -h, shape (m, 3)."""
    most = np.floor(longest * np.linalg.norm(cell, axis=1)).astype(int)
    axes = [np.arange(-n, n + 1) for n in most]
    indices = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    h, k, l = indices.T  # noqa: E741
    half = (h > 0) | ((h == 0) & (k > 0)) | ((h == 0) & (k == 0) & (l > 0))
    indices = indices[half].astype(float)
    lengths = np.linalg.norm(indices @ np.linalg.inv(cell).T, axis=1)
    return np.asarray(indices[lengths <= longest])


def _phase_sums(indices: Array, fractional: Array) -> NDArray[np.complex128]:
    """Σ exp(2πi h·r) over atoms, shape (m,)."""
    sums = np.empty(len(indices), dtype=complex)
    step = max(1, _CHUNK // max(len(fractional), 1))
    for start in range(0, len(indices), step):
        rows = slice(start, start + step)
        sums[rows] = np.exp(2j * np.pi * (indices[rows] @ fractional.T)).sum(axis=1)
    return sums
