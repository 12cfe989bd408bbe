"""Progress in a notebook and outside of one: what is shown, and how often it is drawn."""

from __future__ import annotations

import struct
from base64 import b64decode
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import IPython
import IPython.display
import pytest
from ase.build import bulk
from cheap_search import cheap_search

import gencsp.notebook.watch as module
from gencsp.executors import ThisProcess
from gencsp.notebook import Watch, watching
from gencsp.notebook.live_plot import LivePlot
from gencsp.notebook.session import in_notebook
from gencsp.provenance import Stage
from gencsp.report.model import Report
from gencsp.runs.candidates import StageProgress
from gencsp.searches.progress import CycleProgress, SearchProgress
from gencsp.searches.trial import TrialResult
from gencsp.store import MemoryStore


class Displayed:
    """Stands for IPython's display: keeps what each place of the output shows, and showed."""

    def __init__(self) -> None:
        self.places: list[list[dict[str, Any]]] = []
        self.metadata: list[dict[str, Any]] = []

    def display(self, data: Any, *, metadata: Any, raw: bool, display_id: bool) -> Any:
        assert raw
        assert display_id
        place = [data]
        self.places.append(place)
        self.metadata.append(metadata)

        def update(data: Any, *, metadata: Any, raw: bool) -> None:
            assert raw
            assert metadata is not None
            place.append(data)

        return SimpleNamespace(update=update)


class ZMQInteractiveShell:
    """Has the name of Jupyter's."""


class Shell(ZMQInteractiveShell):
    """As that of Google Colab, a kind of Jupyter's."""


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> Displayed:
    found = Displayed()
    monkeypatch.setattr(IPython, "get_ipython", Shell)
    monkeypatch.setattr(IPython.display, "display", found.display)
    return found


