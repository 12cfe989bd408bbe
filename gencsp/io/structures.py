"""Pools of structures: reading them with clear errors, writing extxyz and symmetrised CIF."""

from __future__ import annotations

import gzip
import io
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import ase.db
import ase.io
import numpy as np
from ase import Atoms
from ase.io.extxyz import key_val_dict_to_str, key_val_str_to_dict
from ase.io.formats import UnknownFileTypeError, filetype

from gencsp.descriptors.flaws import Flaw, find_flaws
from gencsp.errors import StructureFileError, WrongTypeError
from gencsp.files import one_line, write_whole
from gencsp.records import (
    DECOMPOSITION_ENERGY,
    ENERGY_MODEL,
    ENERGY_PER_ATOM,
    PARENTS,
    STAGE,
    STRUCTURE_ID,
)
from gencsp.similarity.matching import as_structure
from gencsp.store.base import writable
from gencsp.store.digests import check_database
from gencsp.store.disk import DATABASE, read_row
from gencsp.symmetry.tolerances import ANGLE_TOLERANCE, SYMPREC

if TYPE_CHECKING:
    from pymatgen.io.cif import CifWriter

#: What ASE's readers raise at a file that is not what it seems.
READING_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    StopIteration,
    SyntaxError,
    TypeError,
    UnknownFileTypeError,
    ValueError,
    sqlite3.Error,
)


def read_structures(paths: Iterable[Path | str]) -> list[Atoms]:
    """Read crystals from files of any format that ASE knows, and from folders.

    Files may be gzipped (``.gz``). Of a folder that holds a run its ``run.db`` is read, of another
    one every file, by name. Structures keep their ``info``.

    Raises:
        StructureFileError: a file is missing, empty or unreadable, or holds a structure that is
            not a fully periodic, ordered crystal.
    """
    structures: list[Atoms] = []
    for path in paths:
        structures.extend(_read_one(Path(path)))
    return structures


def name_of(atoms: Atoms, index: int) -> str:
    """The id of a structure, or its place in its pool where it has none."""
    return str(atoms.info.get(STRUCTURE_ID, index))


def write_extxyz(path: Path | str, structures: Sequence[Atoms]) -> Path:
    """Write one extxyz file, whole or not at all; returns its path.

    What the format cannot hold is left out rather than written wrongly: entries of ``info`` that
    are empty, ``None`` or ragged lists, line breaks in text, arrays of more than two dimensions,
    and constraints other than ``FixAtoms`` and ``FixCartesian``.

    Raises:
        StoreError: it cannot be written, or there is no space left.
    """
    kept = [_for_extxyz(atoms) for atoms in structures]
    return write_whole(Path(path), lambda file: ase.io.write(file, kept, format="extxyz"))


def append_extxyz(file: TextIO, atoms: Atoms) -> None:
    """Write one structure to an open extxyz file, in the form of :func:`write_extxyz`."""
    ase.io.write(file, _for_extxyz(atoms), format="extxyz")


def write_cif(
    path: Path | str,
    atoms: Atoms,
    *,
    symprec: float = SYMPREC,
    angle_tolerance: float = ANGLE_TOLERANCE,
) -> Path:
    """Write one crystal as CIF, symmetrised; returns the path.

    The cell is the conventional standard cell, with positions and lattice refined to the space
    group that spglib finds at the tolerances (CHGGen's: 0.1 Å and 10 degrees). Where spglib finds
    none, the cell is written as it is, in P1.

    Args:
        path: where to.
        atoms: a crystal.
        symprec: Å.
        angle_tolerance: degrees.

    Raises:
        StoreError: it cannot be written, or there is no space left.
    """
    written = _symmetrised(atoms, symprec, angle_tolerance)
    identity = "".join(
        f"# {key} = {one_line(atoms.info[key])}\n" for key in _IN_CIF if key in atoms.info
    )
    return write_whole(Path(path), lambda file: file.write(f"{identity}{written}"))


#: What a CIF says in comments.
_IN_CIF = (STRUCTURE_ID, STAGE, PARENTS, ENERGY_PER_ATOM, ENERGY_MODEL, DECOMPOSITION_ENERGY)
#: What ASE's reader of extxyz takes from ``info`` for the header, and for tensors of nine numbers.
_HEADER = ("Lattice", "Properties", "pbc")
_TENSORS = ("stress", "virial")


def _for_extxyz(atoms: Atoms) -> Atoms:
    copy = writable(atoms)
    copy.info = {
        " ".join(key.splitlines()): " ".join(value.splitlines())
        if isinstance(value, str)
        else value
        for key, value in copy.info.items()
        if _fits_extxyz(key, value)
    }
    for name, values in list(copy.arrays.items()):
        broken = values.dtype.kind == "U" and any(len(v.split()) != 1 for v in values.flat)
        if values.ndim > 2 or values.size == 0 or broken:
            del copy.arrays[name]
    return copy


