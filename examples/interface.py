"""A solid-solid interface by inpainting: Li2S(001) | LiBr(001), with and without a layer between.

Two slabs in a common cell, with gaps between them, are the host. The score model puts two formula
units of Li3SBr into the two gaps; CHGNet relaxes all atoms and the height of the cell. The energy
of an interface is the total energy less that of the bulk crystals, strained as in the slabs, by the
area of both interfaces. To compare: the slabs stacked directly, at four lateral shifts.
"""

import gencsp
from ase.filters import FrechetCellFilter
from ase.io import write
from ase.optimize import FIRE
from ase.spacegroup import crystal
from gencsp.calculators.potential import CHGNetCalculator

SAMPLES, SEED = 8, 0
GAP = 3.2  # Å, of each of both interfaces; the relaxation lets it change


def relax(atoms, *, mask, fmax=0.1):
    """Atoms and the strains that the mask allows (Voigt: xx, yy, zz, yz, xz, xy)."""
    atoms.calc = CHGNetCalculator()
    converged = FIRE(FrechetCellFilter(atoms, mask=mask), logfile=None).run(fmax=fmax, steps=400)
    if not converged:
        print(f"{atoms.symbols} did not converge to {fmax} eV/Å")
    return atoms


def cubic(symbols, places, a):
    atoms = crystal(symbols, places, spacegroup=225, cellpar=[a, a, a, 90, 90, 90])
    return relax(atoms, mask=[1] * 6)


sulfide = cubic(["Li", "S"], [(0.25, 0.25, 0.25), (0, 0, 0)], 5.7)
bromide = cubic(["Li", "Br"], [(0.5, 0.5, 0.5), (0, 0, 0)], 5.5)
lateral = (sulfide.cell.lengths()[0] + bromide.cell.lengths()[0]) / 2
strained = {}
for name, atoms in (("Li2S", sulfide), ("LiBr", bromide)):
    atoms.set_cell([lateral, lateral, atoms.cell.lengths()[2]], scale_atoms=True)
    strained[name] = relax(atoms, mask=[0, 0, 1, 0, 0, 0])
per_unit = {name: atoms.get_potential_energy() / 4 for name, atoms in strained.items()}


def slabs(gap, shift):
    """Both slabs in one cell, the second shifted within its plane, with a gap at each interface."""
    lower, upper = (strained[name].copy() for name in ("Li2S", "LiBr"))
    upper.positions[:, :2] += [shift[0] * lateral, shift[1] * lateral]
    upper.wrap()
    thick = [slab.positions[:, 2].max() - slab.positions[:, 2].min() for slab in (lower, upper)]
    lower.positions[:, 2] -= lower.positions[:, 2].min()
    upper.positions[:, 2] += thick[0] + gap - upper.positions[:, 2].min()
    both = lower + upper
    both.set_cell([lateral, lateral, sum(thick) + 2 * gap])
    return both


def interface_energy(atoms, layers):
    """eV/Å², of one of the two interfaces; layers: formula units of Li3SBr between the slabs."""
    bulk = (4 + layers) * (per_unit["Li2S"] + per_unit["LiBr"])
    return (atoms.get_potential_energy() - bulk) / (2 * lateral**2)


stacked = []
for shift in ((0, 0), (0.5, 0), (0.25, 0.25), (0.5, 0.5)):
    atoms = relax(slabs(2.4, shift), mask=[0, 0, 1, 0, 0, 0])
    stacked.append((interface_energy(atoms, 0), atoms))
    print(f"stacked, shift {shift}: {1000 * stacked[-1][0]:.1f} meV/Å²")

host = slabs(GAP, (0, 0))
filled = []
for atoms in gencsp.propose(
    "Li3SBr", formula_units=6, host=host, proposer="score", n=SAMPLES, seed=SEED
):
    relax(atoms, mask=[0, 0, 1, 0, 0, 0])
    filled.append((interface_energy(atoms, 2), atoms))
    print(f"inpainted: {1000 * filled[-1][0]:.1f} meV/Å²")

found = sorted(stacked + filled, key=lambda pair: pair[0])
for above, atoms in found:
    atoms.info["interface_energy"] = above  # eV/Å²
write("interfaces.extxyz", [atoms for _, atoms in found])
print(
    f"lowest, stacked: {1000 * min(stacked, key=lambda pair: pair[0])[0]:.1f} meV/Å²; "
    f"inpainted: {1000 * min(filled, key=lambda pair: pair[0])[0]:.1f} meV/Å²"
)
