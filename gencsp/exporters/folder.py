"""New folders of seeds, made whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gencsp import files
from gencsp.errors import StoreError
from gencsp.exporters.origin import MAP, read_map


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill, beside ``target``, that takes its place once it is filled.

    Raises:
        StoreError: ``target`` holds something, cannot be written, or there is no space left.
    """
    if (target / MAP).exists():
        raise StoreError(
            f"{target} holds another export (for {read_map(target).code}): choose another folder."
        )
    with files.new_folder(target) as aside:
        yield aside
