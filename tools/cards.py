"""Cards: JSON files beside weights and tables that say what they are, of what and how made.

Their form is ``benchmarks/card.schema.json``; the tests hold every card to it, and the files that a
card describes to the sizes and hashes in it.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gencsp
from gencsp.composition import Composition


def described(path: Path) -> dict[str, object]:
    """Size and hash of a file."""
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def today() -> str:
    """The date, as cards write it."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def held_out_list(formulas: Iterable[Composition]) -> dict[str, object]:
    """How many formulas a list of held-out formulas has, and the SHA-256 of the list.

    The hash is that of the formulas with their elements in alphabetical order
    (:attr:`.Composition.formula_key`), one a line and sorted, so that neither the order of the
    lines nor that of the elements changes it. A card that holds it says which list was left out, so
    that a list which has grown since is noticed.
    """
    keys = sorted({formula.formula_key for formula in formulas})
    text = "".join(f"{key}\n" for key in keys)
    return {"formulas": len(keys), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def write_card(
    path: Path,
    *,
    what: str,
    files: Sequence[str],
    data: Mapping[str, Any],
    held_out: Mapping[str, Any],
    licence: Mapping[str, str],
    command: str,
    facts: Mapping[str, Any],
    numbers: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the card of files that lie beside it and have just been made; returns it.

    Args:
        path: of the card, ``NAME.card.json``.
        what: they are, in a sentence.
        files: their names.
        data: what they were made of: ``source``, and how many of what.
        held_out: the list of formulas that were left out (:func:`held_out_list`), how many
            ``crystals`` that were, and ``why``.
        licence: of ``data`` and of ``this``.
        command: that makes them again.
        facts: what else is to be known.
        numbers: measured elsewhere: ``value``, ``record`` and the place ``at`` that it has there.
    """
    card = {
        "name": path.name.removesuffix(".card.json"),
        "what": what,
        "files": {name: described(path.parent / name) for name in files},
        "data": data,
        "held_out": held_out,
        "licence": licence,
        "made": {
            "command": command,
            "date": today(),
            "gencsp": gencsp.__version__,
        },
        "facts": facts,
        "numbers": numbers or {},
    }
    path.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return card
