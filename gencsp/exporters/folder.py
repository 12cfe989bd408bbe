"""New folders, made whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gencsp.errors import StoreError
from gencsp.exporters.origin import MAP, read_map


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill, beside ``target``, that takes its place once it is filled.

    Raises:
        StoreError: ``target`` holds something, cannot be written, or there is no space left.
    """
    _require_empty(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            yield aside
            # mkdtemp makes folders that only their owner can enter.
            aside.chmod(0o777 & ~_umask())
            os.replace(aside, target)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(f"no space left for {target}: make room and try again.") from error
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise StoreError(f"{target} is not empty: choose another folder.") from error
        raise StoreError(
            f"{target} cannot be written ({error.strerror or error}): choose another folder."
        ) from error


def _require_empty(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise StoreError(f"{target} is a file: choose another folder.")
    if (target / MAP).exists():
        raise StoreError(
            f"{target} holds another export (for {read_map(target).code}): choose another folder."
        )
    if any(target.iterdir()):
        raise StoreError(f"{target} is not empty: choose another folder.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
