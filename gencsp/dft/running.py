"""One folder of a code run under custodian."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gencsp.programs import Launch, Limits, Supervised


def run_folder(
    folder: Path,
    command: Sequence[str],
    *,
    seconds: float,
    retries: int,
    is_done: Callable[[], bool],
    variables: Mapping[str, str] | None = None,
) -> str:
    """Run a program in a folder; returns what went wrong, empty where nothing did.

    Raises:
        ProgramError: there is no such program.
    """
    launch = Launch(
        command=lambda _out, _batch: list(command),
        folder=folder.absolute(),
        limits=Limits(seconds=seconds, retries=retries),
        variables=variables or {},
        apart=False,
    )
    with Supervised(launch, is_there=is_done) as program:
        while program.running(1.0):
            pass
        return "" if program.succeeded else "; ".join(launch.faults) or "stopped"
