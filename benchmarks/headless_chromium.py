"""How pages are opened in headless Chromium, by ``report_speed.py`` and by the tests of pages."""

from __future__ import annotations

import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: No network, nothing beside the page, and a graphics driver that every machine has, for what is in
#: three dimensions alone.
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu-compositing",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
#: Holds when a report page is drawn whole.
READY = "() => window.gencspReport && window.gencspReport.ready"


def program() -> str | None:
    """The browser of this machine; ``None`` where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)
