"""A genetic search with ase-ga: random first structures, cut-and-splice, strain."""

import gencsp
import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE
from ase_ga.cutandsplicepairing import CutAndSplicePairing
from ase_ga.data import DataConnection, PrepareDB
from ase_ga.ofp_comparator import OFPComparator
from ase_ga.offspring_creator import OperationSelector
from ase_ga.population import Population
from ase_ga.standardmutations import StrainMutation
from ase_ga.startgenerator import StartGenerator
from ase_ga.utilities import CellBounds, closest_distances_generator

FIRST, OFFSPRING = 3, 2
numbers = [29, 29, 29, 79]  # Cu3Au
rng = np.random.RandomState(0)
slab = Atoms(pbc=True)
near = closest_distances_generator([29, 79], 0.5)
bounds = CellBounds(
    {"phi": [30, 150], "chi": [30, 150], "psi": [30, 150], "a": [2, 12], "b": [2, 12], "c": [2, 12]}
)
start = StartGenerator(
    slab,
    [("Cu", 3), ("Au", 1)],
    near,
    box_volume=60.0,
    cellbounds=bounds,
    number_of_variable_cell_vectors=3,
    rng=rng,
)
first = [a[a.numbers.argsort()] for a in gencsp.propose("Cu3Au", n=FIRST, max_atoms=4, seed=1)]

prepared = PrepareDB("gadb.db", simulation_cell=slab, stoichiometry=numbers)
for atoms in first:
    prepared.add_unrelaxed_candidate(atoms)


def relax(atoms):
    atoms.calc = EMT()
    FIRE(FrechetCellFilter(atoms), logfile=None).run(fmax=0.1, steps=50)
    atoms.info["key_value_pairs"]["raw_score"] = -atoms.get_potential_energy()


data = DataConnection("gadb.db")
while data.get_number_of_unrelaxed_candidates() > 0:
    atoms = data.get_an_unrelaxed_candidate()
    relax(atoms)
    data.add_relaxed_step(atoms)
pairing = CutAndSplicePairing(
    slab,
    len(numbers),
    near,
    number_of_variable_cell_vectors=3,
    p1=1,
    p2=0,
    minfrac=0.15,
    cellbounds=bounds,
    rng=rng,
)
strain = StrainMutation(near, cellbounds=bounds, number_of_variable_cell_vectors=3, rng=rng)
operators = OperationSelector([1, 1], [pairing, strain], rng=rng)
compare = OFPComparator(n_top=len(numbers), dE=1.0, cos_dist_max=1e-3, pbc=[True] * 3)
population = Population(data, population_size=FIRST, comparator=compare, rng=rng)
made = 0
while made < OFFSPRING:
    child, description = operators.get_new_individual(population.get_two_candidates())
    if child is None:
        continue
    made += 1
    data.add_unrelaxed_candidate(child, description)
    relax(child)
    data.add_relaxed_step(child)
    population.update()
best = data.get_all_relaxed_candidates()[0]
print(f"best of {FIRST + OFFSPRING}: {best.get_potential_energy() / len(best):.4f} eV/atom")
