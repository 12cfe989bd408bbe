"""Headless Chromium for tests of pages, offline; without it they are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: Seconds: two test processes and other programs share the processors.
LONGEST = 60.0
#: Milliseconds between two looks at what is waited for; a look at every frame makes frames.
POLLING = 50
#: Whether an element has been drawn on: the colours of its canvas are of more than one kind.
DRAWN = """(selector) => {
  const canvas = document.querySelector(selector + " canvas");
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d");
  context.drawImage(canvas, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, copy.width, copy.height).data.buffer);
  return new Set(pixels).size;
}"""

# Benchmarks and tests open pages in the same way.
with pytest.MonkeyPatch.context() as _patch:
    _patch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    from headless_chromium import FLAGS, NAMES, READY, program


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for the tests of a module."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = program()
    if found is None:
        pytest.skip(f"no browser: install one of {', '.join(NAMES)}")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


class Opened:
    """A page that was opened from the disk.

    Attributes:
        page: playwright's page.
        said: what scripts of the page said to the console as warnings or errors, and uncaught
            errors.
        requests: addresses that the page asked for, other than itself and what it made itself.
    """

    def __init__(self, browser: Browser, path: Path, *, width: int = 1280) -> None:
        self.page: Page = browser.new_page(
            viewport={"width": width, "height": 900}, offline=True, accept_downloads=True
        )
        self.page.set_default_timeout(1000 * LONGEST)
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self._request(request.url, path))
        self.page.goto(path.absolute().as_uri())
        self.page.wait_for_function(READY, polling=POLLING)

    def _console(self, message: Any) -> None:
        # Chromium's own advice on speed, of the software that stands for a graphics card.
        advice = "willReadFrequently" in message.text or "GPU stall" in message.text
        if message.type in ("error", "warning") and not advice:
            self.said.append(message.text)

    def _request(self, url: str, path: Path) -> None:
        if url != path.absolute().as_uri() and not url.startswith(("data:", "blob:")):
            self.requests.append(url)

    def wait(self, condition: str) -> None:
        """Wait until a condition in JavaScript holds."""
        # A function: the page lets no text be run as a script.
        self.page.wait_for_function(f"() => {condition}", polling=POLLING)

    def evaluate(self, script: str, argument: object = None) -> Any:
        """What JavaScript says."""
        return self.page.evaluate(script, argument)

    def text(self, selector: str) -> str:
        """The text of an element as it is seen."""
        return self.page.inner_text(selector)
