"""The known crystals of a suite: found, read, named."""

from __future__ import annotations

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Self

import numpy as np
from ase import Atoms
from pydantic import Field

from gencsp.composition import Composition
from gencsp.deck import CellAtoms, Count, Deck
from gencsp.errors import StructureFileError, SuiteError
from gencsp.io.formats import CIF
from gencsp.io.pools import InText
from gencsp.io.reading import read_pool
from gencsp.similarity.matching import CrystalMatcher, Reduced, Tolerances, structure_matcher
from gencsp.store.base import portable
from gencsp.suites.suite import Suite, Truths

#: Environment variable: folders in which files of known crystals are looked for.
FOLDERS = "GENCSP_TRUTHS"
#: Seed of the draw of some compositions of a suite; the same ones are drawn every time.
DRAWN_WITH = 0
#: Column of CIF texts in tables of known crystals, as CDVAE and DiffCSP have them.
CIF_COLUMN = "cif"


@dataclass(frozen=True, slots=True, eq=False)
class KnownCrystal:
    """A crystal to be found.

    Attributes:
        key: formula of its cell, and its number among those of this formula in the file: it names
            the same crystal in every run, whatever part of the suite is run.
        atoms: the crystal, without anything else that the file said of it.
    """

    key: str
    atoms: Atoms

    @property
    def composition(self) -> Composition:
        """Its formula unit."""
        return Composition.of(self.atoms).reduced

    @property
    def units(self) -> int:
        """Formula units in its cell."""
        return len(self.atoms) // self.composition.size

    def part(self, seed: int) -> str:
        """Name of the part of a run that looks for it with a seed."""
        return f"{self.key}-seed{seed}"


def find_truths(truths: Truths, given: Path | None) -> Path:
    """The file or folder of known crystals: that which is given, or one of the suite's name.

    Args:
        truths: of the suite.
        given: by the user; ``None`` to look in the folders of ``GENCSP_TRUTHS``, to any depth.

    Raises:
        SuiteError: there is none; says where the crystals can be had.
    """
    if given is not None:
        if given.exists():
            return given
        raise SuiteError(f"there is no file or folder {given}. {_where(truths)}")
    for folder in filter(None, os.environ.get(FOLDERS, "").split(os.pathsep)):
        found = sorted(Path(folder).rglob(truths.file))
        if found:
            return found[0]
    raise SuiteError(
        f"the known crystals of this suite are not here: give their file with --truth, or put "
        f"{truths.file} into a folder that the environment variable {FOLDERS} names. "
        f"{_where(truths)}"
    )


class CrystalSettings(Deck):
    """Which known crystals a suite takes; the meaning of each field stands in its description."""

    compositions: Count | None = Field(None, description="Take so many compositions.")
    most_atoms: CellAtoms | None = Field(None, description="Leave out larger cells.")
    formulas: tuple[str, ...] = Field((), description="Cells to take; all if not given.")

    def part_of(
        self, crystals: Sequence[KnownCrystal], compositions: int | None
    ) -> list[KnownCrystal]:
        """The crystals that the settings ask for, or so many of them.

        Args:
            crystals: all of the suite.
            compositions: how many; ``None`` for the number of the settings.
        """
        return part_of(
            crystals,
            n=compositions or self.compositions,
            most_atoms=self.most_atoms,
            formulas=self.formulas,
            unique=self.copies,
        )

    @property
    def copies(self) -> Tolerances | None:
        """Within which a crystal is a copy of one before it and left out; ``None`` to keep them."""
        return None


@dataclass(frozen=True, slots=True)
class Sample:
    """The known crystals that a run takes.

    Attributes:
        crystals: these.
        digest: short hash of all crystals of the file that they are from, by which a run is known
            again when it takes more of them.
        described: how many, of which file and of what suite.
    """

    crystals: tuple[KnownCrystal, ...]
    digest: str
    described: str

    @classmethod
    def take(
        cls,
        suite: Suite,
        given: Path | None,
        part: Callable[[Sequence[KnownCrystal]], Sequence[KnownCrystal]],
    ) -> Self:
        """Read the known crystals of a suite, and take a part of them.

        Args:
            suite: what is measured.
            given: file or folder; ``None`` for where :func:`find_truths` looks.
            part: chooses from all of them.

        Raises:
            SuiteError: the suite has none, they are not there, or the part is empty.
            StructureFileError: they cannot be read.
        """
        if suite.truths is None:
            raise SuiteError(
                f"the task '{suite.task}' needs known crystals: give the suite's table 'truths'."
            )
        path = find_truths(suite.truths, given)
        every = read_truths(path)
        some = part(every)
        if not some:
            raise SuiteError(f"{path} has none of the crystals that the suite asks for.")
        described = f"{len(some)} of {path.name} (of a suite of {suite.truths.crystals})"
        return cls(tuple(some), digest_of(every), described)


