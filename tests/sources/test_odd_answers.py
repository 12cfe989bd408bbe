"""Whatever a database answers, a command ends in a sentence, and writes nothing that is odd."""

from __future__ import annotations

import copy
import gzip
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from databases import KEY, crystal, optimade_structure
from typer.testing import CliRunner
from web_server import Answer, Asked, serve

import gencsp.sources.optimade
import gencsp.sources.web
from gencsp.cli import app
from gencsp.convex_hull.entries import read_references
from gencsp.errors import SourceError
from gencsp.io.structures import write_extxyz
from gencsp.records import name_space_group
from gencsp.sources import materials_project as mp
from gencsp.sources.optimade import Optimade
from gencsp.sources.web import Web

RUNNER = CliRunner()
DEEP = b"[" * 100_000 + b"]" * 100_000
NESTED: Any = "x"
for _ in range(300):
    NESTED = {"a": [NESTED]}

#: Answers that are no documents at all, to any question.
ANSWERS = {
    "nothing": Answer(b""),
    "html": Answer(b"<html>maintenance</html>", headers={"Content-Type": "text/html"}),
    "truncated": Answer(b'{"data": [{"id": 1'),
    "cut off": Answer(b'{"data": []}', cut=4),
    "another type": Answer({"data": 3}, headers={"Content-Type": "image/png"}),
    "binary": Answer(bytes(range(256))),
    "no utf-8": Answer(b'{"data": "\xff\xfe"}'),
    "deep": Answer(b'{"data": ' + DEEP + b"}"),
    "deep objects": Answer(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "list": Answer([]),
    "null": Answer(None),
    "number": Answer(3),
    "text": Answer("data"),
    "nan": Answer(b'{"data": [NaN]}'),
    "infinity": Answer(b'{"data": [-Infinity]}'),
    "many digits": Answer(b'{"data": [' + b"1" * 5000 + b"]}"),
    "no data": Answer({"meta": {}}),
    "data null": Answer({"data": None}),
    "data object": Answer({"data": {"0": {}}}),
    "data text": Answer({"data": "many"}),
    "huge": Answer(b'{"data": ["' + b"x" * 2_000_000 + b'"]}'),
    "bomb": Answer(
        gzip.compress(b'{"data": "' + b"x" * 20_000_000 + b'"}'),
        headers={"Content-Encoding": "gzip"},
    ),
    "no gzip": Answer(b'{"data": []}', headers={"Content-Encoding": "gzip"}),
    "half a gzip": Answer(
        gzip.compress(b'{"data": []}' * 99)[:20], headers={"Content-Encoding": "gzip"}
    ),
    "too many requests": Answer({}, status=429),
    "asked to wait": Answer({}, status=429, headers={"Retry-After": "1000000000000"}),
    "waits for nothing": Answer({}, status=503, headers={"Retry-After": "-1e999"}),
    "server error": Answer(b"\xff\xfe<html>", status=500),
    "bad gateway": Answer(b"", status=502),
    "teapot": Answer({}, status=418),
    "unauthorised": Answer({}, status=401),
    "a circle": Answer(b"", status=302, headers={"Location": "?x"}),
    "nowhere": Answer(b"", status=302, headers={"Location": "http://127.0.0.1:1/x"}),
    "another scheme": Answer(b"", status=302, headers={"Location": "file:///etc/passwd"}),
    "no address": Answer(b"", status=302, headers={"Location": "http://[:::"}),
    "no port": Answer(b"", status=302, headers={"Location": "http://h:99999999/"}),
}

#: Values that may stand in the place of any other.
VALUES: dict[str, Any] = {
    "null": None,
    "a list": [],
    "a list of lists": [[1], [2]],
    "an object": {"a": 1},
    "a text": "mp-\nx",
    "half a character": "\ud800",
    "false": False,
    "a large number": 10**400,
    "negative": -1e300,
    "nested": NESTED,
    "a table": {"name": {}, "href": [], "number": "x", "element": 3},
    "an object of a class": {"@module": "antigravity", "@class": "fly"},
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(gencsp.sources.web, "MOST_BYTES", 1_000_000)
    monkeypatch.setattr(gencsp.sources.optimade, "MOST_PAGES", 5)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MP_API_KEY", KEY)


def fetch(source: str, answer: Callable[[Asked], Answer], out: Path) -> tuple[int, str]:
    """Status and what is said on stderr: never a traceback, and one sentence where it fails."""
    with serve(answer) as served:
        if source == "optimade":
            command = ["fetch", "optimade", served.url, "Na-Cl", "--energy", "_exmpl_energy"]
            command += ["--level", "x"]
        else:
            command = ["fetch", "mp", "Li-Si", "--endpoint", served.url]
        result = RUNNER.invoke(app, [*command, "--out", str(out)])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(
        result.exception
    )
    assert KEY not in result.output
    if result.exit_code:
        (sentence,) = result.stderr.strip().splitlines()
        assert sentence.startswith("gencsp: ")
        assert len(sentence) < 700
        assert not out.exists()
    for pool in out.glob("*.extxyz"):
        for atoms in ase.io.read(pool, ":"):
            assert np.isfinite(atoms.positions).all()
            assert np.isfinite(atoms.info.get("energy_per_atom", 0.0))
    for table in out.glob("*.csv"):
        assert read_references(table).entries
    return result.exit_code, result.stderr


@pytest.mark.parametrize("source", ["mp", "optimade"])
@pytest.mark.parametrize("name", ANSWERS)
def test_answers_that_are_no_documents(tmp_path: Path, source: str, name: str) -> None:
    status, said = fetch(source, lambda _: ANSWERS[name], tmp_path / "out")
    assert status == 1, said


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """All places in a document, at most four deep, and of a list those in its first member."""
    if path:
        yield path
    if len(path) < 4 and isinstance(document, dict | list):
        keys = list(document) if isinstance(document, dict) else range(min(1, len(document)))
        for key in keys:
            yield from places(document[key], (*path, key))


def with_value(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def without(document: Any, path: tuple[Any, ...]) -> Any:
    changed = with_value(document, path, None)
    place = changed
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return changed


THERMO = {
    "data": [
        {
            "material_id": "mp-1",
            "composition": {"Li": 1.0, "Si": 1.0},
            "energy_per_atom": -3.85,
            "symmetry": {"number": 88},
        }
    ],
    "meta": {"total_doc": 1},
}
SUMMARY = {
    "data": [{"material_id": "mp-1", "structure": crystal().as_dict(), "energy_above_hull": 0.0}],
    "meta": {"total_doc": 1},
}
STRUCTURES = {"data": [optimade_structure("1")], "links": {"next": None}, "meta": {}}


def read(page: str, url: str) -> list[Atoms]:
    """What a script has of a page."""
    web = Web(headers={"X-API-KEY": KEY}, tries=1)
    if page == "thermo":
        return [
            Atoms(entry.composition.formula, info={"energy_per_atom": entry.energy_per_atom})
            for entry in mp.fetch_entries(["Li", "Si"], web=web, key=KEY, endpoint=url)
        ]
    if page == "summary":
        return list(mp.fetch_structures(["Si"], web=web, key=KEY, endpoint=url))
    found = list(Optimade(url, web=web).structures("x", energy="_exmpl_energy", level="x"))
    for atoms in found:
        name_space_group(atoms)
    return found


@pytest.mark.parametrize("page", ["thermo", "summary", "optimade"])
def test_odd_values_in_the_place_of_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """Also keys that are missing; whatever still is a crystal is one that can be written."""
    whole = {"thermo": THERMO, "summary": SUMMARY, "optimade": STRUCTURES}[page]
    odd = [without(whole, path) for path in places(whole)]
    odd += [with_value(whole, path, v) for path in places(whole) for v in VALUES.values()]
    changes = [json.dumps(one) for one in odd]
    taken, said = 0, []
    for changed in changes:
        monkeypatch.setattr(Web, "get", lambda *_, changed=changed, **__: json.loads(changed))
        try:
            found = read(page, "https://x.invalid")
        except SourceError as error:
            said.append(str(error))
            continue
        taken += 1
        for atoms in found:
            assert np.isfinite(atoms.positions).all()
            assert np.isfinite(atoms.info.get("energy_per_atom", 0.0))
        write_extxyz(tmp_path / "pool.extxyz", found)
    assert min(len(said), taken) > 20
    assert not any("\n" in sentence for sentence in said)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("energy", ["NaN", "Infinity", "1e999", "-1e999", '"low"', "[]", "true"])
def test_energies_that_are_no_numbers(tmp_path: Path, energy: str) -> None:
    thermo = json.dumps(THERMO).replace("-3.85", energy).encode()
    status, said = fetch("mp", lambda _: Answer(thermo), tmp_path / "mp")
    assert status == 1, said
    structures = json.dumps(STRUCTURES).replace("-3.4", energy).encode()
    status, said = fetch("optimade", lambda _: Answer(structures), tmp_path / "optimade")
    assert status == 1 or "an energy that is no number" in said


def test_pages_without_end(tmp_path: Path) -> None:
    """The same page again, and always another link."""
    status, said = fetch(
        "mp", lambda _: Answer({**THERMO, "meta": {"total_doc": 9e99}}), tmp_path / "mp"
    )
    assert (status, "repeats its pages" in said) == (1, True)
    count = iter(range(1000))

    def linked(asked: Asked) -> Answer:
        link = f"http://{asked.headers['host']}/v1/structures?page={next(count)}"
        return Answer({"data": [], "links": {"next": link}})

    status, said = fetch("optimade", linked, tmp_path / "optimade")
    assert (status, "more than 5 pages" in said) == (1, True)


@pytest.mark.parametrize(
    "link", [3, [], {"href": {}}, "http://[", "http://h:x/", "file:///etc/passwd", "ftp://h/x"]
)
def test_links_that_lead_nowhere(tmp_path: Path, link: Any) -> None:
    status, said = fetch(
        "optimade", lambda _: Answer({"data": [], "links": {"next": link}}), tmp_path / "out"
    )
    assert status == 1, said


@pytest.mark.parametrize("cell", [1e300, 1e9, 1e-9])
def test_cells_beyond_all_crystals(tmp_path: Path, cell: float) -> None:
    lattice = (np.eye(3) * cell).tolist()
    changed = with_value(STRUCTURES, ("data", 0, "attributes", "lattice_vectors"), lattice)
    status, said = fetch("optimade", lambda _: Answer(changed), tmp_path / "out")
    assert (status, "left out 1 crystals: incomplete" in said) == (0, True)