def _fits_extxyz(key: str, value: object) -> bool:
    """Whether ASE's reader of extxyz gives back what its writer was given."""
    if not key.strip() or key in _HEADER or value is None:
        return False
    if key in _TENSORS:
        return isinstance(value, np.ndarray) and value.shape in ((6,), (3, 3))
    if isinstance(value, str) and not value.strip():
        return False
    # Numbers and plain text are the many; what could confuse the reader is tried out.
    if isinstance(value, int | float) or (isinstance(value, str) and "\\" not in key + value):
        return True
    try:
        return key in key_val_str_to_dict(key_val_dict_to_str({key: value, "pbc": "T T T"}))
    except (ValueError, KeyError):
        return False


def _symmetrised(atoms: Atoms, symprec: float, angle_tolerance: float) -> CifWriter:
    from pymatgen.io.cif import CifWriter
    from pymatgen.symmetry.analyzer import SymmetryUndeterminedError

    structure = as_structure(atoms)
    try:
        return CifWriter(structure, symprec=symprec, angle_tolerance=angle_tolerance)
    except SymmetryUndeterminedError:
        return CifWriter(structure)


def _read_one(path: Path) -> list[Atoms]:
    if path.is_dir() and (path / DATABASE).exists():
        path = path / DATABASE
    if not path.exists():
        raise StructureFileError(f"there is no file {path}.")
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and file.name[0] != ".")
        if not files:
            raise StructureFileError(f"{path} is a folder without files.")
        return read_structures(files)
    if path.stat().st_size == 0:
        raise StructureFileError(f"{path} is empty.")
    try:
        structures = _parse(path)
    except READING_ERRORS as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise StructureFileError(f"{path} cannot be read as structures ({reason}).") from error
    if not structures:
        raise StructureFileError(f"{path} holds no structures.")
    for number, atoms in enumerate(structures, start=1):
        check_crystal(atoms, f"structure {number} of {path}")
    return structures


def _parse(path: Path) -> list[Atoms]:
    if path.suffix == ".db":
        check_database(path)
        return [read_row(row) for row in ase.db.connect(path, type="db").select(sort="id")]
    if path.suffix == ".gz":
        # ASE seeks in the compressed stream, which takes quadratic time.
        text = gzip.decompress(path.read_bytes()).decode()
        kind = filetype(path.with_suffix("").name, read=False)
        return list(ase.io.read(io.StringIO(text), index=":", format=kind))
    return list(ase.io.read(path, index=":"))


def check_crystal(atoms: Atoms, where: str) -> None:
    """Raise ``StructureFileError`` unless ``atoms`` is a fully periodic, ordered crystal."""
    flaws = find_flaws(atoms)
    if Flaw.NO_ATOMS in flaws:
        raise StructureFileError(f"{where} holds no atoms.")
    if Flaw.NOT_FINITE in flaws:
        raise StructureFileError(f"{where} has positions or a cell that are not numbers.")
    if Flaw.NOT_PERIODIC in flaws or Flaw.NO_VOLUME in flaws:
        raise StructureFileError(
            f"{where} is not a crystal: it needs three lattice vectors and periodicity along each."
        )
    if Flaw.PARTLY_OCCUPIED in flaws:
        raise StructureFileError(f"{where} has partly occupied sites: give an ordered crystal.")


def atoms_of(given: Iterable[Atoms] | Atoms, *, what: str = "structures") -> Iterator[Atoms]:
    """One structure or several, as calls are given them: one at a time, and each an ``Atoms``.

    Args:
        given: a structure, or an iterable of them, which is read lazily.
        what: what they are called in messages.

    Raises:
        WrongTypeError: at once where it is neither; where it is reached, for what is no ``Atoms``.
    """
    if isinstance(given, Atoms):
        return iter([given])
    if isinstance(given, str | Path):
        raise WrongTypeError(
            f"{what} is the text {str(given)!r}: give ase.Atoms, or read the file with "
            f"gencsp.io.structures.read_structures."
        )
    if not isinstance(given, Iterable):
        raise WrongTypeError(
            f"{what} is a {type(given).__name__}: give an ase.Atoms or several of them."
        )
    return _each(given, what)


def _each(given: Iterable[Atoms], what: str) -> Iterator[Atoms]:
    for index, atoms in enumerate(given):
        if not isinstance(atoms, Atoms):
            raise WrongTypeError(
                f"number {index} of {what} is a {type(atoms).__name__}: give each as an ase.Atoms."
            )
        yield atoms
