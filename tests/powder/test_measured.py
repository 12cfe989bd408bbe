"""Reading measured patterns, good and bad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gencsp.errors import PatternError
from gencsp.powder.measured import MeasuredPattern, wavelength_of, without_background

GRID = np.linspace(10, 60, 2501)
LINE = 1000 * np.exp(-0.5 * ((GRID - 30) / 0.05) ** 2)


def columns(*rows: np.ndarray, head: str = "", sep: str = " ") -> str:
    lines = (sep.join(f"{value:.4f}" for value in row) for row in zip(*rows, strict=True))
    return head + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        columns(GRID, LINE + 50),
        columns(GRID, LINE + 50, np.sqrt(LINE + 50), head="2theta I sigma\n"),
        columns(GRID, LINE + 50, head="# from the lab\n\n", sep=","),
        columns(GRID, LINE + 50, head="'XYDATA\n", sep="\t"),
    ],
    ids=["xy", "xye", "csv", "tabs"],
)
def test_columns_are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pattern.xy"
    path.write_text(text)
    found = MeasuredPattern.read(path, wavelength="MoKa")
    assert found.wavelength == 0.71073
    assert_allclose(found.angles, GRID, atol=1e-9)
    assert found.intensities.sum() == pytest.approx(1)
    assert found.angles[found.intensities.argmax()] == pytest.approx(30, abs=0.02)


@pytest.mark.parametrize("ranged", [False, True])
def test_a_cif_with_a_pattern_is_read(tmp_path: Path, ranged: bool) -> None:
    path = tmp_path / "pattern.cif"
    if ranged:
        head = "_pd_meas_2theta_range_min 10\n_pd_meas_2theta_range_max 60(1)\n"
        body = "loop_\n_pd_meas_counts_total\n" + "\n".join(f"{c:.2f}(3)" for c in LINE + 9)
    else:
        head = "loop_\n_pd_meas_2theta_scan\n_pd_proc_intensity_net\n"
        body = columns(GRID, LINE + 9)
    path.write_text(f"data_pattern\n{head}{body}\n")
    found = MeasuredPattern.read(path)
    assert_allclose(found.angles, GRID, atol=1e-6)
    assert found.angles[found.intensities.argmax()] == pytest.approx(30, abs=0.02)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "two columns"),
        ("1\n2\n3\n", "two columns"),
        (columns(GRID[:20], LINE[:20]), "20 points"),
        (columns(GRID[::-1], LINE), "ascending"),
        (columns(GRID + 150, LINE), "ascending"),
        (columns(GRID, 0 * LINE + 7), "above its background"),
        (columns(GRID, LINE) + "60.1 5.0 1.0\n", "same"),
        (columns(GRID, LINE) + "60.1 nan\n", "no numbers"),
    ],
    ids=["empty", "one column", "short", "descending", "beyond", "flat", "ragged", "nan"],
)
def test_other_files_are_refused_with_the_reason(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "pattern.xy"
    path.write_text(text)
    with pytest.raises(PatternError, match=says):
        MeasuredPattern.read(path)


def test_other_cifs_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "crystal.cif"
    path.write_text("data_x\n_cell_length_a 4\n")
    with pytest.raises(PatternError, match="no powder pattern"):
        MeasuredPattern.read(path)
    path.write_text("no cif at all")
    with pytest.raises(PatternError, match="no CIF"):
        MeasuredPattern.read(path)
    with pytest.raises(PatternError, match="cannot be read"):
        MeasuredPattern.read(tmp_path / "none.xy")


@pytest.mark.parametrize("given", ["CuKb7", "-1", 0.0, "nan", 50])
def test_no_wavelength(given: str | float) -> None:
    with pytest.raises(PatternError, match="wavelength"):
        wavelength_of(given)


def test_wavelengths_are_those_of_pymatgen() -> None:
    from pymatgen.analysis.diffraction.xrd import WAVELENGTHS

    from gencsp.powder.measured import RADIATIONS

    assert {name: WAVELENGTHS[name] for name in RADIATIONS} == RADIATIONS


def test_the_background_goes_and_the_lines_stay() -> None:
    hump = 500 * np.exp(-0.5 * ((GRID - 35) / 9) ** 2) + 4 * GRID
    net = without_background(GRID, LINE + hump)
    assert net.sum() == pytest.approx(LINE.sum(), rel=0.15)
    assert net[np.abs(GRID - 30) > 2].max() < 20
