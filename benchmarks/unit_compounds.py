"""Compounds of rigid units in their cells, and their crystals once relaxed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.cell import Cell
from numpy.typing import NDArray

from gencsp.composition import Composition
from gencsp.potentials import get_potential
from gencsp.proposers.base import Request
from gencsp.proposers.units.crystal import UnitCrystal
from gencsp.proposers.units_random import RandomUnitsProposer
from gencsp.runs.relaxing import relax
from gencsp.units.lookup import get_units

Array = NDArray[np.float64]

#: eV/Å.
FMAX = 0.1


@dataclass(frozen=True)
class Compound:
    """What is asked for, and the known phase.

    Attributes:
        formula: of one formula unit.
        units: rigid ones.
        z: formula units in the cell.
        cell: Å and degrees.
        space_group: of the known phase.
        source: of cell and group.
    """

    formula: str
    units: str
    z: int
    cell: tuple[float, float, float, float, float, float]
    space_group: int
    source: str


COMPOUNDS = {
    "NaNH2": Compound(
        "NaNH2", "NH2", 16, (8.95, 10.46, 8.07, 90, 90, 90), 70,
        "supplement on NaNH2: indexed powder pattern, Fddd",
    ),
    "LiBH4": Compound(
        "LiBH4", "BH4", 4, (7.179, 4.437, 6.803, 90, 90, 90), 62,
        "J.-P. Soulié et al., J. Alloys Compd. 346, 200 (2002): Pnma, room temperature",
    ),
    "CO2": Compound(
        "CO2", "CO2", 4, (5.624, 5.624, 5.624, 90, 90, 90), 205,
        "A. Simon, K. Peters, Acta Cryst. B 36, 2750 (1980): Pa-3, 150 K",
    ),
    "urea": Compound(
        "CH4N2O", "urea", 2, (5.565, 5.565, 4.684, 90, 90, 90), 113,
        "S. Swaminathan et al., Acta Cryst. B 40, 300 (1984): P-42_1m, 12 K",
    ),
}  # fmt: skip


class Work:
    """Crystals of a compound, kept in a folder once relaxed; what is there is not computed again.

    Args:
        compound: of all crystals.
        folder: made if it is not there.
        steps: most, of a relaxation.
        workers: threads.
    """

    def __init__(self, compound: Compound, folder: Path, *, steps: int, workers: int) -> None:
        self.compound, self.folder, self.steps, self.workers = compound, folder, steps, workers
        folder.mkdir(parents=True, exist_ok=True)

    def drawn(self, n: int, seed: int, groups: tuple[int, ...] | None = None) -> list[UnitCrystal]:
        """Random crystals in the cell."""
        compound = self.compound
        request = Request(
            composition=Composition.parse(compound.formula),
            n=n,
            units=(compound.z,),
            cell=Cell.fromcellpar(compound.cell),
            space_groups=groups,
        )
        proposer = RandomUnitsProposer(get_units(compound.units))
        found = proposer.crystals(request, rng=np.random.default_rng(seed))
        return [in_order(crystal) for crystal, _ in found]

    def as_made(self, crystals: Sequence[UnitCrystal]) -> Array:
        """Energies of crystals that were not relaxed, eV/atom, shape (n,)."""
        structures = [crystal.atoms() for crystal in crystals]
        found = get_potential("chgnet").evaluate(structures, workers=self.workers)
        return np.array(
            [one.energy / len(atoms) for one, atoms in zip(found, structures, strict=True)]
        )

    def relaxed(self, name: str, crystals: Sequence[UnitCrystal]) -> list[Atoms]:
        """Relaxed in their cell, in the order given, ``energy_per_atom`` (eV) in ``info``.

        A crystal whose relaxation failed has NaN.
        """
        path = self.folder / f"{name}-{self.steps}.extxyz"
        known = {}
        if path.exists():
            known = {a.info["index"]: a for a in ase.io.iread(path, ":", format="extxyz")}
        missing = [k for k in range(len(crystals)) if k not in known]
        starts = (crystals[k].atoms() for k in missing)
        for one in relax(
            starts, fmax=FMAX, steps=self.steps, fixed_cell=True, workers=self.workers
        ):
            k = missing[one.index]
            atoms = crystals[k].atoms()
            energy = one.energy_per_atom if one.energy is not None else np.nan
            if np.isfinite(energy):
                atoms.set_cell(one.atoms.cell)
                atoms.positions = one.atoms.positions
            atoms.info = {"index": k, "energy_per_atom": float(energy)}
            ase.io.write(path, atoms, format="extxyz", append=True)
            known[k] = atoms
        return [known[k] for k in range(len(crystals))]


def in_order(crystal: UnitCrystal) -> UnitCrystal:
    """The crystal with its units in alphabetical order, the same for all."""
    order = sorted(range(len(crystal.units)), key=lambda k: crystal.units[k].name)
    placements = tuple(replace(p, unit=order.index(p.unit)) for p in crystal.placements)
    units = tuple(crystal.units[k] for k in order)
    return UnitCrystal(crystal.space_group, crystal.cell, units, placements)
