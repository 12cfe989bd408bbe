"""Checkpoints of long computations: JSON lines, of which the first says how they were made."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TextIO

from gencsp.potentials.chgnet.select import get_engine

FMAX = 0.05  # eV/Å
STEPS = 500
MINIMISER = "quasi-newton"


def protocol() -> dict[str, Any]:
    """How references are relaxed: with which weights, and how far."""
    engine = get_engine()
    return {
        "model": engine.model,
        "digest": engine.digest,
        "fmax": FMAX,
        "steps": STEPS,
        "minimiser": MINIMISER,
    }


def open_checkpoint(path: Path, protocol: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines that are there already; a new file gets ``protocol`` as its first line.

    Raises:
        SystemExit: the file was made with another protocol.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:  # killed in the middle of a line: what it holds is done again
        os.truncate(path, len(whole.encode()))
    if not whole:
        path.write_text(json.dumps(protocol) + "\n", encoding="utf-8")
        return []
    first, *rest = whole.splitlines()
    if json.loads(first) != protocol:
        raise SystemExit(f"{path} was made with {first}: choose another folder.")
    return [json.loads(line) for line in rest]


def save_line(file: TextIO, line: dict[str, Any], *, sync: bool) -> None:
    """Append a line of JSON; flushed it survives the process, synced the machine."""
    file.write(json.dumps(line, separators=(",", ":")) + "\n")
    file.flush()
    if sync:
        os.fsync(file.fileno())
