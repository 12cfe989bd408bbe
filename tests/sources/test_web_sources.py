"""The Materials Project and OPTIMADE, served from this machine; pymatgen's clients beside ours."""

from __future__ import annotations

import gzip
import logging
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import ase.io
import httpx
import numpy as np
import pytest
from databases import (
    KEY,
    PHASES,
    crystal,
    disordered,
    materials_project,
    optimade,
    optimade_structure,
)
from pymatgen.core import SETTINGS
from pymatgen.ext.matproj import MPRester
from pymatgen.ext.optimade import OptimadeRester
from typer.testing import CliRunner
from web_server import Answer, Asked, Served, serve

from gencsp.cli import app
from gencsp.composition import Composition
from gencsp.convex_hull.entries import HullEntry, write_entries
from gencsp.convex_hull.hull import Hull
from gencsp.errors import CompositionError, HullReferenceError, SourceError
from gencsp.sources import materials_project as mp
from gencsp.sources.optimade import Optimade, formula_filter, system_filter
from gencsp.sources.web import Web, _Asking

RUNNER = CliRunner()
QUICK = Web(tries=3, pause=0.0, timeout=5.0)


@pytest.fixture
def project() -> Iterator[Served]:
    with serve(materials_project()) as served:
        yield served


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in mp.KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_entries_of_a_system_page_by_page(project: Served) -> None:
    entries = mp.fetch_entries(["Si", "Li"], web=QUICK, key=KEY, endpoint=project.url)
    assert [e.entry_id for e in entries] == [phase[0] for phase in PHASES]
    assert [e.energy_per_atom for e in entries] == [phase[2] for phase in PHASES]
    assert {e.model for e in entries} == {"mp-GGA_GGA+U"}
    assert [asked.query["_skip"] for asked in project.asked] == ["0", "2", "4"]
    assert {asked.query["chemsys"] for asked in project.asked} == {"Li,Si,Li-Si"}


