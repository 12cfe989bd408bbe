"""How long a report page of ten thousand structures takes to open, to scroll and to filter.

    python benchmarks/report_speed.py

A pool of made-up crystals of Li-P-S, each with energies, volume, space group and origin, becomes a
page; headless Chromium opens it from the disk. What the structures are does not matter for that.
Times are wall times, longer on a busy machine: see ``load_average_at_start`` of the record.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from headless_chromium import FLAGS, NAMES, READY, program
from playwright.sync_api import CDPSession, Page, sync_playwright

from gencsp import records
from gencsp.convex_hull.hull import Hull
from gencsp.measure.record import record
from gencsp.report.counts import funnel_of_pool, origins_of
from gencsp.report.hull import hull_of_report
from gencsp.report.model import Report
from gencsp.report.page import write_page
from gencsp.report.structures import structures_of_pool

#: Scrolls of the table, one each frame.
SCROLLS = 120
SCROLL = """async ([selector, times]) => {
  const place = document.querySelector(selector);
  const step = Math.min(100, (place.scrollHeight - place.clientHeight) / times);
  const spans = [];
  let before = performance.now();
  for (let k = 0; k < times; k += 1) {
    place.scrollTop += step;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    spans.push(now - before);
    before = now;
  }
  return spans;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("-n", type=int, default=10_000, help="structures")
    parser.add_argument("--atoms", type=int, default=20, help="in each of them, at most")
    parser.add_argument("--repeats", type=int, default=5, help="times that the page is opened")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/report_speed.json"))
    options = parser.parse_args()
    pool = made_up(options.n, options.atoms, np.random.default_rng(options.seed))
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        began = time.perf_counter()
        write_page(report_of(pool), page)
        made = time.perf_counter() - began
        measured = measure(page, options.repeats)
        size = page.stat().st_size
    results = {"page_bytes": size, "seconds_to_make": round(made, 2), **measured}
    for key, value in results.items():
        print(key, value)
    record(
        options.out,
        measured="seconds until a page of made-up structures is drawn whole in headless Chromium; "
        "milliseconds between frames while the table and the page scroll; milliseconds of a filter "
        "and until a crystal is drawn in three dimensions",
        sample_size={"structures": options.n, "openings": options.repeats, "scrolls": SCROLLS},
        seed=options.seed,
        intervals=(),
        protocol={
            "structures": f"1 to {options.atoms} atoms of Li, P, S at random places in a random "
            "cell; energies, volumes, space groups and origins drawn",
            "opened": "from navigation until all plots and the table are drawn, a new page each "
            "time; the least and the median of all openings",
            "processor_seconds": "of the thread that runs the page, which other programs on the "
            "machine lengthen little",
            "scrolled": "by 100 pixels a frame",
            "graphics": "in software (SwiftShader), 1280 x 900 pixels",
        },
        results=results,
    )


def made_up(n: int, most: int, rng: np.random.Generator) -> list[Atoms]:
    """Crystals that are none, with all that a page shows of one."""
    origins = [f"move-{k}" for k in range(12)]
    pool = []
    for number in range(n):
        size = int(rng.integers(3, most + 1))
        symbols = ["Li", "P", "S", *rng.choice(["Li", "P", "S"], size)][:size]
        cell = rng.normal(scale=0.5, size=(3, 3)) + np.eye(3) * (18 * size) ** (1 / 3)
        atoms = Atoms(symbols, scaled_positions=rng.random((size, 3)), cell=cell, pbc=True)
        group = int(rng.integers(1, 231))
        above = float(rng.gamma(2.0, 0.1))
        atoms.info |= {
            records.STRUCTURE_ID: f"s{number:05d}",
            records.PROPOSER: "random",
            records.STAGE: "relaxed",
            records.MOVE: origins[int(rng.integers(12))],
            records.OUTCOME: "converged",
            records.ENERGY_PER_ATOM: -4.0 + above,
            records.ENTHALPY_PER_ATOM: -4.0 + above,
            records.ENERGY_MODEL: "chgnet-0.3.0",
            records.DECOMPOSITION_ENERGY: above,
            records.DECOMPOSITION: "0.500 Li2S Fm-3m + 0.500 P2S5 P-1",
            records.HAS_REFERENCE: False,
            records.SPACE_GROUP: f"group {group}",
            records.SPACE_GROUP_NUMBER: group,
        }
        pool.append(atoms)
    return pool


def report_of(pool: list[Atoms]) -> Report:
    """The report of structures in memory, on the shipped hull."""
    structures = structures_of_pool(pool)
    hull, placed = hull_of_report(structures, Hull.load(), "Li-P-S")
    return Report(
        title="Ten thousand structures",
        kind="pool",
        place="memory",
        structures=tuple(placed),
        origins=origins_of(placed),
        funnel=funnel_of_pool(placed),
        hull=hull,
    )


def measure(path: Path, repeats: int) -> dict[str, Any]:
    """Open a page several times; scroll, filter and choose in the last."""
    chromium = program()
    if chromium is None:
        raise SystemExit(f"Chromium is needed: install one of {', '.join(NAMES)}.")
    opened, worked = [], []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=list(FLAGS))
        for _ in range(repeats):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            tools = page.context.new_cdp_session(page)
            tools.send("Performance.enable", {"timeDomain": "threadTicks"})
            began = time.perf_counter()
            page.goto(path.absolute().as_uri())
            page.wait_for_function(READY, polling=20)
            opened.append(time.perf_counter() - began)
            worked.append(_worked(tools))
            if len(opened) < repeats:
                page.close()
        page.wait_for_timeout(1000)
        found = _use(page, tools)
        version = browser.version
        browser.close()
    return {
        "chromium": version,
        "seconds_to_open": {
            "least": round(min(opened), 2),
            "median": round(float(np.median(opened)), 2),
        },
        "processor_seconds_to_open": {
            "least": round(min(worked), 2),
            "median": round(float(np.median(worked)), 2),
        },
        **found,
    }


def _worked(tools: CDPSession) -> float:
    """Seconds of the processor that the thread of the page has taken so far."""
    metrics = tools.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def _use(page: Page, tools: CDPSession) -> dict[str, Any]:
    """Milliseconds of what a reader does."""
    before = _worked(tools)
    table = np.array(page.evaluate(SCROLL, [".tabulator-tableholder", SCROLLS]))
    between = _worked(tools)
    whole = np.array(page.evaluate(SCROLL, ["html", SCROLLS]))
    after = _worked(tools)
    return {
        "frame_of_table_ms": _quantiles(table),
        "frame_of_page_ms": _quantiles(whole),
        "processor_ms_a_frame": {
            "table": round(1000 * (between - before) / SCROLLS, 1),
            "page": round(1000 * (after - between) / SCROLLS, 1),
        },
        "filter_ms": round(page.evaluate(_timed("R.table.setFilter('group', 'like', '225')")), 1),
        "choose_ms": round(page.evaluate(_timed("await R.select(R.shown[3] ?? 0)")), 1),
    }


def _timed(what: str) -> str:
    return (
        "async () => { const R = window.gencspReport; const began = performance.now(); "
        f"{what}; await new Promise(requestAnimationFrame); return performance.now() - began; }}"
    )


def _quantiles(spans: np.ndarray[Any, Any]) -> dict[str, float]:
    return {
        "median": round(float(np.median(spans)), 1),
        "95 %": round(float(np.quantile(spans, 0.95)), 1),
        "largest": round(float(spans.max()), 1),
    }


if __name__ == "__main__":
    main()
