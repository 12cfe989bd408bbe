"""A suite of gencsp with other settings, as the TOML file of a user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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


def _table(value: Any) -> str:
    """A value as TOML has it in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(k)} = {_table(v)}' for k, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_table, value))}]"
    return json.dumps(value)
