"""Serves the page of a run while it goes on, on this machine alone.

One page and nothing else is served: no other path is read, nothing can be written, and a request
that names another host than this one, as a page of a stranger in the same browser would, is
refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit

from gencsp.deck import NonNegative, check
from gencsp.errors import GencspError, StoreError
from gencsp.report.collect import report_of_run
from gencsp.report.page import page
from gencsp.store.disk import DATABASE, is_in_use

#: The loopback interface: other machines cannot connect.
HOST = "127.0.0.1"
#: Seconds between two looks of a browser at a run that goes on.
REFRESH = 15.0
#: Names of this machine by which a browser may ask.
NAMES = (HOST, "localhost")


class WatchedRun:
    """The page of a run, made again when the run has new results.

    Args:
        folder: of the run.
        hull: file of hull references, where they are not those of the run.
        every: seconds that a page is kept at least.
        clock: seconds, of any origin.
    """

    def __init__(
        self,
        folder: Path,
        *,
        hull: Path | None = None,
        every: float = REFRESH / 2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check("every", every, NonNegative)
        self.folder = folder
        self.hull = hull
        self.every = every
        self._clock = clock
        self._lock = Lock()
        self._page = ""
        self._state: tuple[int, int, bool] | None = None
        self._made = float("-inf")

    def latest(self) -> tuple[str, bool]:
        """The page, and whether the run goes on.

        Raises:
            StoreError, DamageError: the run cannot be read.
            HullReferenceError, StructureFileError: the references cannot be used.
        """
        with self._lock:
            state = self._state_now()
            old = self._clock() - self._made
            if self._state is None or (state != self._state and old >= self.every):
                self._page = page(report_of_run(self.folder, hull=self.hull))
                self._state, self._made = state, self._clock()
            # A page that lags behind is looked at once more, also where the run has just ended.
            return self._page, state[2] or state != self._state

    def _state_now(self) -> tuple[int, int, bool]:
        try:
            found = (self.folder / DATABASE).stat()
        except OSError as error:
            raise StoreError(
                f"{self.folder} holds no run that can be read ({error.strerror or error})."
            ) from error
        return found.st_mtime_ns, found.st_size, is_in_use(self.folder)


class WatchServer(ThreadingHTTPServer):
    """Serves one page on a port of this machine; :attr:`url` says where.

    Args:
        run: whose page.
        port: 0 for any that is free.

    Raises:
        StoreError: the port cannot be used.
    """

    daemon_threads = True

    def __init__(self, run: WatchedRun, *, port: int = 0) -> None:
        self.run = run
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise StoreError(
                f"port {port} cannot be used ({error}): name another one with --port, or leave it "
                f"out for one that is free."
            ) from error

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    """Answers ``GET /`` and ``HEAD /``, asked of this machine by its own name."""

    server: WatchServer
    server_version = "gencsp"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, *_: object) -> None:
        """Requests are not logged: libraries say nothing."""

    def _answer(self, *, with_body: bool) -> None:
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        if host not in NAMES:
            self._send(HTTPStatus.FORBIDDEN, "this page is for this machine alone.", with_body)
            return
        if urlsplit(self.path).path != "/":
            self._send(HTTPStatus.NOT_FOUND, "there is nothing here but /.", with_body)
            return
        try:
            text, going = self.server.run.latest()
        except GencspError as error:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, str(error), with_body, refresh=True)
            return
        self._send(HTTPStatus.OK, text, with_body, kind="text/html", refresh=going)

    def _send(
        self,
        status: HTTPStatus,
        text: str,
        with_body: bool,
        *,
        kind: str = "text/plain",
        refresh: bool = False,
    ) -> None:
        content = text.encode("utf-8")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        if refresh:
            self.send_header("Refresh", f"{REFRESH:g}")
        self.end_headers()
        if with_body:
            self.wfile.write(content)
