"""What generates crystals of its own compositions, in suites of such models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gencsp.errors import SuiteError
from gencsp.plugins import Choice
from gencsp.runs.generators import DE_NOVO
from gencsp.runs.objects import Carried
from gencsp.suites.deck import BenchDeck

#: What stands in names in the place of a model where structures of files are measured.
POOL = "pool"


def generator_of(deck: BenchDeck) -> str | dict[str, Any] | Path:
    """The generator that a deck names, or the file or folder of what another one made.

    Args:
        deck: whose proposer is the joint model where none is given.

    Raises:
        SuiteError: it is neither a generator of compositions nor a file that is there.
    """
    if "proposer" not in deck.given:
        return DE_NOVO[0]
    given = deck.proposer
    allowed = f"give {' or '.join(DE_NOVO)}, or a file or folder of generated structures."
    if isinstance(given, Carried):
        raise SuiteError(f"'{given.label}' chooses no compositions by itself: {allowed}")
    if isinstance(given, str) and Path(given).exists():
        return Path(given)
    choice = Choice.read(given)
    if choice.name in DE_NOVO:
        return given
    text = str(choice)
    if Path(text).suffix or len(Path(text).parts) > 1:
        raise SuiteError(f"there is no file {text}: {allowed}")
    raise SuiteError(f"'{text}' chooses no compositions by itself: {allowed}")
