"""A suite of gencsp with other settings, as the TOML file of a user."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import ase.io
from ase import Atoms

from gencsp.suites.deck import BenchDeck
from gencsp.suites.outcome import Outcome
from gencsp.suites.run import open_bench
from gencsp.suites.suite import Suite


def small_suite(folder: Path, name: str, **settings: Any) -> str:
    """Write a suite with other settings; returns the path of its file."""
    suite = Suite.open(name)
    lines = [f"{key} = {json.dumps(getattr(suite, key))}" for key in ("title", "task", "source")]
    lines += [f"about = {json.dumps(suite.about)}"]
    if suite.truths is not None:
        lines += [f"truths = {_table(suite.truths.model_dump())}"]
    lines += [f"settings = {_table({**suite.settings, **settings})}"]
    path = folder / f"{name}.toml"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def run_suite(words: dict[str, Any], out: Path, steps: int | None = None) -> Outcome | None:
    """Run a suite in a folder, or only so many steps of it.

    Args:
        words: of its deck.
        out: the folder.
        steps: after which it is left; then nothing is returned.
    """
    with open_bench(BenchDeck.make(**words, out=out)) as opened:
        for _ in islice(opened.irun(), steps):
            pass
        return opened.outcome() if steps is None else None


def stored(out: Path) -> list[Atoms]:
    """What a run has kept."""
    every: list[Atoms] = ase.io.read(out / "run.db", ":")
    for atoms in every:
        atoms.info = atoms.info["data"]["info"] if "data" in atoms.info else atoms.info
    return every


def _table(value: Any) -> str:
    """A value as TOML has it in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(k)} = {_table(v)}' for k, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_table, value))}]"
    return json.dumps(value)
