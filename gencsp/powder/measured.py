"""Measured powder patterns: read from files, freed from their background."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gencsp.errors import PatternError

Array = NDArray[np.float64]

#: Å: weighted means of the Kα lines and single lines, as in pymatgen's ``WAVELENGTHS``.
RADIATIONS = {
    "CuKa": 1.54184,
    "CuKa1": 1.54056,
    "MoKa": 0.71073,
    "MoKa1": 0.70930,
    "CoKa": 1.79026,
    "CoKa1": 1.78896,
    "FeKa": 1.93735,
    "FeKa1": 1.93604,
    "CrKa": 2.29100,
    "CrKa1": 2.28970,
    "AgKa": 0.560885,
    "AgKa1": 0.559421,
}
#: Points of a pattern that can be compared.
FEWEST_POINTS = 50
#: 1/Å: patterns that end before that are of another quantity than 2θ, or at another wavelength.
SHORTEST_RANGE = 0.15
#: Degrees: no powder diffractometer goes beyond.
MOST_ANGLE = 180.0
#: CIF items of the angles and of the intensities, the first that is there being taken.
_ANGLES = (
    "_pd_meas_2theta_scan",
    "_pd_proc_2theta_corrected",
    "_pd_meas_2theta_fixed",
)
_INTENSITIES = (
    "_pd_proc_intensity_net",
    "_pd_proc_intensity_total",
    "_pd_meas_intensity_net",
    "_pd_meas_intensity_total",
    "_pd_meas_counts_total",
    "_pd_meas_counts",
)


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredPattern:
    """Intensities over an even grid of angles, without background, of unit sum.

    Noise is left, negative as well as positive, so that it cancels in sums.

    Attributes:
        angles: 2θ in degrees, evenly spaced, ascending, shape (n,).
        intensities: shape (n,).
        wavelength: Å.
    """

    angles: Array
    intensities: Array
    wavelength: float

    @classmethod
    def read(cls, path: Path, *, wavelength: str | float = "CuKa") -> MeasuredPattern:
        """Read a file of two or three columns (2θ, intensity, error), or a CIF with a pattern.

        Lines that begin with no number are skipped at the head of a file of columns.

        Args:
            path: ``.xy``, ``.xye``, ``.dat``, ``.csv`` and so on, or ``.cif``.
            wavelength: Å, or the name of a radiation of :data:`RADIATIONS`.

        Raises:
            PatternError: the file is missing or holds no such pattern, or no such radiation.
        """
        length = wavelength_of(wavelength)
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise PatternError(
                f"the pattern {path} cannot be read ({error.strerror or error}): name a file of "
                f"two columns, 2θ in degrees and the intensity, or a CIF with a pattern."
            ) from error
        columns = _of_cif(text, path) if path.suffix.lower() == ".cif" else _of_columns(text, path)
        return cls.of(*columns, wavelength=length, name=str(path))

    @classmethod
    def of(
        cls, angles: Array, counts: Array, *, wavelength: float, name: str = "the pattern"
    ) -> MeasuredPattern:
        """From angles (2θ, degrees) and counts; the background is taken off.

        Raises:
            PatternError: too few points, angles that do not ascend or are none, or no intensity.
        """
        angles, counts = np.asarray(angles, dtype=float), np.asarray(counts, dtype=float)
        if len(angles) < FEWEST_POINTS:
            raise PatternError(
                f"{name} has {len(angles)} points, of which at least {FEWEST_POINTS} are "
                f"needed: 2θ in degrees in the first column and intensities in the second."
            )
        if not (np.isfinite(angles).all() and np.isfinite(counts).all()):
            raise PatternError(f"{name} holds values that are no numbers: remove these lines.")
        if (np.diff(angles) <= 0).any() or angles[0] < 0 or angles[-1] > MOST_ANGLE:
            raise PatternError(
                f"the first column of {name} runs from {angles[0]:g} to {angles[-1]:g} and is no "
                f"ascending 2θ in degrees: convert d or Q to 2θ, and sort by it."
            )
        reach = 2 * np.sin(np.radians(angles[-1] / 2)) / wavelength
        if reach < SHORTEST_RANGE:
            raise PatternError(
                f"{name} ends at {angles[-1]:g}, which as 2θ at {wavelength:g} Å is a spacing of "
                f"{1 / max(reach, 1e-9):.3g} Å, too wide to tell crystals apart: convert d or Q to "
                f"2θ, or give the --wavelength."
            )
        grid = np.linspace(angles[0], angles[-1], len(angles))
        net = without_background(grid, np.interp(grid, angles, counts))
        if not (net.sum() > 0 and net.max() > 1e-9 * np.abs(counts).max()):
            raise PatternError(f"{name} has no intensity above its background.")
        return cls(grid, net / net.sum(), wavelength)

    @property
    def digest(self) -> str:
        """Short hash of angles, intensities and wavelength, 12 hexadecimal digits."""
        total = sha256(f"{self.wavelength:.9g}".encode())
        for values in (self.angles, self.intensities):
            total.update(np.round(values, 9).tobytes())
        return total.hexdigest()[:12]

    @property
    def step(self) -> float:
        """Degrees between two points."""
        return float(self.angles[1] - self.angles[0])

    @property
    def longest(self) -> float:
        """2 sin θ / λ at the end of the pattern, 1/Å."""
        return float(2 * np.sin(np.radians(self.angles[-1] / 2)) / self.wavelength)


def wavelength_of(given: str | float) -> float:
    """A wavelength in Å from a number or the name of a radiation.

    Raises:
        PatternError: neither a known radiation nor a number above zero.
    """
    if isinstance(given, str) and given in RADIATIONS:
        return RADIATIONS[given]
    try:
        value = float(given)
    except ValueError:
        value = float("nan")
    if not 0 < value < 10:
        raise PatternError(
            f"'{given}' is no wavelength: give a number in Å, or one of {', '.join(RADIATIONS)}."
        )
    return value


def without_background(angles: Array, counts: Array, *, widest: float = 2.0) -> Array:
    """Counts less a background by peak clipping, shape (n,); noise around zero stays.

    The SNIP method of Ryan et al., Nucl. Instrum. Methods B 34, 396 (1988), of pybaselines, with
    the sixth-order clipping of Morháč et al., ibid. A 401, 113 (1997), which follows a curved
    background such as an amorphous hump.

    Args:
        angles: 2θ, degrees, evenly spaced, shape (n,).
        counts: shape (n,).
        widest: half of the clipping window, degrees: what is narrower counts as a line.
    """
    from pybaselines.smooth import snip

    window = max(2, round(widest / (angles[1] - angles[0])))
    background, _ = snip(
        counts,
        max_half_window=min(window, (len(angles) - 1) // 2),
        decreasing=True,
        filter_order=6,
        smooth_half_window=5,
    )
    return np.asarray(counts - background)


def _of_columns(text: str, path: Path) -> tuple[Array, Array]:
    rows = list(_numbers(text))
    widths = {len(row) for row in rows}
    if not rows or max(widths) < 2:
        raise PatternError(
            f"{path} has no two columns of numbers: write 2θ in degrees and the intensity, one "
            f"point a line."
        )
    if len(widths) > 1:
        raise PatternError(
            f"{path} has lines of {min(widths)} and of {max(widths)} numbers: write the same "
            f"columns, 2θ and intensity first, on every line."
        )
    table = np.array(rows)
    return table[:, 0], table[:, 1]


def _numbers(text: str) -> Iterator[list[float]]:
    """The numbers of each line; lines of words are left out."""
    for line in text.splitlines():
        words = line.replace(",", " ").replace(";", " ").replace("\t", " ").split()
        try:
            values = [float(word) for word in words]
        except ValueError:
            continue
        if values:
            yield values


def _of_cif(text: str, path: Path) -> tuple[Array, Array]:
    from gemmi import cif

    try:
        blocks = list(cif.read_string(text))
    except (ValueError, RuntimeError) as error:
        raise PatternError(f"{path} is no CIF that can be read ({error}).") from error
    for block in blocks:
        counts = _column(block, _INTENSITIES)
        if counts is None:
            continue
        angles = _column(block, _ANGLES)
        if angles is None:
            angles = _even(block, len(counts))
        if angles is not None and len(angles) == len(counts):
            return angles, counts
    raise PatternError(
        f"{path} holds no powder pattern over 2θ (_pd_meas_2theta_scan with _pd_meas_counts_total "
        f"or the like): export it as two columns instead."
    )


def _column(block: object, names: tuple[str, ...]) -> Array | None:
    from gemmi import cif

    assert isinstance(block, cif.Block), "blocks of gemmi's documents"
    for name in names:
        values = [cif.as_number(text) for text in block.find_values(name)]
        if len(values) > 1:
            return np.array(values)
    return None


def _even(block: object, n: int) -> Array | None:
    """Angles that a CIF gives as a range."""
    from gemmi import cif

    assert isinstance(block, cif.Block), "blocks of gemmi's documents"
    for kind in ("meas", "proc"):
        ends = [block.find_value(f"_pd_{kind}_2theta_range_{end}") for end in ("min", "max")]
        if all(ends):
            low, high = (cif.as_number(str(end)) for end in ends)
            return np.linspace(low, high, n)
    return None
