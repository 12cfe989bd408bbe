"""JSON over HTTP with retries, a cache on disk, and clear errors."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from hishel import Entry, SqliteStorage
from hishel.httpx import CacheTransport

from gencsp.deck import Count, NonNegative, Seconds, check_fields
from gencsp.errors import SourceError

#: Statuses that may be others at the next try: too many requests, and a server in trouble.
_PASSING = (429, 500, 502, 503, 504)
#: Longest wait that a server may ask for, s.
_LONGEST_WAIT = 60.0
# Some servers turn away Python's own name.
_OURS = {"Accept": "application/json", "User-Agent": "gencsp"}
_FILE = "answers.db"

# A cache that cannot be used is ignored; its warnings are of no use to the user.
logging.getLogger("hishel").addHandler(logging.NullHandler())


def default_cache() -> Path:
    """The default folder of the cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "gencsp" / "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """Settings of requests to databases.

    Attributes:
        headers: sent along, such as a key; never kept, and never sent on to another host.
        cache: folder that keeps answers; ``None`` keeps none.
        refresh: request cached answers again.
        timeout: seconds to wait for an answer.
        tries: how often to ask a server in trouble.
        pause: seconds before the second try; doubled each time.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    cache: Path | None = None
    refresh: bool = False
    timeout: Seconds = 60.0
    tries: Count = 4
    pause: NonNegative = 1.0

    def __post_init__(self) -> None:
        check_fields(self, SourceError)

    def get(self, url: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object at an address.

        Raises:
            SourceError: it cannot be reached, refuses, or answers in another form.
        """
        whole = f"{url}?{urlencode(parameters)}" if parameters else url
        if urlsplit(whole).scheme not in ("http", "https"):
            raise SourceError(f"{url} is no address of the web: begin with https://.")
        try:
            with self._client(httpx.URL(whole)) as client:
                answer: dict[str, Any] = client.get(whole).json()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unreachable(urlsplit(whole).netloc or url, error) from error
        return answer

    def _client(self, home: httpx.URL) -> httpx.Client:
        transport: httpx.BaseTransport = _Asking(self, home)
        if self.cache is not None:
            file = self.cache / _FILE
            _discard_damaged(file)
            kind = _Refreshed if self.refresh else SqliteStorage
            # No answer is dropped to make room: its neighbours would then be pages of another state
            # of the database.
            transport = CacheTransport(transport, storage=kind(database_path=file, max_size=None))
        return httpx.Client(transport=transport, headers=_OURS, follow_redirects=True)


class _Asking(httpx.BaseTransport):
    """Asks over the network, until there is an answer that is worth keeping.

    It stands below the cache, which therefore never sees the key, nor an answer that is none.
    """

    def __init__(self, web: Web, home: httpx.URL) -> None:
        self._web = web
        self._home = home
        # A client and no bare transport, for the proxies that the environment names.
        self._network = httpx.Client(timeout=web.timeout)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See ``httpx.BaseTransport``.

        Raises:
            SourceError: no answer in all tries, a refusal, or no JSON object.
        """
        host = request.url.netloc.decode()
        headers = {**request.headers, **(self._web.headers if self._is_home(request.url) else {})}
        sent = self._network.build_request("GET", request.url, headers=headers)
        for attempt in range(1, self._web.tries + 1):
            try:
                response = self._network.send(sent)
            except httpx.RequestError as error:
                if attempt == self._web.tries:
                    raise _unreachable(host, error) from error
                wait = None
            else:
                if response.is_success or response.has_redirect_location:
                    return _kept_form(response, host)
                if response.status_code not in _PASSING or attempt == self._web.tries:
                    raise _refusal(request.url, response)
                wait = _asked_to_wait(response.headers)
            time.sleep(self._web.pause * 2 ** (attempt - 1) if wait is None else wait)
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        self._network.close()

    def _is_home(self, url: httpx.URL) -> bool:
        """Whether a redirect stayed where the key belongs, and as private as it was."""
        private = url.scheme == "https" or self._home.scheme == "http"
        return url.netloc == self._home.netloc and private


class _Refreshed(SqliteStorage):
    """Looks nothing up, and has a new answer take the place of the old ones."""

    def get_entries(self, key: str) -> list[Entry]:  # noqa: ARG002
        return []

    def create_entry(self, request: Any, response: Any, key: str, **limits: Any) -> Entry:
        for old in super().get_entries(key):
            self.remove_entry(old.id)
        return super().create_entry(request, response, key, **limits)


def _kept_form(response: httpx.Response, host: str) -> httpx.Response:
    """The answer as it is kept: decompressed, and of a redirect its place alone.

    Raises:
        SourceError: it is no JSON object.
    """
    if response.has_redirect_location:
        return httpx.Response(
            response.status_code, headers={"Location": response.headers["Location"]}
        )
    try:
        answer = json.loads(response.content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SourceError(f"{host} did not answer with text.") from error
    except ValueError as error:
        raise SourceError(f"{host} did not answer with JSON ({error}).") from error
    if not isinstance(answer, dict):
        raise SourceError(f"{host} answered with a list where an object is due.")
    return httpx.Response(response.status_code, content=response.content)


def _discard_damaged(file: Path) -> None:
    """Remove a cache that is no database any more: it would never keep anything again."""
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(file)) as database:
            database.execute("SELECT name FROM sqlite_master")
    except sqlite3.OperationalError:  # locked or not to be opened, which may pass
        return
    except sqlite3.DatabaseError:
        file.unlink(missing_ok=True)


def _unreachable(host: str, error: Exception) -> SourceError:
    return SourceError(f"{host} cannot be reached ({error}): check the network.")


def _refusal(url: httpx.URL, response: httpx.Response) -> SourceError:
    host, status = url.netloc.decode(), response.status_code
    if status in (401, 403):
        return SourceError(f"{host} refuses the key (status {status}): check it.")
    if status == 404:
        return SourceError(f"{host} has no such page ({str(url).partition('?')[0]}).")
    said = " ".join(response.content[:300].decode("utf-8", errors="replace").split())
    return SourceError(f"{host} answered with status {status}" + (f": {said}" if said else "."))


def _asked_to_wait(headers: httpx.Headers) -> float | None:
    """Seconds of a Retry-After header, a minute at most."""
    text = headers.get("Retry-After", "")
    return min(float(text), _LONGEST_WAIT) if text.isdecimal() else None
