"""JSON over HTTP with retries, a cache on disk, and clear errors."""

from __future__ import annotations

import ipaddress
import json
import logging
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode

import httpx
from hishel import Entry, SqliteStorage
from hishel.httpx import CacheTransport

from gencsp.deck import Count, NonNegative, Seconds, check_fields
from gencsp.errors import SourceError
from gencsp.files import user_cache
from gencsp.sources.answers import OddAnswer

#: Statuses that may be others at the next try: too many requests, and a server in trouble.
_PASSING = (429, 500, 502, 503, 504)
#: Longest wait that a server may ask for, s.
_LONGEST_WAIT = 60.0
#: Longest answer, decompressed, in bytes. A thousand crystals of a hundred atoms take 50 MB.
MOST_BYTES = 256 * 2**20
#: An answer may take this many times as long as the wait for its first byte.
_WHOLE_ANSWER = 10
#: Headers with values of so many letters hold a secret; shorter ones are words of the protocol.
_SECRET = 8
# Some servers turn away Python's own name.
_OURS = {"Accept": "application/json", "User-Agent": "gencsp"}
_FILE = "answers.db"

# A cache that cannot be used is ignored; its warnings are of no use to the user.
logging.getLogger("hishel").addHandler(logging.NullHandler())


def default_cache() -> Path:
    """The default folder of the cache."""
    return user_cache("web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """Settings of requests to databases.

    Attributes:
        headers: sent along, such as a key: over https alone (or to this machine), and to the host
            that was asked, wherever it redirects to; never kept and never in a message.
        cache: folder that keeps answers; ``None`` keeps none.
        refresh: request cached answers again.
        timeout: seconds to wait for an answer.
        tries: how often to ask a server in trouble.
        pause: seconds before the second try; doubled each time.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cache: Path | None = None
    refresh: bool = False
    timeout: Seconds = 60.0
    tries: Count = 4
    pause: NonNegative = 1.0

    def __post_init__(self) -> None:
        check_fields(self, SourceError)
        for name, value in self.headers.items():
            # Python's own errors quote what they cannot send.
            if not (value.isascii() and value.isprintable() and value == value.strip()):
                raise SourceError(f"the value of {name} cannot be sent: copy the key again.")

    def get(
        self, url: str, parameters: Mapping[str, str] | None = None, *, home: str | None = None
    ) -> dict[str, Any]:
        """The JSON object at an address.

        Args:
            url: where.
            parameters: of the query.
            home: the address that the headers belong to, where ``url`` came out of an answer;
                ``None`` for ``url`` itself.

        Raises:
            SourceError: it cannot be reached, refuses, or answers in another form; also where the
                address would have the key travel in the clear.
        """
        whole = _address(f"{url}?{urlencode(parameters)}" if parameters else url)
        owner = whole if home is None else _address(home)
        if self.headers and not _is_private(owner):
            raise SourceError(
                f"{_host(owner)} is asked over http, which would show the key to everybody on the "
                f"way: begin with https://."
            )
        try:
            with self._client(owner) as client:
                content = client.get(whole).content
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unreachable(_host(whole), error) from error
        return _json_object(content, _host(whole))

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
        # A client and no bare transport, for the proxies that the environment names: but these
        # would see a key that is meant for this machine.
        clear = bool(web.headers) and home.scheme == "http"
        self._network = httpx.Client(timeout=web.timeout, trust_env=not clear)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See ``httpx.BaseTransport``.

        Raises:
            SourceError: no answer in all tries, a refusal, or no JSON object.
        """
        host = _host(request.url)
        headers = {**request.headers, **(self._web.headers if self._is_home(request.url) else {})}
        sent = self._network.build_request("GET", request.url, headers=headers)
        for attempt in range(1, self._web.tries + 1):
            try:
                response = self._received(sent)
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

    def _received(self, sent: httpx.Request) -> httpx.Response:
        """The whole answer, decompressed, without the secrets that it may repeat.

        Raises:
            SourceError: it is too long, or does not end.
        """
        parts, size = [], 0
        latest = time.monotonic() + _WHOLE_ANSWER * self._web.timeout
        response = self._network.send(sent, stream=True)
        try:
            for part in response.iter_bytes():
                size += len(part)
                if size > MOST_BYTES:
                    raise SourceError(
                        f"{_host(sent.url)} sends more than {MOST_BYTES // 2**20} MB at once: "
                        f"request less."
                    )
                if time.monotonic() > latest:
                    raise SourceError(
                        f"{_host(sent.url)} does not end its answer: try again later."
                    )
                parts.append(part)
        finally:
            response.close()
        kept = {"location", "retry-after"}
        return httpx.Response(
            response.status_code,
            headers={
                key: self._without_secrets(value.encode()).decode()
                for key, value in response.headers.items()
                if key in kept
            },
            content=self._without_secrets(b"".join(parts)),
        )

    def _without_secrets(self, content: bytes) -> bytes:
        for value in self._web.headers.values():
            if len(value) >= _SECRET:
                content = content.replace(value.encode(), b"*" * len(value))
        return content

    def _is_home(self, url: httpx.URL) -> bool:
        """Whether a redirect stayed where the key belongs: the same host, port and scheme."""
        return (url.scheme, url.netloc) == (self._home.scheme, self._home.netloc)


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
    _json_object(response.content, host)
    return httpx.Response(response.status_code, content=response.content)


def _json_object(content: bytes, host: str) -> dict[str, Any]:
    """What an answer says.

    Raises:
        SourceError: it is no JSON object, or holds NaN or infinities, which JSON does not have.
    """
    try:
        answer = json.loads(content.decode("utf-8"), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise SourceError(f"{host} did not answer with text.") from error
    except RecursionError as error:
        raise SourceError(f"{host} did not answer with JSON (nested too deeply).") from error
    except (OddAnswer, ValueError) as error:
        raise SourceError(f"{host} did not answer with JSON ({error}).") from error
    if not isinstance(answer, dict):
        what = "a list" if isinstance(answer, list) else "a single value"
        raise SourceError(f"{host} answered with {what} where an object is due.")
    return answer


def _no_number(constant: str) -> NoReturn:
    raise OddAnswer(f"'{constant}' is no number of JSON")


def _address(text: str) -> httpx.URL:
    """An address, as far as it can be asked.

    Raises:
        SourceError: it is none, not one of the web, or holds a password, which is not repeated.
    """
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise SourceError(f"this is no address of the web ({error}): look for a slip.") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise SourceError("this is no address of the web: begin with https://.")
    if url.userinfo:
        raise SourceError(
            f"the address of {_host(url)} holds a name or a password: leave them out, and give a "
            f"key in the way that the documentation says."
        )
    return url


def _host(url: httpx.URL) -> str:
    """Host and port, without anything that may be secret."""
    return url.netloc.decode()


def _is_private(url: httpx.URL) -> bool:
    """Whether nobody on the way can read what is sent: encrypted, or within this machine."""
    if url.scheme == "https" or url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False


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
    reason = str(error) or type(error).__name__
    return SourceError(f"{host} cannot be reached ({reason}): check the network.")


def _refusal(url: httpx.URL, response: httpx.Response) -> SourceError:
    host, status = _host(url), response.status_code
    if status in (401, 403):
        return SourceError(f"{host} refuses the key (status {status}): check it.")
    if status == 404:
        return SourceError(f"{host} has no such page ({url.scheme}://{host}{url.path}).")
    said = " ".join(response.content[:300].decode("utf-8", errors="replace").split())
    return SourceError(f"{host} answered with status {status}" + (f": {said}" if said else "."))


def _asked_to_wait(headers: httpx.Headers) -> float | None:
    """Seconds of a Retry-After header, a minute at most."""
    text = headers.get("Retry-After", "")
    return min(float(text), _LONGEST_WAIT) if text.isdecimal() else None
