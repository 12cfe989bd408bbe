"""Pools of structures: reading them with clear errors, writing extxyz and symmetrised CIF."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import ase.io
import numpy as np
from ase import Atoms
from ase.io.extxyz import key_val_dict_to_str, key_val_str_to_dict

from gencsp.errors import WrongTypeError
from gencsp.files import one_line, write_whole
from gencsp.io.pools import sources
from gencsp.records import (
    DECOMPOSITION,
    DECOMPOSITION_ENERGY,
    DECOMPOSITION_ENTHALPY,
    ENERGY_MODEL,
    ENERGY_PER_ATOM,
    ENTHALPY_PER_ATOM,
    HAS_REFERENCE,
    NO_REFERENCE,
    PARENTS,
    PRESSURE,
    REFERENCE_PHASE,
    STAGE,
    STRUCTURE_ID,
    lacks_reference,
)
from gencsp.similarity.matching import as_structure
from gencsp.store.base import writable
from gencsp.symmetry.tolerances import ANGLE_TOLERANCE, SYMPREC

if TYPE_CHECKING:
    from pymatgen.io.cif import CifWriter


def read_structures(paths: Iterable[Path | str]) -> list[Atoms]:
    """Read crystals from files of any format that ASE knows, and from folders.

    Files may be gzipped (``.gz``). Of a folder that holds a run its ``run.db`` is read, of another
    one every file, by name, but for hidden ones. Structures keep their ``info``. Use
    :func:`gencsp.io.reading.read_pool` to go on past what cannot be read.

    Raises:
        StructureFileError: a file is missing, empty or unreadable, or holds a structure that is
            not a fully periodic, ordered crystal.
    """
    return [atoms for source in sources(paths) for atoms in source.load()]


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
        f"# {key} = {one_line(_in_cif(key, atoms))}\n" for key in _IN_CIF if key in atoms.info
    )
    return write_whole(Path(path), lambda file: file.write(f"{identity}{written}"))


#: What a CIF says in comments.
_IN_CIF = (
    STRUCTURE_ID,
    STAGE,
    PARENTS,
    ENERGY_PER_ATOM,
    ENERGY_MODEL,
    DECOMPOSITION_ENERGY,
    PRESSURE,
    ENTHALPY_PER_ATOM,
    DECOMPOSITION_ENTHALPY,
    DECOMPOSITION,
    HAS_REFERENCE,
    REFERENCE_PHASE,
)


def _in_cif(key: str, atoms: Atoms) -> object:
    above = key in (DECOMPOSITION_ENERGY, DECOMPOSITION_ENTHALPY)
    lacks = above and lacks_reference(atoms.info)
    return f"{atoms.info[key]} ({NO_REFERENCE})" if lacks else atoms.info[key]


#: What ASE's reader of extxyz takes from ``info`` for the header, and for tensors of nine numbers.
_HEADER = ("Lattice", "Properties", "pbc")
_TENSORS = ("stress", "virial")


def _for_extxyz(atoms: Atoms) -> Atoms:
    copy = writable(atoms)
    # ASE's writer refuses names that are those of its calculator's results: those count.
    results = {} if copy.calc is None else copy.calc.results
    for name in results:
        copy.arrays.pop(name, None)
    copy.info = {
        " ".join(key.splitlines()): " ".join(value.splitlines())
        if isinstance(value, str)
        else value
        for key, value in copy.info.items()
        if key not in results and _fits_extxyz(key, value)
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
