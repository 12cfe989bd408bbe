"""A database on this machine: answers of the forms that the real ones give, and their failures."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Answer:
    """What is sent back."""

    content: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Bytes that are left out at the end, though the header promises them.
    cut: int = 0


@dataclass
class Asked:
    """One question, as it came."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Served:
    """A running server: its address, and what it was asked."""

    url: str
    asked: list[Asked]


@contextmanager
def serve(answer: Callable[[Asked], Answer]) -> Iterator[Served]:
    """Serve on the loopback address until the context ends."""
    served = Served("", [])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            one = Asked(parts.path, query, {k.lower(): v for k, v in self.headers.items()})
            served.asked.append(one)
            made = answer(one)
            raw = made.content if isinstance(made.content, bytes) else _json(made.content)
            self.send_response(made.status)
            for key, value in {"Content-Type": "application/json", **made.headers}.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw[: len(raw) - made.cut])
            if made.cut:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _json(content: object) -> bytes:
    return json.dumps(content).encode()
