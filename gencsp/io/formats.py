"""Formats of structure files: which one a file has, and the structures of a text in it."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.formats import filetype

from gencsp.errors import StructureFileError
from gencsp.io.cif import block_texts, read_block, split_blocks
from gencsp.io.content import check_size, parsing, plain_name
from gencsp.io.poscar import split_poscars
from gencsp.io.res import parse_res, split_res

#: Formats of text that gencsp tells by the name of the file; ASE tells some by their content, and
#: takes a CIF with a line CRYSTALS for XSF.
CIF, RES, POSCAR, EXTXYZ = "cif", "res", "vasp", "extxyz"
#: Shapes of the results of a calculator; "n" is the number of atoms.
_SHAPES: dict[str, tuple[tuple[int | str, ...], ...]] = {
    "energy": ((),),
    "free_energy": ((),),
    "forces": (("n", 3),),
    "stress": ((6,), (3, 3)),
    "magmom": ((), (3,)),
    "magmoms": (("n",), ("n", 3)),
    "charges": (("n",),),
    "dipole": ((3,),),
}
_JSON_ARRAY = re.compile(r'"__ndarray__"\s*:\s*\[\s*\[([^\]]*)\]')
#: Most numbers for each atom of an extxyz file.
MAX_COLUMNS = 10_000
_PROPERTIES = re.compile(r"""\bProperties\s*=\s*["']?([^"'\s]*)""", re.IGNORECASE)
_ENDINGS = {
    ".cif": CIF,
    ".mcif": CIF,
    ".res": RES,
    ".vasp": POSCAR,
    ".poscar": POSCAR,
    ".extxyz": EXTXYZ,
    ".xyz": EXTXYZ,
}


def text_format(name: str) -> str:
    """The format of a file that is text and known by its name; empty for others."""
    plain = plain_name(name)
    for ending, kind in _ENDINGS.items():
        if plain.endswith(ending):
            return kind
    return POSCAR if "poscar" in plain or "contcar" in plain else ""


def split_text(text: str, kind: str, name: str) -> Iterator[tuple[str, str]]:
    """Names and texts of the structures in a text, of a format other than extxyz.

    A text that cannot be divided is handed on whole, so that reading it says what is wrong.
    """
    try:
        with parsing(name):
            parts = _split(text, kind, name)
    except StructureFileError:
        parts = [text]
    if len(parts) == 1:
        yield name, text
        return
    for number, part in enumerate(parts):
        yield f"{name}:{number}", part


def _split(text: str, kind: str, name: str) -> list[str]:
    if kind == RES:
        return split_res(text)
    if kind == POSCAR:
        return split_poscars(text, name)
    if kind == CIF and text.lower().count("data_") > 1:
        return block_texts(text, name)
    return [text]


def parse_text(text: str, kind: str, name: str) -> list[Atoms]:
    """The structures of a text.

    Args:
        text: of a file, or of a piece of it.
        kind: as :func:`text_format` gives it, or a format of ASE; empty for what ASE makes of the
            name.
        name: of the file, for messages.

    Raises:
        StructureFileError: it cannot be read.
    """
    if not text.strip():
        raise StructureFileError(f"{name} is empty.")
    if kind == CIF:
        return [read_block(block) for block in split_blocks(text, name)]
    if kind == RES:
        return [parse_res(part, where=name).to_atoms() for part in split_res(text)]
    if kind == POSCAR:
        split_poscars(text, name)
    if kind == EXTXYZ:
        _check_header(text, name)
    with parsing(name):
        return by_ase(io.StringIO(text), kind or filetype(plain_name(name), read=False), name)


def by_ase(source: object, kind: str | None, name: str) -> list[Atoms]:
    """The structures that ASE reads, their results where results belong."""
    found: Sequence[Atoms] = ase.io.read(source, index=":", format=kind)
    if not found:
        raise StructureFileError(f"{name} holds no structures.")
    for atoms in found:
        check_size(len(atoms), name)
        settle(atoms)
    return list(found)


def settle(atoms: Atoms) -> None:
    """Put what ASE's readers leave in odd places where ASE's writers expect it.

    Names of results are taken out of ``info``; an energy there becomes that of the calculator,
    unless it has one. Results that are none, by their shape or because they are no numbers, are
    left out. Text for each atom becomes an array of text, in place of objects.
    """
    if atoms.calc is not None:
        kept = {k: v for k, v in atoms.calc.results.items() if _is_result(k, v, len(atoms))}
        atoms.calc = SinglePointCalculator(atoms, **kept) if kept else None
    found = {key: atoms.info.pop(key) for key in all_properties if key in atoms.info}
    energy = found.get("energy")
    if isinstance(energy, int | float) and atoms.calc is None:
        atoms.calc = SinglePointCalculator(atoms, energy=float(energy))
    for name, values in atoms.arrays.items():
        if values.dtype.kind == "O" and all(isinstance(value, str) for value in values.flat):
            atoms.arrays[name] = values.astype(str)


def _is_result(name: str, value: object, n_atoms: int) -> bool:
    shapes = _SHAPES.get(name)
    if shapes is None or value is None:
        return False
    array = np.asarray(value)
    sizes = [tuple(n_atoms if n == "n" else n for n in shape) for shape in shapes]
    return array.dtype.kind in "iuf" and array.shape in sizes


def check_arrays(text: str, name: str) -> None:
    """Raise ``StructureFileError`` for arrays that a text in ASE's JSON is too short to hold."""
    for found in _JSON_ARRAY.finditer(text):
        size = math.prod(int(word[:20]) for word in re.findall(r"\d+", found[1]))
        if size > len(text):
            raise StructureFileError(f"{name} has an array of {size} numbers, which are not there.")


def _check_header(text: str, name: str) -> None:
    """Whether a frame's numbers of atoms and of columns are ones that it can have."""
    count, _, rest = text.partition("\n")
    count_of_atoms(count, name)
    found = _PROPERTIES.search(rest.partition("\n")[0])
    widths = [] if found is None else found[1].split(":")[2::3]
    if sum(int(w[:12]) for w in widths if w.isdecimal()) > MAX_COLUMNS:
        raise StructureFileError(f"{name} has more than {MAX_COLUMNS} columns.")


def count_of_atoms(line: str, where: str) -> int:
    """The number of atoms in the first line of a frame.

    Raises:
        StructureFileError: it is none, or too large.
    """
    digits = line.strip()
    if not (digits.isascii() and digits.isdecimal()):
        raise StructureFileError(f"{where} cannot be read: it begins with no number of atoms.")
    if len(digits) > 12:
        raise StructureFileError(f"{where} has a number of atoms of {len(digits)} digits.")
    check_size(int(digits), where)
    return int(digits)
