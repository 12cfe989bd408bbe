"""POSCAR (VASP 5) text, one structure or a stream of them, titles kept.

Written and read here, since the codes need what libraries do not offer: pymatgen's ``Poscar`` puts
an element behind each coordinate and begins them with ``direct``, ASE's writer takes no title; both
read a single structure, and not a stream without blank lines between them, as USPEX writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from gencsp.errors import ExportError, StructureFileError
from gencsp.exporters.cells import wrap


def write_poscar(atoms: Atoms, title: str) -> str:
    """A POSCAR in direct coordinates: each symbol once, numbers only on coordinate lines.

    Args:
        atoms: grouped by species.
        title: first line.

    Raises:
        ExportError: the atoms are not grouped, or the title has a line break.
    """
    symbols = atoms.get_chemical_symbols()
    species = list(dict.fromkeys(symbols))
    if symbols != [s for s in species for _ in range(symbols.count(s))] or "\n" in title:
        raise ExportError("a POSCAR needs atoms grouped by species and a title of one line.")
    counts = [symbols.count(s) for s in species]
    lines = [title, "1.0"]
    lines += [_numbers(row) for row in atoms.cell.array]
    lines += ["  ".join(species), "  ".join(map(str, counts)), "Direct"]
    lines += [_numbers(row) for row in wrap(atoms.get_scaled_positions())]
    return "\n".join(lines) + "\n"


def read_poscars(
    text: str, species: Sequence[str] | None = None, *, where: str
) -> Iterator[tuple[str, Atoms]]:
    """Read POSCARs that follow one another, with or without blank lines between them.

    Args:
        text: of the whole stream.
        species: for POSCARs without a line of symbols (VASP 4).
        where: the file, for messages.

    Yields:
        The title and the structure.

    Raises:
        StructureFileError: the text is not a stream of POSCARs.
    """
    lines = text.splitlines()
    at = 0
    while True:
        while at < len(lines) and not lines[at].strip():
            at += 1
        if at >= len(lines):
            return
        try:
            atoms, after = _read_one(lines, at, species)
        except (ValueError, IndexError, KeyError) as error:
            raise StructureFileError(
                f"{where} cannot be read as POSCARs (line {at + 1} and following)."
            ) from error
        yield lines[at].strip(), atoms
        at = after


def _read_one(lines: Sequence[str], at: int, species: Sequence[str] | None) -> tuple[Atoms, int]:
    scale = float(lines[at + 1].split()[0])
    cell = np.array([[float(x) for x in lines[at + i].split()[:3]] for i in (2, 3, 4)])
    if scale <= 0:  # VASP's way of giving the volume
        scale = float((-scale / abs(np.linalg.det(cell))) ** (1 / 3))
    at += 5
    words = lines[at].split()
    if words[0] in atomic_numbers:
        species = words
        at += 1
    if species is None:
        raise StructureFileError("no species")
    counts = [int(n) for n in lines[at].split()]
    symbols = [s for s, n in zip(species, counts, strict=True) for _ in range(n)]
    at += 1
    if lines[at].strip()[:1] in ("S", "s"):
        at += 1
    direct = lines[at].strip()[:1] not in ("C", "c", "K", "k")
    rows = [lines[at + 1 + i].split()[:3] for i in range(len(symbols))]
    places = np.array([[float(x) for x in row] for row in rows]).reshape(-1, 3)
    atoms = Atoms(symbols, cell=cell * scale, pbc=True)
    if direct:
        atoms.set_scaled_positions(places)
    else:
        atoms.positions = places * scale
    return atoms, at + 1 + len(symbols)


def _numbers(row: np.ndarray) -> str:
    # Twelve decimals: more than any relaxation resolves, and no exponents.
    return " ".join(f"{x:20.12f}" for x in row)
