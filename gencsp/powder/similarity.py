"""How alike a crystal's powder pattern and a measured one are, the cell allowed to breathe.

The weighted cross-correlation of de Gelder, Wehrens and Hageman, J. Comput. Chem. 22, 273 (2001),
eqs. 4-6: S = c_fg(w) / √(c_ff(w) c_gg(w)), in which c_fg(w) sums f(x) g(x + r) over x and r with a
triangular weight w(r) = 1 - |r|/l for |r| < l. It is 1 for equal patterns, falls smoothly as lines
shift, and is 0 where no lines are nearer than l. As relaxed cells are off by a per cent or two, S
is the best over small strains that keep the crystal's symmetry.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import spglib
from ase import Atoms
from numpy.typing import NDArray

from gencsp import records
from gencsp.deck import Count, Fraction, Natural, Positive, check_fields
from gencsp.errors import PatternError
from gencsp.powder.measured import MeasuredPattern
from gencsp.powder.reflections import Reflections
from gencsp.symmetry.answers import answer
from gencsp.symmetry.tolerances import SYMPREC

Array = NDArray[np.float64]

#: Points per degree of the tables of weights.
_TABLE = 200
#: Places of the six numbers of a symmetric tensor, in the order of Voigt.
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
#: Widths of the lines, degrees, that are believed.
_WIDTHS = (0.02, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilaritySettings:
    """How patterns are compared.

    Attributes:
        reach: l, half of the base of the triangle, degrees of 2θ.
        breathing: largest strain along any direction; 0 compares the cell as it is.
        scan: isotropic strains that are tried before the best is refined.
        steps: most evaluations of the refinement.
    """

    reach: Positive = 0.6
    breathing: Fraction = 0.03
    scan: Count = 25
    steps: Natural = 200

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """A crystal beside a measured pattern.

    Attributes:
        similarity: S, 0 to 1.
        strain: with which it is reached, symmetric, shape (3, 3).
    """

    similarity: float
    strain: Array


@dataclass(frozen=True)
class PatternComparison:
    """Compares crystals with one measured pattern.

    Attributes:
        pattern: the measured one.
        settings: how.
    """

    pattern: MeasuredPattern
    settings: SimilaritySettings = SimilaritySettings()

    def __call__(self, atoms: Atoms) -> Likeness:
        """Compare a crystal.

        Args:
            atoms: fully periodic.

        Raises:
            PatternError: as :meth:`.Reflections.of`.
        """
        slack = 1 + 2 * self.settings.breathing
        found = Reflections.of(atoms, longest=self.pattern.longest * slack)
        basis = strains_of(atoms)

        def strain(parameters: Array) -> Array:
            """Of these shares of the basis, made smaller where it is too large together."""
            whole = np.tensordot(parameters, basis, axes=1)
            largest = float(np.abs(np.linalg.eigvalsh(whole)).max())
            return whole * min(1.0, self.settings.breathing / max(largest, 1e-12))

        def likeness(parameters: Array) -> float:
            return self._similarity(found, strain(parameters))

        best = self._scan(likeness, len(basis))
        if self.settings.breathing and self.settings.steps:
            best = self._refine(likeness, best)
        return Likeness(likeness(best), strain(best))

    def mark(self, atoms: Atoms) -> None:
        """Write similarity and strain into ``info``; nothing where the crystal has no pattern."""
        atoms.info.pop(records.XRD_SIMILARITY, None)
        atoms.info.pop(records.XRD_STRAIN, None)
        with suppress(PatternError):
            found = self(atoms)
            atoms.info[records.XRD_SIMILARITY] = round(found.similarity, 6)
            atoms.info[records.XRD_STRAIN] = strain_text(found.strain)

    def _scan(self, likeness: Callable[[Array], float], n: int) -> Array:
        """The best of evenly spaced isotropic strains, which the first of n parameters is."""
        reach = self.settings.breathing
        sizes = np.linspace(-reach, reach, self.settings.scan) if reach else np.zeros(1)
        return max((np.append(size, np.zeros(n - 1)) for size in sizes), key=likeness)

    def _refine(self, likeness: Callable[[Array], float], start: Array) -> Array:
        # Loaded where it is used, as scipy.signal below: every search imports this module.
        from scipy.optimize import minimize

        reach = self.settings.breathing
        done = minimize(
            lambda x: -likeness(x),
            start,
            method="Nelder-Mead",
            bounds=[(-reach, reach)] * len(start),
            options={
                "maxfev": self.settings.steps,
                "initial_simplex": _simplex(start, reach),
                "xatol": 1e-5,
                "fatol": 1e-5,
            },
        )
        return np.asarray(done.x)

    def _similarity(self, reflections: Reflections, strain: Array) -> float:
        angles, strengths = reflections.lines(self.pattern.wavelength, strain)
        low, high = self.pattern.angles[0], self.pattern.angles[-1]
        inside = (angles >= low) & (angles <= high)
        angles, strengths = angles[inside], strengths[inside]
        if not len(angles):
            return 0.0
        crossed = float(strengths @ np.interp(angles, self.pattern.angles, self._spread))
        own = _pairs(angles, strengths, self._own_weight)
        return float(crossed / np.sqrt(own * self._measured))

    @cached_property
    def width(self) -> float:
        """Standard deviation of the measured lines, degrees, taken as Gaussians."""
        from scipy.signal import find_peaks, peak_widths

        intensities = self.pattern.intensities
        peaks, _ = find_peaks(intensities, prominence=0.1 * intensities.max())
        if not len(peaks):
            return _WIDTHS[0]
        full = np.median(peak_widths(intensities, peaks, rel_height=0.5)[0]) * self.pattern.step
        return float(np.clip(full, *_WIDTHS) / 2.3548)

    @cached_property
    def _spread(self) -> Array:
        """The measured pattern weighted around each of its angles, lines of a crystal as broad."""
        offsets = np.arange(-len(self.pattern.angles) + 1, len(self.pattern.angles)) * (
            self.pattern.step
        )
        weights = np.interp(np.abs(offsets), *self._weight(self.width), right=0.0)
        return np.convolve(self.pattern.intensities, weights, mode="valid")

    @cached_property
    def _measured(self) -> float:
        """c_gg of the measured pattern."""
        offsets = np.arange(-len(self.pattern.angles) + 1, len(self.pattern.angles)) * (
            self.pattern.step
        )
        weights = np.clip(1 - np.abs(offsets) / self.settings.reach, 0, None)
        spread = np.convolve(self.pattern.intensities, weights, mode="valid")
        return float(self.pattern.intensities @ spread)

    @cached_property
    def _own_weight(self) -> tuple[Array, Array]:
        return self._weight(np.sqrt(2) * self.width)

    def _weight(self, width: float) -> tuple[Array, Array]:
        """The triangle folded with a Gaussian: distances in degrees, and weights."""
        reach = self.settings.reach + 5 * width
        x = np.arange(-round(reach * _TABLE), round(reach * _TABLE) + 1) / _TABLE
        triangle = np.clip(1 - np.abs(x) / self.settings.reach, 0, None)
        gaussian = np.exp(-0.5 * np.square(x / width))
        folded = np.convolve(triangle, gaussian / gaussian.sum(), mode="same")
        half = len(x) // 2
        return x[half:], folded[half:]


def strain_text(strain: Array) -> str:
    """A symmetric strain, shape (3, 3), as structures say it: xx;yy;zz;yz;xz;xy."""
    return ";".join(f"{strain[i, j]:.6f}" for i, j in VOIGT)


def strain_of(text: str) -> Array | None:
    """The strain of such a text, shape (3, 3); ``None`` where it is none."""
    try:
        values = [float(part) for part in text.split(";")]
    except ValueError:
        return None
    if len(values) != len(VOIGT) or not np.isfinite(values).all():
        return None
    strain = np.empty((3, 3))
    for (i, j), value in zip(VOIGT, values, strict=True):
        strain[i, j] = strain[j, i] = value
    return strain


def strains_of(atoms: Atoms) -> Array:
    """A basis of the symmetric strains that keep a crystal's point group, shape (k, 3, 3).

    The isotropic strain comes first, alone for a cubic crystal; up to five traceless ones follow,
    each with a largest entry of 1.
    """
    cell = atoms.cell.array
    bare = (cell, atoms.get_scaled_positions(), atoms.numbers)
    found = answer(spglib.get_symmetry, bare, symprec=SYMPREC)
    rotations = np.eye(3)[None] if found is None else np.unique(found["rotations"], axis=0)
    cartesian = cell.T @ rotations @ np.linalg.inv(cell.T)
    kept = []
    for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
        one = np.zeros((3, 3))
        one[i, j] = one[j, i] = 1.0
        mean = (cartesian @ one @ cartesian.transpose(0, 2, 1)).mean(axis=0)
        kept.append(mean - np.trace(mean) * np.eye(3) / 3)
    _, sizes, rows = np.linalg.svd(np.reshape(kept, (6, 9)))
    others = rows[: len(sizes)][sizes > 1e-6].reshape(-1, 3, 3)
    others = others / np.abs(others).max(axis=(1, 2), keepdims=True)
    return np.concatenate([np.eye(3)[None], others])


def _simplex(start: Array, reach: float) -> Array:
    """A first simplex within the bounds, a third of the reach wide."""
    corners = np.tile(start, (len(start) + 1, 1))
    for k in range(len(start)):
        corners[k + 1, k] += reach / 3 if start[k] <= 0 else -reach / 3
    return corners


def _pairs(angles: Array, strengths: Array, weight: tuple[Array, Array]) -> float:
    """Σ f_i f_j w(x_i - x_j) over pairs of lines; angles ascend."""
    distances, weights = weight
    last = np.searchsorted(angles, angles + distances[-1], side="right")
    first = np.repeat(np.arange(len(angles)), last - np.arange(len(angles)))
    starts = np.cumsum(last - np.arange(len(angles))) - (last - np.arange(len(angles)))
    second = first + np.arange(len(first)) - starts[first]
    shares = np.interp(angles[second] - angles[first], distances, weights)
    sums = strengths[first] * strengths[second] * shares
    return float(2 * sums.sum() - np.square(strengths).sum() * weights[0])
