"""Crystals of a running program, read from its files as they appear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ase import Atoms

from gencsp.errors import StructureFileError
from gencsp.io.pools import InText, PoolMember, sources

#: Frames of these are whole one by one; other files only once they no longer grow.
_FRAMES = (".extxyz", ".xyz")


class Arriving:
    """The structures that a program has written so far, each returned once.

    A file that is still being written is read up to its last complete structure. An unreadable
    piece is reported by its reason, once it is certain that it will not be completed.

    Args:
        patterns: where crystals are, relative to the folder of an attempt; the first pattern that
            matches anything counts, because some programs write the same crystals twice.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = tuple(patterns)
        self._read: dict[Path, int] = {}
        self._sizes: dict[Path, int] = {}

    def any_in(self, out: Path) -> bool:
        """Whether there is a file with something in it."""
        return any(path.stat().st_size > 0 for path in self._files(out))

    def new(self, out: Path, *, final: bool, whole: bool) -> Iterator[Atoms | str]:
        """New since the last call: structures, or the reasons why one cannot be read.

        Args:
            out: folder of an attempt.
            final: nothing more will come there.
            whole: the attempt ended well, so that its files are complete.
        """
        for path in self._files(out):
            size = path.stat().st_size
            growing = size != self._sizes.get(path)
            self._sizes[path] = size
            waits = growing and path.suffix not in _FRAMES
            known = not growing and path in self._read
            if not final and (waits or known):
                continue
            yield from self._pieces(path, final=final, whole=whole)

    def _pieces(self, path: Path, *, final: bool, whole: bool) -> Iterator[Atoms | str]:
        seen = self._read.get(path, 0)
        for number, piece in enumerate(sources([path])):
            if number < seen:
                continue
            try:
                if not whole and _cut_off(piece, path):
                    raise StructureFileError(f"{piece.name} ends in the middle of a line.")
                structures = piece.load()
            except StructureFileError as error:
                if not final:
                    return
                self._read[path] = number + 1
                yield str(error)
                continue
            self._read[path] = number + 1
            yield from structures

    def _files(self, out: Path) -> list[Path]:
        for pattern in self.patterns:
            found = sorted(path for path in out.glob(pattern) if path.is_file())
            if found:
                return found
        return []


def _cut_off(piece: PoolMember, path: Path) -> bool:
    """Whether a piece of text may lack its end: every writer ends the last line."""
    if path.suffix == ".zip":
        return False
    if isinstance(piece, InText):
        return not piece.text.endswith("\n")
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1))
        return file.read(1) != b"\n"
