"""The measured pattern of a run, kept in its folder as it was compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gencsp.errors import PatternError
from gencsp.files import write_whole
from gencsp.powder.measured import MeasuredPattern

#: Its name there.
PATTERN = "pattern.xy"
_WAVELENGTH = "# wavelength"


def keep_pattern(pattern: MeasuredPattern, folder: Path) -> None:
    """Write a pattern into the folder of a run, every number whole.

    Raises:
        StoreError: it cannot be written, or there is no space left.
    """
    rows = zip(pattern.angles.tolist(), pattern.intensities.tolist(), strict=True)
    lines = [
        "# measured powder pattern without its background: 2theta (degrees), intensity",
        f"{_WAVELENGTH} {pattern.wavelength!r} angstrom",
        *(f"{angle!r} {intensity!r}" for angle, intensity in rows),
    ]
    write_whole(folder / PATTERN, lambda file: file.write("\n".join(lines) + "\n"))


def kept_pattern(folder: Path) -> MeasuredPattern:
    """The pattern that :func:`keep_pattern` wrote.

    Raises:
        PatternError: there is none, or it is damaged.
    """
    path = folder / PATTERN
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        (wavelength,) = (line.split()[2] for line in lines if line.startswith(_WAVELENGTH))
        table = np.array([line.split() for line in lines if not line.startswith("#")], dtype=float)
        return MeasuredPattern(table[:, 0], table[:, 1], float(wavelength))
    except (OSError, ValueError, IndexError) as error:
        raise PatternError(
            f"{path} holds no pattern of a run ({error}): name the measured one with --xrd."
        ) from error
