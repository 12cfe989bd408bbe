"""Crystals that may become references of the hull, from every source in one form.

Each source says its licence and whether its relaxed crystals may be passed on, or only what was
computed of them (formula, energy, space group, the entry's name).
"""

from __future__ import annotations

import gzip
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import amcsd
import numpy as np
import oqmd_icsd
import spglib
from ase import Atoms
from ase.io.extxyz import read_xyz
from standard_elements import standard_elements

from gencsp.composition import ELEMENTS
from gencsp.symmetry.answers import answer

CC_BY = "CC-BY-4.0"
OQMD_ICSD = "OQMD-ICSD"
MATERIALS_PROJECT = "Materials Project"
OQMD = "OQMD"
AMCSD = "AMCSD"
STANDARD = "standard elements"
#: Crystals that gencsp found itself, by short searches of formulas that no source has.
FOUND = "found by gencsp"
LICENCES = {
    STANDARD: CC_BY,
    OQMD_ICSD: CC_BY,
    MATERIALS_PROJECT: CC_BY,
    OQMD: CC_BY,
    AMCSD: amcsd.LICENCE,
    FOUND: CC_BY,
}
#: Sources whose relaxed crystals may be passed on.
SHIPPED = frozenset({STANDARD, OQMD_ICSD, FOUND})
#: Atoms of the elements' crystals, which are all taken: few but large (S, P, B, Mn).
MAX_ELEMENT_ATOMS = 60
#: Å: a cell is made primitive where spglib finds a smaller one at this tolerance.
PRIMITIVE = 0.01


@dataclass(frozen=True, slots=True)
class Candidate:
    """A crystal to relax.

    Attributes:
        source: a key of ``LICENCES``, other than ``FOUND``.
        source_id: the name of the entry in its source, unique over all sources.
        atoms: in a primitive cell.
        stability: how far above its own source's hull, eV/atom; ``None`` where it has none.
    """

    source: str
    source_id: str
    atoms: Atoms
    stability: float | None


def from_standard_elements() -> Iterator[Candidate]:
    """Crystals of the elements that databases may lack."""
    for source_id, atoms in standard_elements():
        yield Candidate(STANDARD, source_id, primitive(atoms), None)


def from_oqmd_icsd(path: Path | None, within: float) -> Iterator[Candidate]:
    """OQMD's crystals of ICSD origin at most ``within`` eV/atom above OQMD's own hull.

    Of the elements all that are not too large, since there is no hull without them.
    """
    seen: set[str] = set()
    for crystal in oqmd_icsd.crystals(path):
        element = len(crystal.formula.elements) == 1 and len(crystal.numbers) <= MAX_ELEMENT_ATOMS
        if (element or crystal.stability <= within) and crystal.source_id not in seen:
            seen.add(crystal.source_id)
            atoms = Atoms(
                crystal.numbers, scaled_positions=crystal.fractional, cell=crystal.cell, pbc=True
            )
            yield Candidate(OQMD_ICSD, crystal.source_id, primitive(atoms), crystal.stability)


def from_extxyz(path: Path) -> Iterator[Candidate]:
    """Crystals of a file whose ``info`` holds ``source``, ``material_id`` and, where that is known,
    ``oqmd_stability`` or ``energy_above_hull`` (eV/atom)."""
    # Unpacked first: ASE looks up every frame anew, and a gzipped file is then read from its start.
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    for atoms in read_xyz(io.StringIO(text), slice(None)):
        info = atoms.info
        if set(atoms.get_chemical_symbols()) <= set(ELEMENTS):
            stability = info.get("oqmd_stability", info.get("energy_above_hull"))
            yield Candidate(
                str(info["source"]),
                str(info["material_id"]),
                primitive(Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)),
                None if stability is None or not np.isfinite(stability) else float(stability),
            )


def from_amcsd(path: Path | None, left_out: Counter[str]) -> Iterator[Candidate]:
    """Fully occupied minerals; ``left_out`` counts the others by reason."""
    for mineral in amcsd.minerals(path, left_out):
        yield Candidate(AMCSD, mineral.amcsd_id, primitive(mineral.atoms), None)


def primitive(atoms: Atoms) -> Atoms:
    """The crystal in a primitive cell, as it is where it already is in one."""
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    # No answer where atoms lie on top of each other, which the relaxation refuses later.
    found = answer(
        spglib.standardize_cell, cell, to_primitive=True, no_idealize=True, symprec=PRIMITIVE
    )
    if found is None or len(found[2]) >= len(atoms) or len(atoms) % len(found[2]):
        return atoms
    smaller = Atoms(found[2], scaled_positions=found[1], cell=found[0], pbc=True)
    factor = len(atoms) // len(smaller)
    same = Counter(atoms.numbers.tolist()) == Counter(smaller.numbers.tolist() * factor)
    return smaller if same else atoms
