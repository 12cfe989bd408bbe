"""Figures are written whole, in every format, their text as text, and without a window system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot
from matplotlib import rcParams
from PIL import Image

from gencsp.io.figures import FORMATS, RESOLUTION, figure_of_one, save_figure


def test_every_format_holds_the_figure(tmp_path: Path) -> None:
    before = dict(rcParams)
    figure, axes = figure_of_one(4.0, 2.0)
    axes.plot([0, 1], [2, 3])
    axes.set_title("Li5Si2 at x=0.5")
    written = save_figure(figure, tmp_path / "new" / "E_d.at-0.5")
    assert written == [tmp_path / "new" / f"E_d.at-0.5.{ending}" for ending in FORMATS]
    assert all(file.stat().st_size > 0 for file in written)
    with Image.open(written[0]) as image:
        assert image.size == (4 * RESOLUTION, 2 * RESOLUTION)
    assert ">Li5Si2 at x=0.5</text>" in written[1].read_text()
    assert written[2].read_bytes().startswith(b"%PDF")
    (alone,) = save_figure(figure, tmp_path / "one", ["png"])
    assert alone.read_bytes() == written[0].read_bytes()
    assert dict(rcParams) == before
    assert matplotlib.pyplot.get_fignums() == []


def test_it_is_imported_without_matplotlib() -> None:
    code = "import sys, gencsp.io.figures; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