def test_the_same_as_by_pymatgens_client(project: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks the same server in its own way."""
    monkeypatch.setitem(SETTINGS, "PMG_MAPI_ENDPOINT", f"{project.url}/")
    theirs = MPRester(KEY).get_entries("Li,Si,Li-Si", compatible_only=False)
    ours = mp.fetch_entries(["Li", "Si"], web=QUICK, key=KEY, endpoint=project.url)
    found = {e.entry_id.removesuffix("-GGA"): e.energy_per_atom for e in theirs}
    assert found == pytest.approx({e.entry_id: e.energy_per_atom for e in ours})


def test_crystals(project: Served) -> None:
    (found,) = mp.fetch_structures(["Si"], web=QUICK, key=KEY, endpoint=project.url)
    assert (found.info["structure_id"], found.info["energy_above_hull"]) == ("mp-149", 0.0)
    np.testing.assert_allclose(found.cell.array, crystal().lattice.matrix)
    asked = project.asked[-1].query
    assert (asked["chemsys"], asked["energy_above_hull_max"]) == ("Si", "0.1")


def test_its_hull_is_for_its_own_energies(project: Served, tmp_path: Path) -> None:
    entries = mp.fetch_entries(["Li", "Si"], web=QUICK, key=KEY, endpoint=project.url)
    path = write_entries(tmp_path / "e.csv", entries)
    hull = Hull.load(path)
    assert hull.decomposition_energy(Composition.parse("Li12Si7"), -3.47) == pytest.approx(0)
    with pytest.raises(HullReferenceError, match=r"mp-GGA_GGA.U and the energies with chgnet"):
        hull.decomposition_energy(Composition.parse("LiSi"), -3.85, model="chgnet-0.3.0")
    other = HullEntry(composition=Composition.parse("Li"), energy_per_atom=-1, model="other")
    with pytest.raises(HullReferenceError, match="those of one model"):
        write_entries(tmp_path / "f.csv", [*entries, other])


def test_without_a_key() -> None:
    with pytest.raises(SourceError, match=r"needs a key of your own.*set MP_API_KEY"):
        mp.fetch_entries(["Li"], web=QUICK)
    result = RUNNER.invoke(app, ["fetch", "mp", "Li-Si"])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


def test_a_wrong_key_and_an_unknown_element(project: Served) -> None:
    with pytest.raises(SourceError, match="refuses the key"):
        mp.fetch_entries(["Li"], web=QUICK, key="wrong", endpoint=project.url)
    with pytest.raises(CompositionError, match="'Xq' is not an element"):
        mp.fetch_entries(["Xq"], web=QUICK, key=KEY, endpoint=project.url)


def test_answers_are_kept_without_the_key(project: Served, tmp_path: Path) -> None:
    web = Web(cache=tmp_path / "kept")
    first = mp.fetch_entries(["Li", "Si"], web=web, key=KEY, endpoint=project.url)
    asked = len(project.asked)
    again = mp.fetch_entries(["Li", "Si"], web=web, key=KEY, endpoint=project.url)
    assert (again, len(project.asked)) == (first, asked)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "kept").iterdir())
    assert b"mp-149" in kept
    assert KEY.encode() not in kept
    fresh = Web(cache=tmp_path / "kept", refresh=True)
    mp.fetch_entries(["Li", "Si"], web=fresh, key=KEY, endpoint=project.url)
    assert len(project.asked) == 2 * asked
    # What was asked for again takes the place of what was kept.
    mp.fetch_entries(["Li", "Si"], web=web, key=KEY, endpoint=project.url)
    assert len(project.asked) == 2 * asked
    (tmp_path / "kept" / "answers.db").write_text("{half")  # damaged: asked for again, and kept
    for _ in range(2):
        assert mp.fetch_entries(["Li", "Si"], web=web, key=KEY, endpoint=project.url) == first
    assert len(project.asked) == 3 * asked


def test_the_command(project: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MP_API_KEY", KEY)
    out = str(tmp_path / "out")
    command = ["fetch", "mp", "Li-Si", "--endpoint", project.url, "--out", out]
    result = RUNNER.invoke(app, command)
    assert result.exit_code == 0, result.output
    assert KEY not in result.output
    assert Hull.load(tmp_path / "out" / "entries.csv").model == "mp-GGA_GGA+U"
    assert len(ase.io.read(tmp_path / "out" / "structures.extxyz", ":")) == 1


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Answer(b"<html>maintenance</html>"), "did not answer with JSON"),
        (Answer([1, 2]), "a list where an object is due"),
        (Answer({"detail": "no"}), "without 'data'"),
        (Answer({"detail": "boom"}, status=500), "status 500: .*boom"),
        (Answer({"data": [{"material_id": "mp-1"}]}), "entry mp-1 lacks what a hull needs"),
        (Answer(b"\xff\xfe{"), "did not answer with text"),
    ],
)
def test_answers_that_are_none(answer: Answer, problem: str) -> None:
    with serve(lambda _: answer) as served, pytest.raises(SourceError, match=problem):
        mp.fetch_entries(["Li"], web=QUICK, key=KEY, endpoint=served.url)


def test_a_server_in_trouble_is_asked_again() -> None:
    good = materials_project()
    seen: list[int] = []

    def answer(asked: Asked) -> Answer:
        seen.append(1)
        if len(seen) < 3:
            return Answer({}, status=503, headers={"Retry-After": "0"})
        return good(asked)

    with serve(answer) as served:
        assert len(mp.fetch_entries(["Li"], web=QUICK, key=KEY, endpoint=served.url)) == 2


def test_nobody_answers() -> None:
    with serve(materials_project()) as served:
        gone = served.url
    with pytest.raises(SourceError, match=r"127.0.0.1:\d+ cannot be reached .*refused"):
        mp.fetch_entries(["Li"], web=QUICK, key=KEY, endpoint=gone)
    with pytest.raises(SourceError, match="no address of the web"):
        QUICK.get("file:///etc/passwd")


def test_a_redirect_to_another_host_does_not_get_the_key() -> None:
    with serve(lambda _: Answer({"data": []})) as other:
        away = Answer(b"", status=302, headers={"Location": f"{other.url}/x"})
        with serve(lambda _: away) as served:
            Web(headers={"X-API-KEY": KEY}).get(served.url)
    assert "x-api-key" not in other.asked[0].headers
    assert served.asked[0].headers["x-api-key"] == KEY


def told(error: BaseException) -> str:
    """All that a traceback shows, errors behind the error included."""
    return "".join(traceback.format_exception(error)) + repr(error)


def test_a_key_is_not_sent_over_http() -> None:
    """Whoever is asked; this machine alone, where nobody listens, is."""
    web = Web(headers={"X-API-KEY": KEY}, tries=1)
    for address in ("http://materials.invalid/x", "http://192.0.2.1", "http://127.0.0.1.invalid"):
        with pytest.raises(SourceError, match=r"over http.*begin with https") as refused:
            web.get(address)
        assert KEY not in told(refused.value)
    with pytest.raises(SourceError, match="over http"):
        mp.fetch_entries(["Li"], web=QUICK, key=KEY, endpoint="http://materials.invalid")
    with serve(lambda _: Answer({"data": []})) as served:
        web.get(served.url)
    assert served.asked[0].headers["x-api-key"] == KEY


def test_a_key_for_this_machine_does_not_pass_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(lambda _: Answer({"data": 1})) as served, serve(lambda _: Answer({})) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert Web(headers={"X-API-KEY": KEY}).get(served.url) == {"data": 1}
    assert proxy.asked == []


@pytest.mark.parametrize(
    "place", ["http://127.0.0.1:{other}/x", "//localhost:{other}/x", "http://localhost:{port}/x"]
)
def test_a_key_does_not_follow_a_redirect_or_a_link(place: str) -> None:
    """To another port, another name of the host, or by a link in the answer."""
    with serve(lambda _: Answer({"data": []})) as other:
        number = other.url.rpartition(":")[2]

        def away(asked: Asked) -> Answer:
            port = asked.headers["host"].rpartition(":")[2]
            location = place.format(other=number, port=port)
            if asked.path == "/x":
                return Answer({"data": []})
            if asked.path == "/v1/structures":
                return Answer({"data": [], "links": {"next": location.replace("//l", "http://l")}})
            return Answer(b"", status=307, headers={"Location": location})

        with serve(away) as served:
            web = Web(headers={"X-API-KEY": KEY})
            web.get(served.url)
            linked = place if place.startswith("http") else f"http:{place}"
            answers = [{"data": [], "links": {"next": linked.format(other=number, port=1)}}]
            if "{other}" in place:
                with serve(lambda _: Answer(answers[0])) as database:
                    list(Optimade(database.url, web=web).structures("x"))
    last = [*served.asked[1:], *other.asked]
    assert last
    assert all("x-api-key" not in asked.headers for asked in last)
    assert served.asked[0].headers["x-api-key"] == KEY


def test_a_redirect_from_https_to_http_loses_the_key() -> None:
    """By the rule itself: a server with a certificate would have to be trusted here."""
    web = Web(headers={"X-API-KEY": KEY})
    asking = _Asking(web, httpx.URL("https://db.example/x"))
    assert asking._is_home(httpx.URL("https://db.example/y"))
    for other in ("http://db.example/y", "https://db.example:444/y", "https://x.db.example/y"):
        assert not asking._is_home(httpx.URL(other))
    asking.close()


@pytest.mark.parametrize(
    "answer",
    [
        Answer({"detail": f"key {KEY} is invalid"}, status=400),
        Answer({"detail": KEY}, status=500),
        Answer(f"<html>{KEY}".encode()),
        Answer({"data": KEY}),
        Answer({"data": [{"material_id": KEY}]}),
        Answer(b"", status=302, headers={"Location": f"/?key={KEY}"}),
        Answer(b"", status=302, headers={"Location": f"http://127.0.0.1:1/{KEY}"}),
    ],
)
def test_a_key_is_in_no_message(
    tmp_path: Path, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where the server repeats it, in no log, and nowhere in what is kept."""
    # At the level below, httpcore writes down whatever headers the server sends.
    caplog.set_level(logging.INFO if "Location" in answer.headers else logging.DEBUG)
    web = Web(tries=1, cache=tmp_path / "kept")
    with serve(lambda _: answer) as served, pytest.raises(SourceError) as refused:
        mp.fetch_entries(["Li"], web=web, key=KEY, endpoint=served.url)
    assert KEY not in told(refused.value)
    assert KEY not in caplog.text
    assert all(KEY.encode() not in path.read_bytes() for path in (tmp_path / "kept").iterdir())
    assert KEY not in repr(Web(headers={"X-API-KEY": KEY}))


@pytest.mark.parametrize("odd", ["\n", "\u00e9", "\r\nX-Other: 1", "\0"])
def test_a_key_that_cannot_be_sent_is_not_repeated(odd: str) -> None:
    with pytest.raises(SourceError, match="copy the key again") as refused:
        mp.fetch_entries(["Li"], web=QUICK, key=f"{KEY}{odd}{KEY}")
    assert KEY not in told(refused.value)


def test_a_password_in_an_address_is_not_repeated() -> None:
    for address in (
        f"https://me:{KEY}@db.example/x",
        f"ftp://me:{KEY}@db.example/x",
        f"https://me:{KEY}@[::",
    ):
        with pytest.raises(SourceError) as refused:
            QUICK.get(address)
        assert KEY not in str(refused.value)


def test_what_was_kept_serves_offline_and_no_error_is_kept(tmp_path: Path) -> None:
    """Neither a refusal, nor an answer of another form, nor a cache that cannot be written."""
    web = Web(cache=tmp_path / "kept", tries=1)
    answers = [Answer({}, status=500), Answer(b"<html>"), Answer([1]), Answer({"data": "good"})]
    with serve(lambda _: answers.pop(0)) as served:
        for _ in range(3):
            with pytest.raises(SourceError):
                web.get(served.url, {"a": "1"})
        assert web.get(served.url, {"a": "1"}) == {"data": "good"}
    assert web.get(served.url, {"a": "1"}) == {"data": "good"}
    with pytest.raises(SourceError, match="cannot be reached"):
        web.get(served.url, {"a": "2"})
    with pytest.raises(SourceError, match="cannot be reached"):
        Web(cache=tmp_path / "kept", tries=1, refresh=True).get(served.url, {"a": "1"})
    assert web.get(served.url, {"a": "1"}) == {"data": "good"}  # a vain refresh loses nothing
    (tmp_path / "file").write_text("in the way")
    with serve(lambda _: Answer({"data": 1})) as served:
        assert Web(cache=tmp_path / "file" / "below").get(served.url) == {"data": 1}


def test_a_compressed_answer_a_proxy_and_a_circle_of_redirects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = Answer(gzip.compress(b'{"data": 1}'), headers={"Content-Encoding": "gzip"})
    web = Web(cache=tmp_path / "kept", tries=1)
    with serve(lambda _: packed) as served:
        assert web.get(served.url) == web.get(served.url) == {"data": 1}
        assert len(served.asked) == 1
        monkeypatch.setenv("HTTP_PROXY", served.url)
        assert web.get("http://materials.invalid/x") == {"data": 1}
        monkeypatch.delenv("HTTP_PROXY")
    circle = Answer(b"", status=302, headers={"Location": "/again"})
    with (
        serve(lambda _: circle) as served,
        pytest.raises(SourceError, match=r"cannot be reached .*redirects"),
    ):
        web.get(served.url)


@pytest.mark.parametrize("link_objects", [False, True])
def test_optimade_page_by_page(link_objects: bool) -> None:
    slab = optimade_structure("s", dimension_types=[1, 1, 0])
    broken = optimade_structure("b", cartesian_site_positions=[[0, 0, None], [1, 1, 1]])
    vacancy = [{"name": "Na1", "chemical_symbols": ["vacancy"], "concentration": [1.0]}]
    empty = optimade_structure("e", species=vacancy, species_at_sites=["Na1", "Na1"])
    documents = [optimade_structure("1"), disordered(), slab, broken, empty]
    documents.append(optimade_structure("2"))
    with serve(optimade(documents, link_objects=link_objects)) as served:
        database = Optimade(served.url, web=QUICK)
        found = list(database.structures(system_filter(["Na", "Cl"])))
    assert [a.info["structure_id"] for a in found] == ["1", "2"]
    assert {a.get_chemical_formula() for a in found} == {"ClNa"}
    assert database.skipped == {
        "partly occupied sites": 1,
        "not periodic in three directions": 1,
        "incomplete": 1,
        "sites that are no atoms": 1,
    }
    assert served.asked[0].query["filter"] == 'elements HAS ALL "Cl", "Na" AND nelements=2'


def test_the_same_as_by_pymatgens_optimade_client() -> None:
    with serve(optimade([optimade_structure("1"), optimade_structure("2")])) as served:
        client = OptimadeRester(served.url)
        (theirs,) = client.get_structures_with_filter(formula_filter("NaCl")).values()
        ours = list(Optimade(f"{served.url}/v1/", web=QUICK).structures(formula_filter("NaCl")))
    assert sorted(theirs) == [a.info["structure_id"] for a in ours]
    for atoms in ours:
        structure = theirs[atoms.info["structure_id"]]
        np.testing.assert_allclose(structure.lattice.matrix, atoms.cell.array)
        np.testing.assert_allclose(structure.cart_coords, atoms.positions)


def test_optimade_entries_need_a_level_of_theory(tmp_path: Path) -> None:
    with serve(optimade([optimade_structure("1"), optimade_structure("2")])) as served:
        command = ["fetch", "optimade", served.url, "Na-Cl", "--out", str(tmp_path / "o")]
        told = [*command, "--energy", "_exmpl_energy", "--level", "pbe-exmpl"]
        result = RUNNER.invoke(app, told)
        assert result.exit_code == 0, result.output
        refused = RUNNER.invoke(app, [*command, "--energy", "_exmpl_energy"])
    assert (tmp_path / "o" / "entries.csv").read_text().startswith("# model: pbe-exmpl\n")
    assert refused.exit_code == 2
    assert "--energy and --level go together" in refused.stderr


def test_optimade_in_a_circle_and_not_optimade() -> None:
    def the_same(answer: Answer, _: Asked) -> Answer:
        return answer

    def circle(asked: Asked) -> Answer:
        link = f"http://{asked.headers['host']}/v1/structures"
        return Answer({"data": [optimade_structure("1")], "links": {"next": link}})

    with serve(circle) as served, pytest.raises(SourceError, match="in a circle"):
        list(Optimade(served.url, web=QUICK).structures("x"))
    for answer, problem in (
        (Answer({"data": "no"}), "form of OPTIMADE"),
        (Answer({}, status=404), "no such page"),
    ):
        with (
            serve(partial(the_same, answer)) as served,
            pytest.raises(SourceError, match=problem),
        ):
            list(Optimade(served.url, web=QUICK).structures("x"))


def test_filters_are_in_the_language_of_the_specification() -> None:
    assert formula_filter("Ti2O4") == 'chemical_formula_reduced="O2Ti"'
    assert system_filter(["O", "Li"]) == 'elements HAS ALL "Li", "O" AND nelements=2'
