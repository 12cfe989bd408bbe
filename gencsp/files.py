"""Files written whole or not at all, and errors of the operating system in plain words."""

from __future__ import annotations

import errno
import gzip
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gencsp.errors import StoreError, StructureFileError

#: Bytes to which one file may expand: a hundred times all crystals that ship with gencsp.
MOST_EXPANDED = 2**30


def expanded(path: Path, most: int | None = None) -> bytes:
    """The content of a gzipped file, up to a limit: a few kB may expand to any size.

    Args:
        path: the file.
        most: bytes; ``None`` for :data:`MOST_EXPANDED`.

    Raises:
        StructureFileError: it expands to more.
        OSError, EOFError, zlib.error: it cannot be read, ends too early, or is damaged.
    """
    limit = MOST_EXPANDED if most is None else most
    with gzip.open(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise StructureFileError(
            f"{path} expands to more than {limit / 2**20:g} MB: expand it yourself if you trust it."
        )
    return content


def write_whole(path: Path, write: Callable[[Any], object]) -> Path:
    """Write text beside its place and move it there, so that no half file is ever seen."""
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                write(file)
            # mkstemp makes files that only their owner can read.
            Path(aside).chmod(0o666 & ~_umask())
            os.replace(aside, path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn what the operating system and SQLite say about a folder into :class:`StoreError`."""
    try:
        yield
    except sqlite3.Error as error:
        if "full" in str(error):
            raise _no_space(folder) from error
        if "locked" in str(error):
            raise StoreError(
                f"another program is writing to the database in {folder}: close it, and repeat the "
                f"same command to go on."
            ) from error
        raise StoreError(
            f"the database in {folder} cannot be used ({error}): choose another folder with --out."
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_space(folder) from error
        raise StoreError(
            f"{folder} cannot be written ({error.strerror or error}): choose another folder "
            f"with --out."
        ) from error


def _no_space(folder: Path) -> StoreError:
    return StoreError(
        f"no space left for {folder}: make room and repeat the same command to go on; what was "
        f"finished is kept."
    )
