"""Figures for papers: what is drawn is what the report holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from numpy.testing import assert_allclose
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.convex_hull.hull import Hull
from gencsp.errors import RequestError
from gencsp.io.structures import write_extxyz
from gencsp.powder.reflections import Reflections
from gencsp.report.counts import origins_of
from gencsp.report.hull import hull_of_report
from gencsp.report.model import Report, ReportStructure
from gencsp.report.plots import (
    PLOTS,
    WIDTH,
    plot_hull,
    plot_origins,
    plot_powder,
    plot_trace,
    plot_volume,
)

EMPTY = Report(title="nothing", kind="pool", place="here")


def structure(trial: int, above: float | None, origin: str = "random") -> ReportStructure:
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.info["move"] = origin
    energy = None if above is None else above - 3.4
    return ReportStructure(
        structure_id=f"s{trial}", atoms=atoms, formula="NaCl", reduced="NaCl", energy=energy,
        above=above, volume=20 + trial, origin=origin, trial=trial,
    )  # fmt: skip


def report(structures: list[ReportStructure], hull: Mapping[str, Any] | None = None) -> Report:
    return Report(
        title="a search", kind="search", place="run", structures=tuple(structures),
        origins=origins_of(structures), hull=hull,
    )  # fmt: skip


def curve(axes: object, label: str) -> np.ndarray:
    (line,) = [one for one in axes.get_lines() if one.get_label() == label]  # type: ignore[attr-defined]
    return np.array(line.get_xydata())


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-0.1, 2), min_size=1, max_size=12), st.data())
def test_the_trace_is_the_lowest_so_far(energies: list[float], data: st.DataObject) -> None:
    origins = [data.draw(st.sampled_from(["random", "rattle"])) for _ in energies]
    found = [structure(k, e, o) for k, (e, o) in enumerate(zip(energies, origins, strict=True))]
    failed = structure(len(energies), None)
    axes = plot_trace(report([*found[::-1], failed]))
    for name in {*origins, "all"}:
        stairs = curve(axes, name)
        own = [(k, e) for k, (e, o) in enumerate(zip(energies, origins, strict=True))
               if name in ("all", o)]  # fmt: skip
        for trial, _ in own:
            here = stairs[stairs[:, 0] <= trial][-1, 1]
            assert here == min(e for k, e in own if k <= trial)
        assert stairs[-1, 0] == own[-1][0]


def test_volumes_and_origins() -> None:
    found = [structure(0, 0.1), structure(1, 0.2, "rattle"), structure(2, None, "rattle")]
    axes = plot_volume(report(found))
    assert_allclose(curve(axes, "random"), [[20, 0.1]])
    assert_allclose(curve(axes, "rattle"), [[21, 0.2]])
    bars = {}
    for bar in plot_origins(report(found)).containers:
        bars[bar.get_label()] = [patch.get_width() for patch in bar]
    assert bars == {"made": [1, 2], "converged": [1, 1], "different crystals": [1, 1]}


def test_numbers_of_trials_are_whole() -> None:
    axes = plot_trace(report([structure(k, 0.1 * k) for k in range(3)]))
    assert all(tick == int(tick) for tick in axes.get_xticks())


def test_the_hull_shows_what_was_found_where_it_stands() -> None:
    drawn, placed = hull_of_report([structure(0, 0.03)], Hull.load(None))
    axes = plot_hull(report(placed, hull=drawn))
    (one,) = placed
    assert one.shares is not None
    assert one.formation_energy is not None
    assert_allclose(curve(axes, "found"), [[one.shares[1], one.formation_energy]])
    references = curve(axes, "references")
    assert_allclose(references[[0, -1]][:, 0].sum(), 1)
    assert references[:, 1].min() < -1.5
    assert {"Na", "Cl", "NaCl"} <= {text.get_text() for text in axes.texts}


def test_names_of_crowded_phases_do_not_cover_each_other() -> None:
    """Ti-O, with Magnéli phases next to TiO2."""
    atoms = bulk("TiO", "rocksalt", a=4.2)
    one = ReportStructure(
        structure_id="s", atoms=atoms, formula="TiO", reduced="TiO", energy=-8.0, above=0.4
    )
    drawn, placed = hull_of_report([one], Hull.load(None))
    axes = plot_hull(report(placed, hull=drawn))
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    names = {text.get_text() for text in axes.texts}
    assert {"Ti", "O", "TiO$_{2}$", "Ti$_{3}$O"} <= names
    covered = [one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k]]
    assert not any(covered)


@pytest.mark.parametrize("elements", ["NaClO", "NaClOH"])
def test_hulls_of_three_and_four(elements: str) -> None:
    atoms = Atoms(elements, cell=np.eye(3) * 6, pbc=True)
    one = ReportStructure(
        structure_id="s", atoms=atoms, formula=elements, reduced=elements, energy=-3.0, above=0.4
    )
    drawn, placed = hull_of_report([one], Hull.load(None))
    axes = plot_hull(report(placed, hull=drawn))
    names = {text.get_text() for text in axes.texts}
    assert {"Na", "Cl", "O"} <= names
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    assert figure.get_figwidth() == WIDTH


def test_powder_lines_are_those_of_the_crystal() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.64)
    axes = plot_powder(salt, wavelength=1.54184)
    (lines,) = axes.collections
    drawn = np.array([path[0, 0] for path in lines.get_segments()])  # type: ignore[attr-defined]
    angles, _ = Reflections.of(salt, longest=0.83).lines(1.54184)
    assert_allclose(drawn, angles[(angles >= 10) & (angles <= 80)])


@pytest.mark.parametrize("kind", PLOTS)
def test_what_cannot_be_drawn_is_said(kind: str) -> None:
    with pytest.raises(RequestError, match="draw"):
        PLOTS[kind](EMPTY)


def test_the_command_writes_what_is_asked_for(tmp_path: Path) -> None:
    pool = tmp_path / "pool.extxyz"
    salt = bulk("NaCl", "rocksalt", a=5.6)
    salt.info["structure_id"] = "one"
    write_extxyz(pool, [salt])
    runner, out = CliRunner(), tmp_path / "figures" / "pattern"
    arguments = ["plot", "powder", str(pool), "--out", str(out)]
    done = runner.invoke(app, [*arguments, "--formats", "svg,pdf", "--id", "one"])
    assert done.exit_code == 0, done.output
    assert out.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    assert "2θ" in out.with_suffix(".svg").read_text()
    assert not out.with_suffix(".png").exists()
    for wrong, says in ((["--id", "two"], "no structure 'two'"), (["--formats", "doc"], "endings")):
        refused = runner.invoke(app, [*arguments, *wrong])
        assert refused.exit_code == 2
        assert says in refused.stderr
    hull = runner.invoke(app, ["plot", "hull", str(pool)])
    assert hull.exit_code == 2
    assert "no hull to draw" in hull.stderr
