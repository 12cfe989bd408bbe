"""JSON over HTTP: retries, a cache on disk, and clear words for whatever goes wrong."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from gencsp.deck_base import Count, NonNegative, Seconds, check_fields
from gencsp.errors import SourceError

#: Statuses that may be others at the next try: too many requests, and a server in trouble.
_PASSING = (429, 500, 502, 503, 504)


# Some servers turn away Python's own name.
_OURS = {"Accept": "application/json", "User-agent": "gencsp"}


def default_cache() -> Path:
    """Where answers are kept unless told otherwise."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "gencsp" / "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """How databases are asked.

    Attributes:
        headers: sent along, such as a key; never kept, and never sent on to another host.
        cache: folder that keeps answers; ``None`` keeps none.
        refresh: ask again for what is kept.
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
        kept = self._place(whole)
        if kept is not None and kept.exists() and not self.refresh:
            try:
                return cast(dict[str, Any], json.loads(kept.read_text(encoding="utf-8")))
            except (OSError, ValueError):
                kept.unlink(missing_ok=True)
        content = self._ask(whole)
        try:
            answer = json.loads(content)
        except ValueError as error:
            raise SourceError(f"{_host(whole)} did not answer with JSON ({error}).") from error
        if not isinstance(answer, dict):
            raise SourceError(f"{_host(whole)} answered with a list where an object is due.")
        if kept is not None:
            _keep(kept, content)
        return answer

    def _ask(self, url: str) -> str:
        request = Request(url, headers={**_OURS, **self.headers})
        opener = build_opener(_KeepsHeadersHome())
        for attempt in range(1, self.tries + 1):
            try:
                with opener.open(request, timeout=self.timeout) as response:
                    return cast(HTTPResponse, response).read().decode("utf-8")
            except HTTPError as error:
                with error:
                    if error.code not in _PASSING or attempt == self.tries:
                        raise _refusal(url, error) from error
                    wait = _asked_to_wait(error.headers)
            except (URLError, TimeoutError, HTTPException, ConnectionError) as error:
                if attempt == self.tries:
                    reason = getattr(error, "reason", error)
                    raise SourceError(
                        f"{_host(url)} cannot be reached ({reason}): check the network."
                    ) from error
                wait = None
            except UnicodeDecodeError as error:
                raise SourceError(f"{_host(url)} did not answer with text.") from error
            time.sleep(self.pause * 2 ** (attempt - 1) if wait is None else wait)
        raise AssertionError("the last try returns or raises")

    def _place(self, url: str) -> Path | None:
        if self.cache is None:
            return None
        return self.cache / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"


class _KeepsHeadersHome(HTTPRedirectHandler):
    """Follows a redirect, without the key where it leads to another host."""

    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> Request | None:
        following = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        if following is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            following.headers = dict(_OURS)
        return following


def _refusal(url: str, error: HTTPError) -> SourceError:
    host = _host(url)
    if error.code in (401, 403):
        return SourceError(f"{host} refuses the key (status {error.code}): check it.")
    if error.code == 404:
        return SourceError(f"{host} has no such page ({url.partition('?')[0]}).")
    try:
        said = " ".join(error.read(300).decode("utf-8", errors="replace").split())
    except (OSError, HTTPException):
        said = ""
    return SourceError(f"{host} answered with status {error.code}" + (f": {said}" if said else "."))


def _asked_to_wait(headers: Message) -> float | None:
    """Seconds of a Retry-After header, a minute at most."""
    text = headers.get("Retry-After", "")
    return min(float(text), 60.0) if text.isdecimal() else None


def _host(url: str) -> str:
    return urlsplit(url).netloc or url


def _keep(path: Path, content: str) -> None:
    """Keep an answer, whole or not at all; a cache that cannot be written is none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, delete=False, encoding="utf-8"
        ) as file:
            file.write(content)
        os.replace(file.name, path)
    except OSError:
        return
