"""AIRSS's ``.res`` files, one structure or many packed in one file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.geometry import cellpar_to_cell

from gencsp.descriptors.flaws import FULL
from gencsp.errors import StructureFileError
from gencsp.io.content import check_size, parsing
from gencsp.records import STRUCTURE_ID

_BEGIN = re.compile(r"^\s*TITL\b", re.MULTILINE | re.IGNORECASE)
#: Instructions of SHELX that say nothing of an ordered crystal in P1.
_IGNORED = frozenset(
    re.findall(
        r"\S+",
        """
        ACTA BOND CELL CGLS CONF DISP EQIV EXTI FMAP FVAR HKLF HTAB L.S. LIST MORE OMIT PLAN REM
        SHEL SIZE TEMP UNIT WGHT ZERR
        """,
    )
)


@dataclass(frozen=True, slots=True)
class ResStructure:
    """One structure of a ``.res`` file.

    Attributes:
        name: of its line TITL.
        enthalpy: eV per cell; ``None`` where the line does not give it.
        pressure: GPa; of CASTEP what the stress is at the end, so that it is no exact measure of
            the pressure that the enthalpy is at.
        atoms: with initial moments where the file has spins.
    """

    name: str
    enthalpy: float | None
    pressure: float
    atoms: Atoms

    def to_atoms(self) -> Atoms:
        """The structure with its name as its id; at no pressure the enthalpy is its energy."""
        atoms = self.atoms.copy()
        atoms.info[STRUCTURE_ID] = self.name
        if self.enthalpy is not None:
            atoms.calc = SinglePointCalculator(atoms, energy=self.enthalpy)
        return atoms


def split_res(text: str) -> list[str]:
    """The structures of a packed file: each begins with a line TITL."""
    begins = [found.start() for found in _BEGIN.finditer(text)]
    if len(begins) < 2:
        return [text]
    return [text[begin:end] for begin, end in zip(begins, [*begins[1:], len(text)], strict=True)]


def parse_res(text: str, *, where: str) -> ResStructure:
    """The structure of one ``.res`` file.

    Raises:
        StructureFileError: it is not one, has partly occupied sites, or operations, which AIRSS
            never writes.
    """
    with parsing(where):
        return _parse(text, where)


def _parse(text: str, where: str) -> ResStructure:
    title: list[str] | None = None
    cell, kinds = None, list[str]()
    symbols, places, spins = list[str](), list[list[float]](), list[float]()
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        key = words[0].upper()
        if key == "TITL":
            title = words[1:]
        elif key == "CELL":
            cell = cellpar_to_cell([float(x) for x in words[2:8]])
        elif key == "SFAC":
            kinds += [word.capitalize() for word in words[1:]]
        elif key == "LATT" and int(words[1]) != -1:
            raise StructureFileError(f"{where} has centring or inversion (LATT {words[1]}).")
        elif key == "SYMM":
            raise StructureFileError(f"{where} has symmetry operations: give every atom.")
        elif key == "END":
            break
        elif key not in _IGNORED and key != "LATT":
            symbols.append(_species(words, kinds, where))
            places.append([float(x) for x in words[2:5]])
            _require_full(words, where)
            spins.append(float(words[6]) if len(words) > 6 else 0.0)
            check_size(len(symbols), where)
    if not title or cell is None or not symbols:
        raise StructureFileError(f"{where} is not a .res file of AIRSS.")
    atoms = Atoms(symbols, scaled_positions=places, cell=cell, pbc=True)
    if any(spins):
        atoms.set_initial_magnetic_moments(spins)
    pressure = _of_title(title, 1, "pressure", where)
    enthalpy = _of_title(title, 3, "enthalpy", where)
    return ResStructure(title[0], enthalpy, pressure or 0.0, atoms)


def _of_title(title: list[str], place: int, what: str, where: str) -> float | None:
    """A number of the line TITL; a line of free text, as SHELX has it, gives none."""
    if len(title) < 9:
        return None
    try:
        value = float(title[place])
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise StructureFileError(f"the {what} of {where} is '{title[place][:40]}', no number.")
    return value


def _species(words: list[str], kinds: list[str], where: str) -> str:
    """The element of an atom, by its number in SFAC; its label may be longer, such as Mg1."""
    if len(words) < 5 or not words[1].isdecimal():
        raise StructureFileError(
            f"{where} has the line '{' '.join(words)[:60]}', which is no atom."
        )
    number = int(words[1])
    label = re.match(r"[A-Za-z]+", words[0])
    if 1 <= number <= len(kinds):
        kind = kinds[number - 1]
    elif label is not None and not kinds:
        kind = label[0].capitalize()
    else:
        raise StructureFileError(f"{where} has an atom of kind {number}, which SFAC does not name.")
    if label is None or not label[0].capitalize().startswith(kind):
        raise StructureFileError(
            f"{where} calls the atom '{words[0]}' of the kind {kind}: one of the two is wrong."
        )
    return "H" if kind in ("D", "T") else kind


def _require_full(words: list[str], where: str) -> None:
    """SHELX adds 10 to an occupancy that it does not refine."""
    if len(words) > 5 and float(words[5]) % 10 < FULL:
        raise StructureFileError(
            f"{where} has partly occupied sites ({words[0]}: {words[5]}): give an ordered crystal."
        )
