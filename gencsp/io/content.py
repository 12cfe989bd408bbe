"""Content of files within limits, and one sentence for whatever a parser makes of it."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO, cast

from gencsp.errors import StructureFileError

#: Most atoms of one structure; beyond, no call of gencsp ends within days.
MAX_ATOMS = 100_000
#: Most bytes of a file, or of what a packed one expands to, that is parsed in one go. Parsers take
#: ten to twenty times as much memory.
MAX_BYTES = 100_000_000
#: Most characters of a line.
MAX_LINE = 1_000_000

_PACKED = (".gz", ".bz2", ".xz")
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@contextmanager
def parsing(where: str) -> Iterator[None]:
    """Say of whatever goes wrong inside that ``where`` cannot be read, and why.

    Parsers of other packages raise nearly anything at a file that is not what it seems
    (``zlib.error``, ``struct.error``, ``ImportError``, ``RecursionError``, errors of their own that
    share no base), so that no list of classes is complete: here, and only around them, every
    exception is one about the file. Their warnings are about the file too, and are not shown.

    Raises:
        StructureFileError: anything but a ``StructureFileError`` was raised.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except StructureFileError:
        raise
    except Exception as error:
        raise StructureFileError(f"{where} cannot be read ({reason_of(error)}).") from error


def reason_of(error: BaseException) -> str:
    """The first line of what an error says, or its class where it says nothing."""
    first = str(error).strip().split("\n")[0].rstrip(".")
    return first[:300] or type(error).__name__


def read_bytes(path: Path) -> bytes:
    """The content of a file, expanded where its name ends in ``.gz``, ``.bz2`` or ``.xz``.

    Raises:
        StructureFileError: it is missing, unreadable or larger than ``MAX_BYTES``.
    """
    with parsing(str(path)), open_binary(path) as file:
        return limited(file, str(path))


def open_binary(path: Path) -> IO[bytes]:
    """A file opened for reading, expanded where its name says that it is packed."""
    match path.suffix.lower():
        case ".gz":
            return cast("IO[bytes]", gzip.open(path, "rb"))
        case ".bz2":
            return bz2.open(path, "rb")
        case ".xz":
            return lzma.open(path, "rb")
        case _:
            return path.open("rb")


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> bytes:
    """The content of a member of an archive.

    Raises:
        StructureFileError: it is unreadable or larger than ``MAX_BYTES``.
    """
    with parsing(where), archive.open(member) as file:
        return limited(file, where)


def limited(file: IO[bytes], where: str) -> bytes:
    """All of a file, unless it is larger than ``MAX_BYTES``.

    Raises:
        StructureFileError: it is.
    """
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise StructureFileError(
            f"{where} is larger than {MAX_BYTES // 1_000_000} MB: divide it into several files."
        )
    return content


def decode(content: bytes) -> str:
    """Text of any common encoding, its lines ended by line feeds.

    UTF-8 with or without a byte-order mark, UTF-16 with one, else Latin-1, in which old programs
    write Å and accents.
    """
    encoding = next((e for mark, e in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def text_lines(file: IO[bytes], where: str) -> Iterator[str]:
    """The lines of a file that may be too large for the memory, decoded as :func:`decode` does.

    Raises:
        StructureFileError: a line is longer than ``MAX_LINE``.
    """
    first = _line(file, where)
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        with parsing(where):
            rest = limited(file, where)
        yield from io.StringIO(decode(first + rest))
        return
    line = first
    while line:
        # A file of carriage returns alone is one line here.
        yield from io.StringIO(decode(line))
        line = _line(file, where)


def _line(file: IO[bytes], where: str) -> bytes:
    with parsing(where):
        line = file.readline(MAX_LINE + 1)
    if len(line) > MAX_LINE:
        raise StructureFileError(f"{where} has a line of more than {MAX_LINE} characters.")
    return line


def plain_name(name: str) -> str:
    """The name of a file in lower case, without folders and without ``.gz`` and the like."""
    last = PurePath(name).name.lower()
    for suffix in _PACKED:
        last = last.removesuffix(suffix)
    return last


def check_size(n_atoms: int, where: str) -> None:
    """Raise ``StructureFileError`` for more than ``MAX_ATOMS`` atoms."""
    if n_atoms > MAX_ATOMS:
        raise StructureFileError(
            f"{where} has {n_atoms} atoms: gencsp reads structures of at most {MAX_ATOMS}."
        )