def read_truths(path: Path) -> list[KnownCrystal]:
    """Known crystals of a file of any format that ASE reads, a folder, or a table of CIF texts.

    Args:
        path: such as ``truths.extxyz.gz``, a folder of CIF files, or the ``test.csv`` of CDVAE and
            DiffCSP, whose column ``cif`` is read.

    Raises:
        StructureFileError: it cannot be read; known crystals are all there or none.
    """
    if path.suffix.lower() == ".csv":
        structures = _read_table(path)
    else:
        structures, failures = read_pool([path])
        if failures:
            raise StructureFileError(
                f"{len(failures)} known crystals of {path} cannot be read, the first because "
                f"{failures[0].reason}"
            )
    return named(structures)


def named(structures: Iterable[Atoms]) -> list[KnownCrystal]:
    """Known crystals with keys."""
    seen = Counter[str]()
    found = []
    for atoms in structures:
        formula = atoms.get_chemical_formula()
        seen[formula] += 1
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
        found.append(KnownCrystal(f"{formula}-{seen[formula]}", portable(bare)))
    return found


def part_of(
    crystals: Sequence[KnownCrystal],
    *,
    n: int | None = None,
    most_atoms: int | None = None,
    formulas: Sequence[str] = (),
    unique: Tolerances | None = None,
) -> list[KnownCrystal]:
    """Some of the crystals, in their order.

    Args:
        crystals: all of them.
        n: how many are drawn; ``None`` for all. More of them include all that fewer do.
        most_atoms: cells of more are left out; ``None`` for none.
        formulas: of the cells that are taken, such as ``Na4Cl4``; all where there is none.
        unique: a crystal that matches one before it within these tolerances is left out; ``None``
            to keep them.
    """
    wanted = {Composition.parse(formula) for formula in formulas}
    some = [
        one
        for one in crystals
        if (most_atoms is None or len(one.atoms) <= most_atoms)
        and (not wanted or Composition.in_cell(one.atoms) in wanted)
    ]
    if unique is not None:
        some = _without_copies(some, unique)
    order = np.random.default_rng(DRAWN_WITH).permutation(len(some))
    return [some[k] for k in sorted(order[: len(some) if n is None else n])]


def _without_copies(crystals: Sequence[KnownCrystal], tolerances: Tolerances) -> list[KnownCrystal]:
    matcher = CrystalMatcher(structure_matcher(tolerances))
    kept: dict[str, list[Reduced]] = defaultdict(list)
    found = []
    for one in crystals:
        reduced, formula = matcher.reduced(one.atoms), one.composition.formula
        if not any(matcher.same(other, reduced) for other in kept[formula]):
            kept[formula].append(reduced)
            found.append(one)
    return found


def digest_of(crystals: Sequence[KnownCrystal]) -> str:
    """Short hash of known crystals, 12 hexadecimal digits."""
    hashed = sha256()
    for one in crystals:
        hashed.update(one.key.encode())
        for values in (one.atoms.numbers, one.atoms.positions, one.atoms.cell.array):
            hashed.update(np.round(np.asarray(values, dtype=float), 6).tobytes())
    return hashed.hexdigest()[:12]


def seeds_of(crystals: Sequence[KnownCrystal], seeds: int) -> list[tuple[int, KnownCrystal]]:
    """Every crystal with every seed, seed by seed: what is done at any time is balanced."""
    return list(product(range(seeds), crystals))


def _read_table(path: Path) -> list[Atoms]:
    csv.field_size_limit(2**31 - 1)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row.get(CIF_COLUMN) for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StructureFileError(f"the table {path} cannot be read ({error}).") from error
    if not rows or any(not row for row in rows):
        raise StructureFileError(
            f"the table {path} has no column '{CIF_COLUMN}' with a CIF text in every row."
        )
    return [
        atoms
        for number, row in enumerate(rows, start=1)
        for atoms in InText(f"{path}:{number}", str(row), CIF).load()
    ]


def _where(truths: Truths) -> str:
    return f"Where to get them: {truths.where}."
