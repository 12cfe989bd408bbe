"""Relax crystals, atoms and cells, and write them by energy."""

import gencsp
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.io import write
from ase.optimize import FIRE

crystals = gencsp.propose("Cu3Au", n=2, max_atoms=4, seed=1)

relaxed = []
for atoms in crystals:
    atoms.calc = EMT()
    FIRE(FrechetCellFilter(atoms), logfile=None).run(fmax=0.05, steps=100)
    relaxed.append(atoms)
relaxed.sort(key=lambda atoms: atoms.get_potential_energy() / len(atoms))
for atoms in relaxed:
    print(f"{atoms.symbols} {atoms.get_potential_energy() / len(atoms):.4f} eV/atom")
write("relaxed.extxyz", relaxed)
