"""Relax crystals, atoms and cells, and write them by energy."""

from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.io import write
from ase.optimize import FIRE

crystals = [bulk("Cu", cubic=True, a=a) for a in (3.4, 3.8)]

relaxed = []
for atoms in crystals:
    atoms.calc = EMT()
    FIRE(FrechetCellFilter(atoms), logfile=None).run(fmax=0.05, steps=100)
    relaxed.append(atoms)
relaxed.sort(key=lambda atoms: atoms.get_potential_energy() / len(atoms))
for atoms in relaxed:
    print(f"{atoms.symbols} {atoms.get_potential_energy() / len(atoms):.4f} eV/atom")
write("relaxed.extxyz", relaxed)
