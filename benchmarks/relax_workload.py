"""Starts of relaxations: random crystals and proposals, 6-24 atoms, kept in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

from gencsp.composition import Composition
from gencsp.proposers import Request, get_proposer

#: Salts, oxides, nitrides, sulphides, covalent solids, intermetallics and metals.
FORMULAS = (
    "Li2O", "NaCl", "SiO2", "TiO2", "CaTiO3", "Li3PS4", "ZnS", "Al2O3", "Li5Si2", "GaN", "MgB2",
    "Ni3Al", "FeO", "NaMnO2", "CsPbI3", "BaZrO3", "Cu2S", "LaNi5", "MoS2", "Bi2Te3", "KF",
)  # fmt: skip
MORE_FORMULAS = (
    "MgO", "Li3N", "YBa2Cu3O7", "CoSb3", "Mg2Si", "V2O5", "SrTiO3", "LiFePO4", "Na3PO4", "InP",
    "SnSe", "TiAl", "CuZn", "AgCl", "CaF2", "ZrSiO4", "Li2MnO3", "Al4C3", "WO3", "HfN", "Nb3Sn",
)  # fmt: skip
SMALLEST, LARGEST = 6, 24  # atoms
SEED = 20240611


def workload(kind: str, count: int, *, folder: Path) -> list[Atoms]:
    """``count`` starts of one kind, "random" or "proposals"; read back where they were made."""
    path = folder / f"{kind}_{count}.extxyz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = [_bare(atoms) for atoms in _make(kind, count)]
        ase.io.write(path, made, format="extxyz")
    return list(ase.io.iread(path, format="extxyz"))


def _make(kind: str, count: int) -> Iterator[Atoms]:
    formulas = FORMULAS + MORE_FORMULAS if kind == "random" else FORMULAS
    proposer = "random" if kind == "random" else "mixed"
    shares = np.diff(np.linspace(0, count, len(formulas) + 1).round().astype(int))
    for k, (formula, share) in enumerate(zip(formulas, shares, strict=True)):
        composition = Composition.parse(formula)
        units = tuple(
            u for u in composition.units_within(LARGEST) if u * composition.size >= SMALLEST
        )
        request = Request(composition=composition, n=int(share), units=units)
        rng = np.random.default_rng([SEED, k, int(kind == "random")])
        yield from get_proposer(proposer).propose(request, rng=rng)


def _bare(atoms: Atoms) -> Atoms:
    """Without the provenance, which a file for starts need not hold."""
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
