"""The text of a page: texts of others stay data, nothing is fetched, nothing is lost."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st
from page_material import HOSTILE, hull_of, pool_of, rock_salt

from gencsp.errors import ReportError
from gencsp.report import page as pages
from gencsp.report.geometry import crystals_of
from gencsp.report.hull import hull_of_report
from gencsp.report.model import Report
from gencsp.report.page import embedded_json, page
from gencsp.report.structures import structures_of_pool
from gencsp.similarity import same_crystal


class Scripts(HTMLParser):
    """The scripts, the policy and the addresses of a page, as a browser would find them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.policy = ""
        self.addresses: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [str(given[key]) for key in ("src", "href") if key in given]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(given["content"])
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append((given, ""))

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            attributes, before = self.scripts[-1]
            self.scripts[-1] = attributes, before + data


def unpacked(packed: dict[str, Any], symbols: list[str]) -> Atoms:
    return Atoms(
        [symbols[k] for k in packed["e"]],
        scaled_positions=np.reshape(packed["x"], (-1, 3)) / 1e6,
        cell=np.reshape(packed["l"], (3, 3)),
        pbc=True,
    )


def hostile_report() -> Report:
    structures = structures_of_pool(
        [rock_salt(text, move=text, reason=text, outcome=text) for text in HOSTILE]
    )
    facts = tuple((text, text) for text in HOSTILE)
    return Report(
        title=HOSTILE[2],
        kind="pool",
        place=HOSTILE[1],
        structures=tuple(structures),
        messages=HOSTILE,
        settings=facts,
        failures=tuple((text, 1) for text in HOSTILE),
    )


def test_hostile_texts_stay_data() -> None:
    found = Scripts(page(hostile_report()))
    assert len(found.scripts) == 2 + len(pages.LIBRARIES) + 1
    (_, data), (_, crystals), *scripts = found.scripts
    assert found.scripts[0][0] == {"type": "application/json", "id": "data"}
    assert json.loads(data)["columns"]["id"] == list(HOSTILE)
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", crystals)
    for attributes, text in scripts:
        assert attributes == {}
        digest = b64encode(sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in found.policy


def test_no_script_of_a_page_comes_from_elsewhere() -> None:
    found = Scripts(page(hostile_report()))
    assert found.addresses == ["data:,"]
    rules = dict(rule.split(" ", 1) for rule in found.policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert set(re.sub(r"'sha256-[^']*'", "", rules["script-src"]).split()) == set()
    assert "http" not in found.policy
    assert "connect-src" not in rules


@given(st.text(st.characters(exclude_categories=())))
def test_embedded_json_is_the_text_and_ends_no_element(text: str) -> None:
    written = embedded_json({text: [text]})
    assert not set("<>&\u2028\u2029") & set(written)
    read = text.encode("utf-8", "replace").decode("utf-8")
    assert json.loads(written) == {read: [read]}


def test_what_is_put_in_is_not_filled_in_again() -> None:
    report = Report(title="{{scripts}} {{data}}", kind="pool", place="{{crystals}}")
    text = page(report)
    assert "<title>{{scripts}} {{data}} - gencsp</title>" in text


def test_crystals_come_back_as_they_were() -> None:
    pool = pool_of("Li-P-S", 3)
    molecule = Atoms("OH2", positions=[[0, 0, 0], [0.97, 0, 0], [-0.2, 0.9, 0]])
    structures = structures_of_pool([*pool, molecule])
    packed = Scripts(page(Report(title="", kind="pool", place="", structures=tuple(structures))))
    crystals = json.loads(gzip.decompress(b64decode(packed.scripts[1][1])))
    assert crystals == crystals_of(structures)
    for one, cell in zip(structures, crystals["given"], strict=True):
        if cell["l"] is None:
            places = np.reshape(cell["x"], (-1, 3))
            assert np.allclose(places, one.atoms.positions, atol=1e-4)
            continue
        back = unpacked(cell, crystals["symbols"])
        assert list(back.symbols) == list(one.atoms.symbols)
        moved = back.positions - one.atoms.positions
        fractional = moved @ np.linalg.inv(one.atoms.cell.array)
        assert np.abs(fractional - np.round(fractional)).max() < 2e-6


def test_conventional_cells_are_the_same_crystals() -> None:
    cell = 2.82 * (1 - np.eye(3))
    primitive = Atoms("NaCl", scaled_positions=[[0] * 3, [0.5] * 3], cell=cell, pbc=True)
    primitive.info = rock_salt().info
    crystals = crystals_of(structures_of_pool([primitive]))
    (packed,) = crystals["conventional"]
    made = unpacked(packed, crystals["symbols"])
    assert len(made) == 8
    assert same_crystal(made, primitive)


def test_a_hull_is_part_of_the_data() -> None:
    structures = structures_of_pool(pool_of("Li-P-S", 2))
    hull, placed = hull_of_report(structures, hull_of("Li", "P", "S"), "Li-P-S")
    text = page(Report(title="", kind="pool", place="", structures=tuple(placed), hull=hull))
    data = json.loads(Scripts(text).scripts[0][1])
    assert data["hull"]["members"] == ["Li", "P", "S"]
    assert data["columns"]["shares"][0] == pytest.approx(placed[0].shares, abs=1e-6)


def test_a_missing_part_is_named() -> None:
    broken = replace(pages.REPORT, scripts=("gone.js",))
    with pytest.raises(ReportError, match=r"gone\.js.*reinstall"):
        page(Report(title="", kind="pool", place=""), broken)


def test_libraries_have_their_licences() -> None:
    vendor = Path(pages.__file__).parent / "assets" / "vendor"
    named = (vendor / "LICENSES.md").read_text()
    for file in vendor.iterdir():
        assert file.name == "LICENSES.md" or f"`{file.name}`" in named
    for words in ("Plotly Technologies Inc.", "University of Pittsburgh", "Oli Folkerd"):
        assert "Copyright (c)" in named
        assert words in named
