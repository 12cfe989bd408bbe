"""Strict parsers of the forms that other codes read, written from their rules and nothing else.

They share no code with the exporters: what these refuse, the codes would refuse.
"""

from __future__ import annotations

import re

import numpy as np
from ase import Atoms
from ase.geometry import cellpar_to_cell

NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
SHELL = set("[]\"'`$&|;<>(){}\\*?!#~\t")

TITL = re.compile(
    r"TITL (?P<name>[^\s()]+) (?P<pressure>\S+) (?P<volume>\S+) (?P<energy>\S+) (?P<spin>\S+) "
    r"(?P<absspin>\S+) (?P<natoms>\d+) \((?P<group>[^()]+)\) n - (?P<copies>\d+)"
)


def numbers(line: str, count: int) -> list[float]:
    words = line.split()
    assert len(words) == count, line
    assert all(NUMBER.fullmatch(word) for word in words), line
    return [float(word) for word in words]


def strict_poscars(text: str, *, titles: str = r".*") -> list[tuple[str, Atoms]]:
    """VASP 5 POSCARs one after another, as USPEX reads them."""
    lines = text.split("\n")
    assert lines.pop() == "", "the last line must end"
    assert all(line.strip() for line in lines), "a blank line"
    found = []
    while lines:
        title = lines.pop(0)
        assert re.fullmatch(titles, title), title
        assert not SHELL & set(title), title
        (scale,) = numbers(lines.pop(0), 1)
        cell = np.array([numbers(lines.pop(0), 3) for _ in range(3)]) * scale
        assert np.linalg.det(cell) > 0, "a left-handed cell"
        symbols = lines.pop(0).split()
        assert len(set(symbols)) == len(symbols), "a symbol occurs twice"
        assert all(re.fullmatch(r"[A-Z][a-z]?", s) for s in symbols)
        counts = [int(n) for n in lines.pop(0).split()]
        assert len(counts) == len(symbols)
        assert lines.pop(0) == "Direct"
        places = np.array([numbers(lines.pop(0), 3) for _ in range(sum(counts))])
        assert (places >= 0).all(), places
        assert (places < 1).all(), places
        every = [s for s, n in zip(symbols, counts, strict=True) for _ in range(n)]
        found.append((title, Atoms(every, scaled_positions=places, cell=cell, pbc=True)))
    return found


def strict_res(text: str) -> tuple[dict[str, str], Atoms]:
    """A ``.res`` file as cryan reads it: TITL by position, only REM after it, no blank line."""
    lines = text.split("\n")
    assert lines.pop() == ""
    assert all(line.strip() for line in lines), "a blank line"
    title = TITL.fullmatch(lines.pop(0))
    assert title is not None
    while lines[0].startswith("REM"):
        lines.pop(0)
    words = lines.pop(0).split()
    assert words[:2] == ["CELL", "1.54180"]
    cell = cellpar_to_cell(numbers(" ".join(words[2:]), 6))
    assert lines.pop(0) == "LATT -1"
    keyword, *species = lines.pop(0).split()
    assert keyword == "SFAC"
    assert lines.pop() == "END"
    symbols, places = [], []
    for line in lines:
        symbol, index, *rest = line.split()
        assert species[int(index) - 1] == symbol
        assert rest[3] == "1.0"
        assert len(rest) in (4, 5)
        symbols.append(symbol)
        places.append(numbers(" ".join(rest[:3]), 3))
    atoms = Atoms(symbols, scaled_positions=places, cell=cell, pbc=True)
    assert int(title["natoms"]) == len(atoms)
    assert abs(float(title["volume"]) - atoms.cell.volume) < 1e-3
    return title.groupdict(), atoms


def strict_cell(text: str) -> Atoms:
    """A ``.cell`` that buildcell passes through: #FIX in the lattice, #POSAMP=0, no #SPECIES."""
    assert "#SPECIES" not in text
    assert "#POSAMP=0" in text.split("\n")
    lattice = block(text, "LATTICE_CART")
    assert lattice.count("#FIX") == 1
    cell = [numbers(line, 3) for line in lattice if line != "#FIX"]
    symbols, places = [], []
    for line in block(text, "POSITIONS_FRAC"):
        symbol, *rest = line.split()
        symbols.append(symbol)
        places.append(numbers(" ".join(rest), 3))
    return Atoms(symbols, scaled_positions=places, cell=cell, pbc=True)


def block(text: str, name: str) -> list[str]:
    lines = text.split("\n")
    return lines[lines.index(f"%BLOCK {name}") + 1 : lines.index(f"%ENDBLOCK {name}")]


def key_values(text: str, *, comment: str = "#") -> dict[str, str]:
    """``key = value`` lines; all after a comment mark is gone, as XtalOpt and CALYPSO read it."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        key, sign, value = line.split(comment)[0].partition("=")
        if sign:
            assert key.strip() not in found or key.startswith("potcarFile"), key
            found[key.strip()] = value.strip()
    return found


def uspex_blocks(text: str) -> tuple[dict[str, list[list[str]]], dict[str, str]]:
    """The ``% name ... % End`` blocks and the ``value : name`` lines of INPUT.txt."""
    blocks: dict[str, list[list[str]]] = {}
    values: dict[str, str] = {}
    inside = None
    for line in text.split("\n"):
        if line.startswith("%"):
            name = line[1:].strip()
            inside = None if name.lower().startswith("end") or name == "Kresolend" else name
            if inside:
                blocks[inside] = []
        elif inside:
            blocks[inside].append(line.split())
        elif ":" in line:
            value, _, name = line.partition(":")
            values[name.strip()] = value.strip()
    return blocks, values