class Clock:
    """Goes on by itself as little as it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def progress(done: int, *, total: int = 100, energy: float | None = None) -> SearchProgress:
    result = None
    if done:
        atoms = bulk("NaCl", "rocksalt", a=5.6)
        if energy is not None:
            info = {"energy_per_atom": energy - 3, "decomposition_energy": energy, "move": "<b>"}
            atoms.info |= info
        result = TrialResult(number=done - 1, move="<b>", atoms=None if energy is None else atoms)
    return SearchProgress(
        done=done, total=total, relaxed=done, new=2, records=1, best=0.02, best_id="s00001",
        best_shown="0.0200", failures={}, per_minute=30.0, result=result,
    )  # fmt: skip


def test_in_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not in_notebook()
    monkeypatch.setattr(IPython, "get_ipython", ZMQInteractiveShell)
    assert in_notebook()
    terminal = type("TerminalInteractiveShell", (), {})
    monkeypatch.setattr(IPython, "get_ipython", terminal)
    assert not in_notebook()
    monkeypatch.setitem(__import__("sys").modules, "IPython", None)
    assert not in_notebook()


def test_a_search_has_a_bar_with_best_new_rate_and_time_left(displayed: Displayed) -> None:
    watch = Watch(clock=Clock())
    watch(progress(0))
    (bars,) = displayed.places
    watch(progress(40, energy=0.02))
    watch.finish("stopped")
    html = bars[-1]["text/html"]
    assert '<progress value="40" max="100"' in html
    # 60 trials at 30 a minute: they would take two minutes, if it were not over.
    assert bars[-1]["text/plain"] == (
        "search: 40 of 100, best 0.0200 eV/atom, 2 crystals, 1 new minima, 30 trials/min, stopped"
    )
    assert "best 0.0200 eV/atom" in html
    watch(progress(100))
    assert 'value="100"' in bars[-1]["text/html"]


def test_time_left_is_that_of_the_rate_of_this_session(displayed: Displayed) -> None:
    clock = Clock()
    watch = Watch(clock=clock)
    watch(progress(0))
    clock.now = 1.0
    watch(progress(40))  # most of them read from the disk within a second
    assert displayed.places[0][-1]["text/plain"].endswith("30 trials/min, 2 min left")


def test_bars_and_plots_are_not_drawn_at_every_step(
    displayed: Displayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    watch = Watch(clock=clock)
    monkeypatch.setattr(LivePlot, "png", lambda _: ("", {"width": 1, "height": 1}))
    watch(progress(0))
    for k in range(1, 81):  # eight seconds
        clock.now = k / 10
        watch(progress(k, energy=0.1))
    bars, plots = displayed.places
    # The first at once, then no sooner than 0.3 and 2.0 s later, on steps of 0.1 s.
    assert len(bars) == 1 + 80 // 3
    assert len(plots) == 4
    assert plots[-1]["text/plain"] == "energy against trial, 61 structures"
    watch.finish()
    assert plots[-1]["text/plain"] == "energy against trial, 80 structures"
    watch.finish()
    assert len(plots) == 5


def test_a_plot_that_takes_long_is_drawn_seldom(
    displayed: Displayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    watch = Watch(clock=clock)

    def slow(_: LivePlot) -> tuple[str, dict[str, int]]:
        clock.now += 1.0
        return "", {}

    monkeypatch.setattr(LivePlot, "png", slow)
    watch(progress(0))
    watch(progress(1, energy=0.1))
    for k in range(2, 60):
        clock.now = k / 2
        watch(progress(k, energy=0.1))
    _, plots = displayed.places
    # It took until 1 s, and may take a twentieth of the time: again from 21 s on.
    assert [one["text/plain"].split()[-2] for one in plots] == ["1", "42"]


def test_the_plot_shows_the_structures_of_the_search(
    displayed: Displayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[Report] = []
    plot = gencsp_plot()

    def keep(report: Report) -> Any:
        reports.append(report)
        return plot(report)

    monkeypatch.setattr("gencsp.notebook.live_plot.plot_trace", keep)
    with watching() as watch, ThisProcess() as executor:
        search = cheap_search("random", MemoryStore(), executor, budget=8)
        for step in search.irun():
            watch(step)
    drawn = {one.trial: one.energy for one in reports[-1].structures}
    expected = {r.number: r.atoms.info["energy_per_atom"] for r in search.results if r.atoms}
    assert drawn == expected
    assert len(drawn) > 4
    picture = b64decode(displayed.places[1][-1]["image/png"])
    assert picture.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", picture[16:24])
    size = displayed.metadata[1]["image/png"]
    assert (width, height) == pytest.approx((2 * size["width"], 2 * size["height"]), abs=2)
    assert "8 of 8" in displayed.places[0][-1]["text/plain"]


def gencsp_plot() -> Any:
    from gencsp.report.plots import plot_trace

    return plot_trace


def test_another_search_begins_a_plot_of_its_own(displayed: Displayed) -> None:
    watch = Watch(clock=Clock())
    for _ in range(2):
        watch(progress(0, total=1))
        watch(progress(1, total=1, energy=0.1))
    assert displayed.places[1][-1]["text/plain"] == "energy against trial, 1 structures"


def test_without_a_plot_and_without_results_none_is_drawn(displayed: Displayed) -> None:
    for watch in (Watch(plot=False), Watch()):
        watch(progress(0))
        watch(progress(100, energy=0.1 if watch._plot is None else None))
        watch.finish()
    assert [place[-1].keys() for place in displayed.places] == [{"text/html", "text/plain"}] * 2


def test_stages_have_a_bar_each_and_texts_stay_text(displayed: Displayed) -> None:
    with watching() as watch:
        for stage, done in ((Stage.GENERATED, 3), (Stage.RELAXED, 1)):
            failures = {"exploded": 1}
            watch(CycleProgress(stage=stage, done=done, total=3, structures=2, failures=failures))
        watch(StageProgress(stage="<script>", done=1, total=4, note='<img src="x">'))
        watch.references(2, 2)
    html = displayed.places[0][-1]["text/html"]
    assert html.count("<progress") == 4
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;img src=&quot;x&quot;&gt;" in html
    assert displayed.places[0][-1]["text/plain"].splitlines() == [
        "generate: 3 of 3, 2 structures, 1 failed",
        "relax: 1 of 3, 2 structures, 1 failed, ended",
        '<script>: 1 of 4, <img src="x">, ended',
        "hull: 2 of 2, references at this pressure",
    ]


def test_each_yields_what_it_counts(displayed: Displayed) -> None:
    clock = Clock()
    watch = Watch(clock=clock)
    seen = []
    for one in watch.each(iter("abcd"), what="relax", total=4):
        clock.now += 10.0
        seen.append(one)
    assert seen == list("abcd")
    (bars,) = displayed.places
    assert bars[0]["text/plain"] == "relax: 0 of 4"
    assert bars[1]["text/plain"] == "relax: 1 of 4, 30 s left"
    assert bars[-1]["text/plain"] == "relax: 4 of 4"


def test_a_total_that_nobody_knows_is_a_bar_that_ends(displayed: Displayed) -> None:
    with watching() as watch:
        assert len(list(watch.each(range(3)))) == 3
    (bars,) = displayed.places
    assert "<progress style" in bars[0]["text/html"]
    assert 'value="1" max="1"' in bars[-1]["text/html"]
    assert bars[-1]["text/plain"] == "structures: 3, ended"


def test_what_is_stopped_says_so(displayed: Displayed) -> None:
    def stop() -> None:
        with watching() as watch:
            watch(progress(0))
            watch(progress(1, energy=0.1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert displayed.places[0][-1]["text/plain"].endswith("1 new minima, 30 trials/min, stopped")


def test_nothing_is_shown_where_nothing_began(
    displayed: Displayed, capsys: pytest.CaptureFixture[str]
) -> None:
    with watching():
        pass
    assert displayed.places == []
    assert capsys.readouterr() == ("", "")


def test_elsewhere_it_is_a_line_every_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "in_notebook", lambda: False)
    clock, stream = Clock(), StringIO()
    watch = Watch(clock=clock, stream=stream)
    watch(progress(0))
    for k in range(1, 71):  # seventy seconds
        clock.now = float(k)
        watch(progress(k, energy=0.1))
    watch.finish("stopped")
    lines = stream.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "search: 30 of 100",
        "search: 60 of 100",
        "search: 70 of 100",
    ]
    assert lines[0].endswith("2 min left")
    assert lines[-1].endswith("stopped")


def test_a_watched_call_outside_of_a_notebook_writes_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with watching() as watch:
        list(watch.each("ab", what="relax", total=2))
    assert capsys.readouterr() == ("", "relax: 2 of 2\n")


def test_import_of_the_package_loads_no_ipython(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys, gencsp.notebook as n; n.view; print('IPython' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "False"
