"""``gencsp watch``: the page of a run in a browser, while the run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gencsp.cli.console import say


def watch(
    folder: Annotated[Path, typer.Argument(help="Folder of the run.", metavar="DIR")],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port on this machine; 0: a free one.")
    ] = 0,
    hull: Annotated[
        Path | None,
        typer.Option("--hull", help="Hull references, where they are not those that gencsp has."),
    ] = None,
) -> None:
    """Serve the page of a run on this machine while it goes on; Ctrl-C ends it, and not the run."""
    from gencsp.report.watch import WatchedRun, WatchServer

    run = WatchedRun(folder, hull=hull)
    run.latest()  # what is wrong with the folder is said at once
    with WatchServer(run, port=port) as server:
        say(f"watching {folder} at {server.url} (Ctrl-C ends it, and not the run)")
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            say("stopped watching.")
