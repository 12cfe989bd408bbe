"""POSCAR files: which atoms they hold, told before ASE reads them."""

from __future__ import annotations

import re

from ase.data import atomic_numbers

from gencsp.errors import StructureFileError
from gencsp.io.content import check_size

_SYMBOL = re.compile(r"([A-Z][a-z]?)(?:[_/].*)?")


def split_poscars(text: str, where: str) -> list[str]:
    """The structures of a file, each ending before the head of the next.

    Codes such as USPEX write POSCARs one after another, of which ASE reads the first.

    Raises:
        StructureFileError: the first is not a POSCAR, names no species, or is too large.
    """
    lines = text.splitlines(keepends=True)
    begins = [0]
    end = _end(lines, 0, where)
    while (begin := _next(lines, end)) is not None:
        begins.append(begin)
        end = _end(lines, begin, where)
    # Blank lines at the end, and velocities, belong to the structure before them.
    return ["".join(lines[a:b]) for a, b in zip(begins, [*begins[1:], len(lines)], strict=True)]


def _end(lines: list[str], begin: int, where: str) -> int:
    """The number of the line after the atoms of the structure that begins here."""
    head = lines[begin : begin + 9]
    if len(head) < 8:
        raise StructureFileError(
            f"{where} cannot be read: a POSCAR does not end after {len(head)} lines."
        )
    after = 5
    if not _are_counts(head[after]):
        species = head[after].split()
        after += 1
        if not _are_counts(head[after]):
            raise StructureFileError(f"{where} has no numbers of atoms in its line {after + 1}.")
    else:
        species = head[0].split()
        if len(species) != len(head[after].split()) or not all(map(_is_element, species)):
            raise StructureFileError(
                f"{where} names no species: add a line of symbols above the numbers of atoms "
                f"(its line 6)."
            )
    if not all(map(_is_element, species)):
        raise StructureFileError(f"{where} has '{' '.join(species)[:40]}' in place of elements.")
    counts = [int(word) for word in head[after].split("!")[0].split()]
    if len(counts) != len(species):
        raise StructureFileError(
            f"{where} has {len(species)} species and {len(counts)} numbers of atoms."
        )
    check_size(sum(counts), where)
    after += 1
    if head[after].strip()[:1] in ("S", "s"):
        after += 1
    end = begin + after + 1 + sum(counts)
    if end > len(lines):
        raise StructureFileError(f"{where} ends before the last of its {sum(counts)} atoms.")
    return end


def _next(lines: list[str], end: int) -> int | None:
    """Where another structure begins after one; ``None`` where none does."""
    return next((begin for begin in range(end, len(lines) - 6) if _is_head(lines, begin)), None)


def _is_head(lines: list[str], begin: int) -> bool:
    """Whether lines are a title, a scale, three vectors, and species or numbers of atoms."""
    head = lines[begin : begin + 7]
    scale = len(_numbers(head[1]))
    if scale not in (1, 3) or any(len(_numbers(line)) != 3 for line in head[2:5]):
        return False
    named = all(map(_is_element, head[5].split())) and _are_counts(head[6])
    # Without a line of species; velocities are three numbers in every line.
    return named or (scale == 1 and _are_counts(head[5]))


def _are_counts(line: str) -> bool:
    words = line.split("!")[0].split()
    return bool(words) and all(word.isdecimal() and len(word) < 12 for word in words)


def _is_element(word: str) -> bool:
    found = _SYMBOL.fullmatch(word)
    return found is not None and found[1] in atomic_numbers and found[1] != "X"


def _numbers(line: str) -> list[float]:
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return []
