"""Tables and weights that ship with gencsp, compared with their cards before they are used.

Each card (``NAME.card.json``) says the SHA-256 of the files that it describes. A table that was
changed would change results without a word, so what is not as its card says is refused.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from gencsp.errors import WeightsError

CARD = ".card.json"
_REMEDY = "reinstall gencsp"


def shipped_bytes(name: str) -> bytes:
    """The content of a table in ``gencsp/data``.

    Raises:
        WeightsError: it is missing, or not as its card says.
    """
    try:
        content = resources.files("gencsp").joinpath("data", name).read_bytes()
    except OSError as error:
        raise WeightsError(f"the table {name} is missing ({error}): {_REMEDY}.") from error
    digests = _digests()
    if name not in digests:
        raise WeightsError(f"no card describes the table {name}: {_REMEDY}.")
    _compare(name, content, digests[name], _REMEDY)
    return content


def shipped_text(name: str) -> str:
    """The same as text."""
    return shipped_bytes(name).decode("utf-8")


def open_shipped(name: str) -> IO[bytes]:
    """The same as a file to read from."""
    return BytesIO(shipped_bytes(name))


def check_card(path: Path) -> None:
    """Compare a file with the card beside it, where there is one that describes it.

    Args:
        path: such as ``own.safetensors``; its card is ``own.card.json``.

    Raises:
        WeightsError: it is not as the card says, or the card cannot be read.
    """
    card = path.with_suffix(CARD)
    if not card.is_file():
        return
    try:
        said = _read_card(card).get(path.name)
        if said is not None:
            _compare(str(path), path.read_bytes(), said, "fetch it again, or remove its card")
    except OSError as error:
        raise WeightsError(f"{path} cannot be compared with its card ({error}).") from error


@cache
def _digests() -> MappingProxyType[str, str]:
    """SHA-256 of every table by its name, from all cards in ``gencsp/data``."""
    found: dict[str, str] = {}
    for file in resources.files("gencsp").joinpath("data").iterdir():
        if file.name.endswith(CARD):
            found |= _read_card(file)
    return MappingProxyType(found)


def _read_card(card: Traversable) -> dict[str, str]:
    try:
        described: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))["files"]
        return {name: str(about["sha256"]) for name, about in described.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(
            f"the card {card.name} does not say the digests of its files ({error!r}): make it "
            f"again, or remove it."
        ) from error


def _compare(name: str, content: bytes, said: str, remedy: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != said:
        raise WeightsError(
            f"{name} was changed: its SHA-256 is {found[:12]}…, and its card says {said[:12]}…: "
            f"{remedy}."
        )
