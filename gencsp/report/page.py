"""Puts a report together as one HTML file: data, scripts and styles inside, nothing from elsewhere.

All that comes from a run, a pool or a record is data. It stands in the page as JSON in which no
character can end the element around it, scripts put it there as text and never as markup, and a
content security policy lets no script run but those that ship with gencsp.
"""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from html import escape
from importlib import resources
from math import isfinite
from pathlib import Path
from typing import Any

from gencsp.errors import ReportError
from gencsp.files import write_whole
from gencsp.report.geometry import crystals_of, elements_of
from gencsp.report.model import Report, ReportStructure

#: Scripts of others, in the order in which they are loaded; ``vendor/LICENSES.md`` says whose.
LIBRARIES = (
    "vendor/plotly-gl3d.min.js",
    "vendor/tabulator.min.js",
    "vendor/3Dmol-min.js",
)
#: Our own, the later built on the earlier ones.
SCRIPTS = (
    "data.js",
    "cells.js",
    "powder.js",
    "downloads.js",
    "plots.js",
    "hull.js",
    "viewer.js",
    "structure.js",
    "table.js",
    "summary.js",
    "main.js",
)
STYLES = ("vendor/tabulator_simple.min.css", "report.css")


@dataclass(frozen=True, slots=True)
class Template:
    """The parts that a page is made of, by their names among the assets.

    Attributes:
        html: with places such as ``{{data}}``.
        libraries: scripts of others.
        scripts: our own.
        styles: style sheets.
    """

    html: str
    libraries: tuple[str, ...]
    scripts: tuple[str, ...]
    styles: tuple[str, ...]


REPORT = Template("page.html", LIBRARIES, SCRIPTS, STYLES)
#: One crystal and nothing else, for a notebook.
STRUCTURE = Template(
    "crystal.html",
    ("vendor/3Dmol-min.js",),
    ("data.js", "cells.js", "viewer.js", "crystal.js"),
    ("crystal.css",),
)
_SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)
_PLACE = re.compile(r"\{\{(\w+)\}\}")
#: What could end a script element or be taken for a comment in it, and the line ends of JavaScript.
_ESCAPES = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}


def write_page(report: Report, path: Path) -> Path:
    """Write the page of a report, whole or not at all; returns its path.

    Raises:
        ReportError: a part of the page is missing from the installation.
        StoreError: it cannot be written, or there is no space left.
    """
    text = page(report)
    return write_whole(path, lambda file: file.write(text))


def page(report: Report, template: Template = REPORT) -> str:
    """The page of a report.

    Args:
        report: what is on it.
        template: what it is made of.

    Raises:
        ReportError: a part of it is missing from the installation.
    """
    scripts = [*map(_asset, template.libraries), "\n".join(map(_asset, template.scripts))]
    parts: dict[str, Callable[[], str]] = {
        "title": lambda: escape(f"{report.title} - gencsp"),
        "policy": lambda: _policy(scripts),
        "styles": lambda: "\n".join(f"<style>{_asset(name)}</style>" for name in template.styles),
        "data": lambda: embedded_json(page_data(report)),
        "crystals": lambda: packed_json(
            crystals_of(report.structures, every=template is STRUCTURE)
        ),
        "choices": lambda: _asset("choices.html").rstrip(),
        "scripts": lambda: "\n".join(f"<script>{text}</script>" for text in scripts),
    }
    # In one pass: what is put in is never looked through for places itself.
    return _PLACE.sub(lambda found: parts[found[1]](), _asset(template.html))


def page_data(report: Report) -> dict[str, Any]:
    """What scripts of the page read at once; the crystals are packed apart."""
    return {
        "title": report.title,
        "kind": report.kind,
        "place": report.place,
        "symbol": report.symbol,
        "facts": report.facts,
        "messages": report.messages,
        "origins": [asdict(one) for one in report.origins],
        "funnel": report.funnel,
        "failures": report.failures,
        "settings": report.settings,
        "versions": report.versions,
        "numbers": report.numbers,
        "hull": report.hull,
        "pattern": report.pattern,
        "elements": elements_of(report.structures),
        "columns": _columns(report.structures),
    }


def _columns(structures: Sequence[ReportStructure]) -> dict[str, list[Any]]:
    """The structures as columns: their names stand in the page once and not ten thousand times."""
    columns: dict[str, Callable[[ReportStructure], Any]] = {
        "id": lambda one: one.structure_id,
        "formula": lambda one: one.formula,
        "reduced": lambda one: one.reduced,
        "atoms": lambda one: len(one.atoms),
        "energy": lambda one: _rounded(one.energy, 5),
        "above": lambda one: _rounded(one.above, 5),
        "shown": lambda one: one.shown,
        "volume": lambda one: _rounded(one.volume, 3),
        "group": lambda one: one.space_group,
        "origin": lambda one: one.origin,
        "proposer": lambda one: one.proposer,
        "stage": lambda one: one.stage,
        "parents": lambda one: list(one.parents),
        "trial": lambda one: one.trial,
        "failure": lambda one: one.failure,
        "duplicate": lambda one: one.duplicate_of,
        "copies": lambda one: one.copies,
        "decomposition": lambda one: one.decomposition,
        "reference": lambda one: one.reference,
        "fell": lambda one: one.fell_at,
        "shares": lambda one: one.shares and [round(share, 6) for share in one.shares],
        "formation": lambda one: _rounded(one.formation_energy, 5),
        "similarity": lambda one: _rounded(one.similarity, 4),
        "strain": lambda one: one.strain and [round(value, 6) for value in one.strain],
    }
    return {name: [value(one) for one in structures] for name, value in columns.items()}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or not isfinite(value) else round(value, digits)


def embedded_json(value: object) -> str:
    """JSON that can stand in a script element of HTML, whatever texts are in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES).encode("utf-8", "replace").decode("utf-8")


def packed_json(value: object) -> str:
    """JSON compressed with gzip, in base 64."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode("ascii")


def _policy(scripts: Sequence[str]) -> str:
    """The content security policy: nothing from the network, and these scripts alone."""
    digests = (b64encode(sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        f"img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _asset(name: str) -> str:
    try:
        file = resources.files("gencsp").joinpath("report", "assets", *name.split("/"))
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ReportError(
            f"the part {name} of report pages is missing ({error}): reinstall gencsp."
        ) from error
    # Debuggers would look for the file that such a line names, beside the page.
    return _SOURCE_MAP.sub("", text)
