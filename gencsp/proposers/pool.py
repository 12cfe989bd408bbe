"""Structures from files: a pool that another program, or an earlier run, left behind."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.db import connect
from ase.io import iread
from ase.io.formats import UnknownFileTypeError

from gencsp.errors import RequestError, StructureFileError
from gencsp.proposers.base import Request
from gencsp.proposers.checks import has_composition, keeps_apart
from gencsp.proposers.drawing import mark
from gencsp.proposers.options import SEPARATION, ProposerOptions

#: What ASE's readers raise on files that are not what they seem.
_READ_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    StopIteration,
    RuntimeError,
    TypeError,
    NotImplementedError,
    UnknownFileTypeError,
    sqlite3.Error,
)


class PoolProposer:
    """Hands on, in the order of the files, the structures with the composition asked for."""

    name = "pool"

    def __init__(self, files: Sequence[Path], *, separation: float = SEPARATION) -> None:
        self.files = tuple(files)
        self.separation = separation
        self.failures = 0

    @classmethod
    def from_options(cls, options: ProposerOptions) -> PoolProposer:
        return cls(options.files, separation=options.separation)

    def propose(self, request: Request, *, rng: np.random.Generator) -> Iterator[Atoms]:  # noqa: ARG002
        """See :class:`~gencsp.proposers.base.Proposer`; nothing is drawn from ``rng``.

        Structures of another composition are skipped; those with atoms too close are counted.

        Raises:
            RequestError: no files were given.
            StructureFileError: a file is missing, empty or unreadable (while iterating).
        """
        if not self.files:
            raise RequestError("the pool proposer has no files: name at least one.")
        return self._propose(request)

    def _propose(self, request: Request) -> Iterator[Atoms]:
        made = 0
        for atoms in read_structures(self.files):
            if made == request.n:
                return
            if not has_composition(atoms, request.composition, request.units):
                continue
            if not keeps_apart(atoms, separation=self.separation):
                self.failures += 1
                continue
            made += 1
            yield mark(atoms, proposer=self.name, parents=str(atoms.info.get("structure_id", "")))


def read_structures(files: Sequence[Path]) -> Iterator[Atoms]:
    """Every periodic structure in files (CIF, extxyz, POSCAR, ASE database, …) and folders.

    Folders are read file by file in the order of their names. ``info`` is kept, database rows bring
    their key-value pairs as ``info``.

    Raises:
        StructureFileError: a file is missing, holds no structure, is unreadable, or holds a
            structure that is not periodic in three directions.
    """
    for path in _expand(files):
        n = 0
        for atoms in _read(path):
            n += 1
            if not (atoms.pbc.all() and atoms.cell.rank == 3):
                raise StructureFileError(
                    f"structure {n} in {path} is not periodic in three directions: "
                    "give crystals with their cell."
                )
            yield atoms
        if n == 0:
            raise StructureFileError(f"{path} holds no structure: give a file that does.")


def _expand(files: Sequence[Path]) -> Iterator[Path]:
    for path in files:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.is_file() and p.name[0] != ".")
            if not inside:
                raise StructureFileError(f"the folder {path} is empty: give one with structures.")
            yield from inside
        elif path.is_file():
            yield path
        else:
            raise StructureFileError(f"there is no file {path}: check its name.")


def _read(path: Path) -> Iterator[Atoms]:
    try:
        if path.stat().st_size == 0:
            return
        if path.suffix == ".db":
            for row in connect(str(path)).select():
                atoms = row.toatoms()
                atoms.info.update(row.key_value_pairs)
                yield atoms
        elif path.name.endswith((".xyz.gz", ".extxyz.gz")):
            # ASE seeks in the compressed stream for every frame, which takes quadratic time.
            with gzip.open(path, "rt", encoding="utf-8") as stream:
                yield from iread(StringIO(stream.read()), index=":", format="extxyz")
        else:
            yield from iread(path, index=":")
    except _READ_ERRORS as error:
        raise StructureFileError(
            f"{path} cannot be read as structures ({type(error).__name__}: {error}): "
            "give CIF, extxyz, POSCAR or an ASE database."
        ) from error
