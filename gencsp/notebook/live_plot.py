"""The plot of a search that goes on: energy against trial, with the lowest so far by origin."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO

from gencsp import records
from gencsp.report.model import Report, ReportStructure
from gencsp.report.plots import plot_trace
from gencsp.report.structures import structure
from gencsp.searches.trial import TrialResult

#: Points of a figure in a notebook for each of its inches; and how many pixels one of them has.
POINTS, PIXELS = 144, 2


class LivePlot:
    """Collects the results of a search, and draws them."""

    def __init__(self) -> None:
        self._structures: list[ReportStructure] = []
        self._symbol = "E"

    def __len__(self) -> int:
        """Structures that can be drawn."""
        return len(self._structures)

    def add(self, result: TrialResult) -> None:
        """Take a result in; trials of which nothing came are not drawn."""
        if result.atoms is None:
            return
        found = structure(result.atoms, result.number)
        if found.energy is not None and not found.failure:
            self._structures.append(found)
        if records.stated_pressure(result.atoms.info):
            self._symbol = "H"

    def png(self) -> tuple[str, dict[str, int]]:
        """The plot as a picture in base 64, and its width and height in a page.

        Raises:
            RequestError: nothing can be drawn yet.
        """
        report = Report(
            title="",
            kind="search",
            place="",
            structures=tuple(self._structures),
            symbol=self._symbol,
        )
        figure = plot_trace(report).get_figure(root=True)
        assert figure is not None, "axes are on a figure"
        file = BytesIO()
        figure.savefig(file, format="png", dpi=POINTS * PIXELS)
        width, height = (round(POINTS * inches) for inches in figure.get_size_inches())
        return b64encode(file.getvalue()).decode("ascii"), {"width": width, "height": height}
