"""Report pages in a real browser, from the disk and without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from browser import DRAWN, POLLING, Opened
from cheap_parts import SETTINGS
from page_material import (
    HOSTILE,
    cycle_folder,
    hull_of,
    pool_of,
    profile,
    rock_salt,
    search_folder,
)
from pymatgen.analysis.diffraction.xrd import XRDCalculator
from pymatgen.io.ase import AseAtomsAdaptor

from gencsp.convex_hull.entries import write_entries
from gencsp.io.structures import write_extxyz
from gencsp.powder.measured import MeasuredPattern
from gencsp.powder.similarity import PatternComparison
from gencsp.report.collect import NO_RESULT, collect, report_of_run
from gencsp.report.model import Report
from gencsp.report.page import write_page
from gencsp.report.patterns import compared, drawn_pattern
from gencsp.report.structures import structures_of_pool
from gencsp.searches.settings import cycle_manifest
from gencsp.similarity import same_crystal
from gencsp.store import DiskStore, Finished

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: Å: wavelength of the measured pattern.
OWN = 1.1
#: Draws the crystal once more and looks at once, while what was drawn is still there.
SHOWN = f"""async (i) => {{
  await window.gencspReport.select(i);
  return ({DRAWN})("#viewer");
}}"""


@pytest.fixture(scope="module")
def search(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The page of a search in a binary system, for the tests that leave it as it is."""
    folder = search_folder(tmp_path_factory.mktemp("search") / "run")
    report = report_of_run(folder, hull=hull_of("Li", "Si", Li2Si=-1.5))
    opened = Opened(browser, write_page(report, folder / "report.html"))
    yield opened
    opened.page.close()


def bismuth() -> Atoms:
    """A crystal whose conventional cell is centred as rhombohedral ones are."""
    atoms = Atoms("Bi6", cell=[4.54, 4.54, 11.86, 90, 90, 120], pbc=True)
    thirds = [(0, 0, 0), (2 / 3, 1 / 3, 1 / 3), (1 / 3, 2 / 3, 2 / 3)]
    atoms.set_scaled_positions([(x, y, z + s) for x, y, z in thirds for s in (0.234, -0.234)])
    own = {"space_group": "R-3m", "space_group_number": 166, "decomposition_energy": 0.1}
    atoms.info = rock_salt("bismuth", **own).info
    return atoms


def measured() -> PatternComparison:
    """The pattern of rock salt in a cell that is 1 % longer, at a wavelength of its own."""
    crystal = rock_salt()
    crystal.set_cell(1.01 * crystal.cell, scale_atoms=True)
    return PatternComparison(MeasuredPattern.of(*profile(crystal, OWN), wavelength=OWN))


