"""The page of a run that goes on, served on this machine alone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from cheap_search import cheap_search, manifest
from page_material import search_folder
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.errors import StoreError
from gencsp.executors import ThisProcess
from gencsp.report import watch
from gencsp.report.watch import WatchedRun, WatchServer
from gencsp.store import DiskStore

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return search_folder(tmp_path / "run", budget=6)


@contextmanager
def served(run: WatchedRun) -> Iterator[WatchServer]:
    with WatchServer(run) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(
    server: WatchServer, path: str = "/", *, method: str = "GET", host: str | None = None
) -> tuple[HTTPResponse, str]:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request(method, path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def go_on(store: DiskStore, budget: int) -> None:
    search = cheap_search("genetic", store, ThisProcess(), budget=budget)
    search.run()
    search.ranking()


def test_the_page_grows_with_the_run_and_is_looked_at_until_it_ends(folder: Path) -> None:
    run = WatchedRun(folder, every=0)
    with served(run) as server:
        answer, before = ask(server)
        assert answer.status == 200
        assert answer.getheader("Refresh") is None
        assert "s00004" in before
        assert "s00009" not in before
        with DiskStore(folder, manifest("genetic")) as store:
            go_on(store, budget=12)
            answer, during = ask(server)
            assert answer.getheader("Refresh") == "15"
            assert "s00009" in during
        answer, after = ask(server)
        assert "s00009" in after
        assert answer.getheader("Refresh") is None


def test_a_page_is_kept_for_a_while_and_then_caught_up_with(folder: Path) -> None:
    now = [0.0]
    run = WatchedRun(folder, every=10, clock=lambda: now[0])
    first, _ = run.latest()
    with DiskStore(folder, manifest("genetic")) as store:
        go_on(store, budget=12)
    now[0] = 5.0
    # It has ended, and the page does not show that yet: the browser has to look again.
    assert run.latest() == (first, True)
    now[0] = 11.0
    text, going = run.latest()
    assert "s00009" in text
    assert not going


def test_there_is_this_page_and_nothing_else(folder: Path) -> None:
    (folder.parent / "secret.txt").write_text("a secret")
    with served(WatchedRun(folder)) as server:
        for path in ("/run.db", "/../secret.txt", "/%2e%2e/secret.txt", "//secret.txt", "/x?/"):
            answer, text = ask(server, path)
            assert answer.status == 404, path
            assert "secret" not in text
        assert ask(server, "/?a=1")[0].status == 200
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert ask(server, method=method)[0].status == 501
        head, text = ask(server, method="HEAD")
        assert (head.status, text) == (200, "")
        assert int(head.getheader("Content-Length") or 0) > 1000


def test_a_page_of_a_stranger_cannot_ask_under_another_name(folder: Path) -> None:
    with served(WatchedRun(folder)) as server:
        port = server.server_port
        assert ask(server, host="evil.example")[0].status == 403
        assert ask(server, host=f"evil.example:{port}")[0].status == 403
        assert ask(server, host=f"localhost:{port}")[0].status == 200
        assert server.server_address[0] == "127.0.0.1"


def test_a_run_that_cannot_be_read_is_said(folder: Path, tmp_path: Path) -> None:
    run = WatchedRun(folder, every=0)
    with served(run) as server:
        ask(server)
        (folder / "run.db").write_bytes(b"no database any more")
        answer, text = ask(server)
        assert answer.status == 503
        assert "run.db" in text
    missing = CliRunner().invoke(app, ["watch", str(tmp_path / "nothing")])
    assert missing.exit_code == 1
    assert "holds no run" in missing.stderr


def test_a_port_that_is_taken(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(StoreError, match="--port"):
            WatchServer(WatchedRun(folder), port=taken.getsockname()[1])


def test_a_browser_looks_again_and_keeps_the_structure(
    browser: Browser, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "REFRESH", 4.0)
    chosen = "R => R?.ready && R.selected !== null && R.columns.id[R.selected] === 's00003'"
    with served(WatchedRun(folder, every=0)) as server:
        page = browser.new_page()
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        with DiskStore(folder, manifest("genetic")) as store:
            page.goto(server.url)
            page.wait_for_function("() => window.gencspReport?.ready")
            page.evaluate("() => window.gencspReport.select(window.gencspReport.at.get('s00003'))")
            page.wait_for_function(f"() => ({chosen})(window.gencspReport)")
            go_on(store, budget=12)
            page.wait_for_function(
                f"() => window.gencspReport?.at.has('s00009') && ({chosen})(window.gencspReport)",
                timeout=60_000,
            )
        assert said == []