@pytest.fixture(scope="module")
def pool(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The page of a pool: known crystals, others, and such as have hostile texts everywhere."""
    hostile = [
        rock_salt(text, move=text, space_group=text, stage=text, decomposition=text)
        for text in HOSTILE
    ]
    facts = tuple((text, text) for text in HOSTILE)
    structures, _ = compared(
        structures_of_pool([rock_salt(), bismuth(), *pool_of("Li-P-S", 1), *hostile]),
        measured(),
        known=False,
    )
    report = Report(
        title="a pool",
        kind="pool",
        place="here",
        structures=tuple(structures),
        pattern=drawn_pattern(measured()),
        messages=HOSTILE,
        facts=facts,
        settings=facts,
        versions=facts,
        failures=tuple((text, 1) for text in HOSTILE),
    )
    opened = Opened(browser, write_page(report, tmp_path_factory.mktemp("pool") / "report.html"))
    yield opened
    opened.page.close()


def at(opened: Opened, name: str) -> int:
    """Where the structure of an id is."""
    found: int = opened.evaluate("(id) => gencspReport.at.get(id)", name)
    return found


def rows(opened: Opened, field: str) -> list[Any]:
    """The column of a table, as it stands."""
    found: list[Any] = opened.evaluate(
        "(field) => gencspReport.table.getData('active').map((row) => row[field])", field
    )
    return found


def test_opens_without_network_and_without_a_complaint(search: Opened) -> None:
    assert search.said == []
    assert search.requests == []
    assert search.text("#title") == "LiSi2: genetic search"
    assert "Plotly.js" in search.text("footer")


def test_sorts_filters_and_searches(search: Opened) -> None:
    page = search.page
    everything = rows(search, "above")
    assert everything == sorted(everything)
    page.click(".tabulator-col[tabulator-field=above] .tabulator-col-title")
    page.click(".tabulator-col[tabulator-field=above] .tabulator-col-title")
    page.wait_for_timeout(50)
    assert rows(search, "above") == everything[::-1]
    bound = everything[len(everything) // 2]
    box = page.locator(".tabulator-col[tabulator-field=above] input")
    box.press_sequentially(f"<{bound}")
    search.wait(f"gencspReport.shown.length === {sum(e < bound for e in everything)}")
    assert max(rows(search, "above")) < bound
    box.press("Control+a")
    box.press("Delete")
    search.wait(f"gencspReport.shown.length === {len(everything)}")
    wanted = rows(search, "id")[0]
    page.fill("#search", wanted)
    search.wait("gencspReport.shown.length === 1")
    assert rows(search, "id") == [wanted]
    page.fill("#search", "")
    search.wait(f"gencspReport.shown.length === {len(everything)}")
    page.uncheck("#with-energy")
    page.uncheck("#different")
    whole = search.evaluate("gencspReport.count")
    search.wait(f"gencspReport.shown.length === {whole}")
    page.check("#with-energy")
    page.check("#different")
    search.wait(f"gencspReport.shown.length === {len(everything)}")
    assert search.said == []


def test_a_click_on_the_hull_shows_the_structure(search: Opened) -> None:
    place = """() => {
      const plot = document.getElementById("hull-plot");
      const trace = plot.data.findIndex((one) => one.name === "found");
      const last = plot.data[trace].x.length - 1;
      const {xaxis, yaxis} = plot._fullLayout;
      const box = plot.getBoundingClientRect();
      return [box.left + xaxis._offset + xaxis.d2p(plot.data[trace].x[last]),
              box.top + yaxis._offset + yaxis.d2p(plot.data[trace].y[last]),
              plot.data[trace].customdata[last], yaxis.range[1] >= plot.data[trace].y[last]];
    }"""
    # The highest in range: points of one composition stand over each other.
    search.evaluate("gencspReport.select(0)")
    search.page.evaluate("document.getElementById('hull-plot').scrollIntoView()")
    search.evaluate("Plotly.relayout('hull-plot', {'yaxis.autorange': true})")
    search.page.wait_for_timeout(100)
    x, y, index, inside = search.evaluate(place)
    assert inside
    search.page.mouse.move(x - 3, y)
    search.page.mouse.move(x, y)
    search.page.wait_for_selector(".hoverlayer .hovertext")
    hovered = search.evaluate("document.querySelector('.hoverlayer .hovertext').textContent")
    shown = search.evaluate(f"gencspReport.columns.shown[{index}]")
    assert "LiSi2" in hovered.replace("\u200b", "")
    assert shown in hovered
    assert search.evaluate(f"gencspReport.columns.group[{index}]") in hovered
    search.page.mouse.click(x, y)
    search.wait(f"gencspReport.selected === {index}")
    assert search.evaluate(f"gencspReport.columns.id[{index}]") in search.text("#structure-facts")


def test_a_crystal_in_three_dimensions_and_its_path(search: Opened) -> None:
    assert search.evaluate(SHOWN, 0) > 20
    child = search.evaluate(
        """gencspReport.all.find((i) =>
           gencspReport.columns.parents[i].some((parent) => gencspReport.at.has(parent)))"""
    )
    search.page.click("[data-tab=path]")
    search.evaluate("(i) => gencspReport.select(i)", child)
    path = search.evaluate("(i) => gencspReport.pathOf(i)", child)
    search.wait(f"document.querySelectorAll('.step canvas').length === {len(path)}")
    assert len(path) > 1
    assert path[-1] == child
    search.page.click("[data-tab=crystal]")
    assert search.said == []


@pytest.mark.parametrize(("button", "end"), [("cif", "cif"), ("poscar", "vasp"), ("extxyz", "xyz")])
def test_files_are_the_structure(search: Opened, tmp_path: Path, button: str, end: str) -> None:
    if search.evaluate("gencspReport.selected") != 1:
        search.evaluate("gencspReport.select(1)")
    with search.page.expect_download() as download:
        search.page.click(f"#{button}")
    file = tmp_path / f"one.{end}"
    download.value.save_as(file)
    name = {"cif": "cif", "vasp": "vasp", "xyz": "extxyz"}[end]
    read = ase.io.read(file, format=name)
    packed = search.evaluate("gencspReport.cellsOf(1).then((cells) => cells['as computed'])")
    made = Atoms(
        [atom["symbol"] for atom in packed["atoms"]],
        scaled_positions=[atom["place"] for atom in packed["atoms"]],
        cell=packed["lattice"],
        pbc=True,
    )
    assert same_crystal(read, made)
    assert read.cell.cellpar() == pytest.approx(made.cell.cellpar(), abs=1e-3)
    if end == "xyz":
        assert read.info["structure_id"] == search.evaluate("gencspReport.columns.id[1]")
        above = search.evaluate("gencspReport.columns.above[1]")
        assert read.info["decomposition_energy"] == pytest.approx(above)


@pytest.mark.parametrize(("crystal", "whole"), [(rock_salt(), 8), (bismuth(), 6)])
def test_cells_of_a_centred_crystal(pool: Opened, crystal: Atoms, whole: int) -> None:
    index = at(pool, crystal.info["structure_id"])
    cells = pool.evaluate(f"gencspReport.cellsOf({index})")
    assert len(cells["conventional"]["atoms"]) == whole
    small = cells["primitive"]
    assert len(small["atoms"]) == 2
    made = Atoms(
        [atom["symbol"] for atom in small["atoms"]],
        scaled_positions=[atom["place"] for atom in small["atoms"]],
        cell=small["lattice"],
        pbc=True,
    )
    assert same_crystal(made, crystal)


def test_octahedra_of_rock_salt(pool: Opened) -> None:
    index = at(pool, "salt")
    polyhedra = pool.evaluate(
        f"""gencspReport.cellsOf({index}).then(({{conventional}}) =>
           gencspReport.polyhedra(conventional, gencspReport.block(conventional, 1))
           .map((one) => [one.symbol, one.points.length, one.faces.length]))"""
    )
    # Around each of the 14 sodium atoms at corners and faces, or the 13 at edges and the centre.
    assert {tuple(one) for one in polyhedra} == {("Na", 6, 8)}
    assert len(polyhedra) in (13, 14)
    # Set without a drawing for each of them.
    set_to = "([on, n]) => { gencspReport.get('polyhedra').checked = on; \
        gencspReport.get('repeats').value = n; }"
    pool.page.click("[data-tab=crystal]")
    pool.evaluate(set_to, [True, "2"])
    assert pool.evaluate(SHOWN, index) > 20
    pool.evaluate(set_to, [False, "1"])
    assert pool.said == []


@pytest.mark.parametrize("name", ["salt", "bismuth", "p0"])
@pytest.mark.parametrize(("radiation", "last"), [("CuKa", 90), ("MoKa", 40)])
def test_powder_patterns_are_those_of_pymatgen(
    pool: Opened, name: str, radiation: str, last: int
) -> None:
    wavelength = {"CuKa": 1.54184, "MoKa": 0.71073}[radiation]
    crystals = {"salt": rock_salt(), "bismuth": bismuth(), "p0": pool_of("Li-P-S", 1)[0]}
    peaks = pool.evaluate(
        f"gencspReport.cellsOf({at(pool, name)}).then((cells) => "
        f"gencspReport.peaks(cells['as computed'], {wavelength}, {last}))"
    )
    expected = XRDCalculator(radiation).get_pattern(
        AseAtomsAdaptor.get_structure(crystals[name]), two_theta_range=(0, last)
    )
    pattern = curve([peak["angle"] for peak in peaks], [peak["intensity"] for peak in peaks], last)
    assert pattern == pytest.approx(curve(expected.x, expected.y, last), abs=0.02)
    assert max(peak["intensity"] for peak in peaks) == pytest.approx(100)


def curve(angles: Any, heights: Any, last: int) -> Any:
    """Peaks as a curve, in which it does not matter whether two of one angle are one."""
    grid = np.arange(0, last + 0.5, 0.05)
    peaks = np.exp(-((grid - np.array(angles)[:, None]) ** 2) / (2 * 0.1**2))
    return np.array(heights) @ peaks


def test_the_powder_pattern_is_drawn(pool: Opened) -> None:
    pool.page.click("[data-tab=powder]")
    pool.evaluate(f"gencspReport.select({at(pool, 'salt')})")
    pool.page.select_option("#radiation", "1.54184")
    pool.page.wait_for_selector("#powder-plot .scatterlayer .trace")
    strongest = pool.evaluate(
        """() => { const { x, y } = document.getElementById("powder-plot").data[2];
        return x[y.indexOf(Math.max(...y))]; }"""
    )
    assert strongest == pytest.approx(31.7, abs=0.1)  # 200, d = 2.82 Å
    pool.page.select_option("#radiation", "0.71073")
    pool.wait("document.getElementById('powder-plot').data[2].x[0] < 14")
    assert pool.said == []


def test_the_measured_pattern_stands_beside_the_computed_one(pool: Opened) -> None:
    lines = """() => { const [, , lines, measured] = document.getElementById("powder-plot").data;
      const strongest = lines.x[lines.y.indexOf(Math.min(...lines.y, 0))];
      return [strongest, measured?.x[measured.y.indexOf(Math.max(...measured.y))]]; }"""
    pool.page.click("[data-tab=powder]")
    pool.evaluate(f"gencspReport.select({at(pool, 'salt')})")
    pool.page.select_option("#radiation", label="as measured")
    pool.wait("document.getElementById('powder-plot').data.length === 4")
    computed, found = pool.evaluate(lines)
    assert found == pytest.approx(angle(2.82 * 1.01), abs=0.02)
    assert computed == pytest.approx(found, abs=0.02)
    pool.page.uncheck("#strained")
    assert pool.evaluate(lines)[0] == pytest.approx(angle(2.82), abs=1e-3)
    pool.page.check("#strained")
    pool.page.select_option("#radiation", "0.71073")
    pool.wait("document.getElementById('powder-plot').data.length === 3")
    assert not pool.page.is_visible("#strained")
    assert "own 1.1 Å" in pool.text("#powder-hint")
    likeness = dict(zip(rows(pool, "id"), rows(pool, "similarity"), strict=True))
    assert likeness["salt"] > 0.99 > likeness["bismuth"]
    assert f"{likeness['salt']:.3f}" in pool.text("#structure-facts")
    assert pool.said == []


def angle(spacing: float) -> float:
    """2θ of a spacing in Å, degrees."""
    return float(2 * np.degrees(np.arcsin(OWN / (2 * spacing))))


def test_all_rows_are_printed_and_nothing_is_wider_than_the_paper(search: Opened) -> None:
    page = search.page
    page.emulate_media(media="print")
    search.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    search.page.wait_for_timeout(50)
    printed = search.evaluate(
        """[...document.querySelectorAll('#printed tbody tr, #printed table > tr')].map((row) =>
           row.textContent)"""
    )
    ids = rows(search, "id")
    assert len(printed) == len(ids) > 5
    assert all(name in text for name, text in zip(ids, printed, strict=True))
    assert page.is_visible("#printed")
    assert not page.is_visible("#table")
    # A4 on its side less its margins, in pixels of CSS.
    widths = search.evaluate(
        "[...document.querySelectorAll('.plot .main-svg')].map((one) => one.clientWidth)"
    )
    assert 0 < max(widths) <= 277 / 25.4 * 96 - 30
    search.evaluate("window.dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert search.evaluate("document.getElementById('printed').childElementCount") == 0
    assert search.said == []


def test_hostile_texts_are_shown_as_they_are(pool: Opened) -> None:
    dialogs: list[str] = []
    pool.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for text in HOSTILE:
        pool.evaluate(f"gencspReport.select({at(pool, text)})")
        assert text in pool.evaluate("document.getElementById('structure-facts').textContent")
    pool.page.hover(".tabulator-row")
    assert pool.evaluate("window.broken === undefined")
    assert pool.evaluate("document.querySelectorAll('img[src=x], .card script').length") == 0
    texts = pool.evaluate(
        "[...document.querySelectorAll('.message')].map((one) => one.textContent)"
    )
    assert texts == list(HOSTILE)
    assert (pool.said, pool.requests, dialogs) == ([], [], [])


@pytest.mark.parametrize("system", ["Li-P-S", "Li-P-S-O"])
def test_filtered_pools_on_hulls_of_three_and_four(
    browser: Browser, tmp_path: Path, system: str
) -> None:
    pool = pool_of(system, 8)
    for number, atoms in enumerate(pool):
        atoms.info |= {"filter_distances": number != 2, "filter_survived": number != 2}
        atoms.info |= {"filter_fell_at": "distances"} if number == 2 else {}
    write_extxyz(tmp_path / "filtered.extxyz", pool)
    elements = system.split("-")
    references = hull_of(*elements, Li2S=-1.4).inside(elements)
    report = collect(
        [tmp_path / "filtered.extxyz"], hull=write_entries(tmp_path / "hull.csv", references)
    )
    placed = report.structures
    opened = Opened(browser, write_page(report, tmp_path / "report.html"))
    found = opened.evaluate(
        """() => {
          const traces = document.getElementById("hull-plot").data;
          const one = traces.find((trace) => trace.name === "found");
          return [one.type, one.customdata, one.x];
        }"""
    )
    lowest = {one.reduced: one.above for one in placed[::-1]}
    assert found[0] == ("scatter" if system.count("-") == 2 else "scatter3d")
    assert {placed[k].above for k in found[1]} == set(lowest.values())
    assert len(found[1]) == len(lowest)
    shares = [np.array(placed[k].shares) for k in found[1]]
    # The second member at the right, the third and fourth halfway.
    assert found[2] == pytest.approx([s[1] + 0.5 * s[2:].sum() for s in shares], abs=1e-5)
    assert opened.evaluate(
        """[...document.querySelectorAll('.bars .name')].filter((one) =>
           one.textContent.startsWith('pass')).map((one) => [one.textContent,
           one.nextSibling.nextSibling.textContent])[0]"""
    ) == ["pass distances", "7"]
    fallen = dict(zip(rows(opened, "id"), rows(opened, "note"), strict=True))
    assert fallen == {f"p{k}": "fell at distances" if k == 2 else "" for k in range(8)}
    assert opened.said == []
    opened.page.close()


def test_a_cycle(browser: Browser, tmp_path: Path) -> None:
    report = report_of_run(cycle_folder(tmp_path / "run"))
    opened = Opened(browser, write_page(report, tmp_path / "cycle.html"))
    assert "generated" in opened.text("#summary")
    refined = opened.evaluate(
        "gencspReport.all.find((i) => gencspReport.columns.stage[i] === 'refined')"
    )
    stages = opened.evaluate(
        "(i) => gencspReport.pathOf(i).map((k) => gencspReport.columns.stage[k])", refined
    )
    assert stages == ["generated", "relaxed", "framework", "inpainted", "refined"]
    assert opened.said == []
    opened.page.close()


def test_a_run_without_a_result(browser: Browser, tmp_path: Path) -> None:
    with DiskStore(tmp_path / "run", cycle_manifest(SETTINGS)) as store:
        store.finish("generated-0000", Finished(structures=(), failures={"too <b>close</b>": 3}))
    opened = Opened(browser, write_page(collect([tmp_path / "run"]), tmp_path / "empty.html"))
    assert opened.text("#messages") == NO_RESULT
    assert "too <b>close</b>" in opened.text("#summary")
    assert not opened.page.is_visible("#table-card")
    assert not opened.page.is_visible("#hull-card")
    assert opened.said == []
    opened.page.close()


def test_a_benchmark(browser: Browser, tmp_path: Path) -> None:
    record = Path(__file__).parents[2] / "benchmarks" / "results" / "hull_speed.json"
    opened = Opened(browser, write_page(collect([record]), tmp_path / "benchmark.html"))
    assert opened.text("#title") == "hull_speed: benchmark"
    assert json.loads(record.read_text())["measured"] in opened.text("#facts")
    values = opened.evaluate(
        "[...document.querySelectorAll('#numbers td:last-child')].map((one) => one.textContent)"
    )
    assert values == [value for _, value in collect([record]).numbers]
    assert not opened.page.is_visible("#table-card")
    assert (opened.said, opened.requests) == ([], [])
    opened.page.close()


WIDER = """[document.documentElement, ...document.querySelectorAll("#summary .card")]
  .filter((part) => part.scrollWidth > part.clientWidth)"""


def test_no_part_is_wider_than_its_card(search: Opened) -> None:
    """Of the counts, which stand side by side; the page itself does not scroll sideways either."""
    assert search.page.locator("#summary .card", has_text="last").count() > 0
    for width in (1920, 1280):
        search.page.set_viewport_size({"width": width, "height": 900})
        search.page.wait_for_timeout(300)  # plots take their new width a moment later
        search.page.wait_for_function(f"() => !{WIDER}.length", polling=POLLING, timeout=10_000)
