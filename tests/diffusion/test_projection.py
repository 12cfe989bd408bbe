import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms, FixCartesian, FixSymmetry
from ase.spacegroup import crystal
from ase.spacegroup.symmetrize import symmetrize_rank1
from scipy import stats
from torch import Tensor

from gencsp.diffusion.noise import randomise
from gencsp.diffusion.projection import (
    Projection,
    build_projection,
    read_constraints,
    require_crystal,
    symmetrised_positions,
)
from gencsp.errors import ConstraintError, RequestError

#: space group, Wyckoff representatives, cell, degrees of freedom counted by hand
CRYSTALS = {
    "P2_1/c": (14, [(0.1, 0.2, 0.3), (0.4, 0.15, 0.8)], [5, 6, 7, 90, 105, 90], 6),
    "P6_3/mmc": (194, [(1 / 3, 2 / 3, 0.25), (0.17, 0.34, 0.1)], [5, 5, 8, 90, 90, 120], 2),
    "R-3m": (166, [(0, 0, 0.2), (0.2, -0.2, 0.1)], [4, 4, 12, 90, 90, 120], 3),
    "Fd-3m": (227, [(0.125, 0.125, 0.125), (0.3, 0.3, 0.3)], [8, 8, 8, 90, 90, 90], 1),
    "P6_5": (170, [(0.1, 0.25, 0.3)], [5, 5, 9, 90, 90, 120], 3),
}


def symmetric_crystal(name: str, *, primitive: bool = False) -> Atoms:
    """A crystal of that space group, turned and moved off the origin, with its FixSymmetry."""
    number, basis, cellpar, _ = CRYSTALS[name]
    symbols = ["Si", "Li"][: len(basis)]
    atoms = crystal(symbols, basis, spacegroup=number, cellpar=cellpar, primitive_cell=primitive)
    atoms.rotate(37, (1, 2, 3), rotate_cell=True)
    atoms.positions += (0.3, 0.7, 0.1)
    atoms.set_constraint(FixSymmetry(atoms))
    return atoms


def matrix(projection: Projection, n: int) -> Tensor:
    """The projector written out, by its action on unit vectors."""
    columns = [projection(unit.reshape(n, 3)).reshape(-1) for unit in torch.eye(3 * n).double()]
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("name", CRYSTALS)
def test_projector_is_orthogonal_and_has_the_degrees_of_freedom_of_the_wyckoff_positions(
    name: str,
) -> None:
    atoms = symmetric_crystal(name, primitive=True)
    projection = build_projection([atoms], [read_constraints(atoms)])
    p = matrix(projection, len(atoms))
    assert torch.allclose(p @ p, p, atol=1e-12)
    assert torch.allclose(p, p.T, atol=1e-12)
    assert float(torch.trace(p)) == pytest.approx(CRYSTALS[name][3], abs=1e-9)
    assert projection.dimension.tolist() == [CRYSTALS[name][3]]


@pytest.mark.parametrize("name", CRYSTALS)
def test_projection_equals_ase_symmetrisation_also_in_a_batch(name: str) -> None:
    atoms = symmetric_crystal(name)
    plain = Atoms("LiO", positions=[[0, 0, 0], [1, 1, 1]], cell=[3, 3, 3], pbc=True)
    batch = [plain, atoms, plain]
    projection = build_projection(batch, [read_constraints(a) for a in batch])
    vectors = np.random.default_rng(0).normal(size=(len(atoms) + 4, 3))
    projected = projection(torch.from_numpy(vectors)).numpy()
    fix = atoms.constraints[0]
    expected = symmetrize_rank1(
        atoms.get_cell(), atoms.cell.reciprocal().T, vectors[2:-2],
        fix.rotations, fix.translations, fix.symm_map,
    )  # fmt: skip
    assert np.allclose(projected[2:-2], expected, atol=1e-12)
    assert np.array_equal(projected[[0, 1, -2, -1]], vectors[[0, 1, -2, -1]])


def test_slightly_broken_positions_are_put_on_the_symmetric_set_exactly() -> None:
    atoms = symmetric_crystal("P2_1/c")
    atoms.positions += np.random.default_rng(1).normal(scale=0.01, size=(len(atoms), 3))
    constraints = read_constraints(atoms)
    assert constraints.symmetry is not None
    assert np.abs(constraints.symmetry.misfit(atoms.positions, atoms.cell.array)).max() > 1e-3
    mended = symmetrised_positions(atoms, constraints)
    assert np.abs(constraints.symmetry.misfit(mended, atoms.cell.array)).max() < 1e-12
    assert np.abs(mended - atoms.positions).max() < 0.05


def test_positions_without_the_symmetry_of_their_constraint_are_refused() -> None:
    atoms = symmetric_crystal("P2_1/c")
    atoms.positions[0] += 0.5
    with pytest.raises(ConstraintError, match="miss the symmetry"):
        symmetrised_positions(atoms, read_constraints(atoms))


def test_only_fix_atoms_and_one_fix_symmetry_are_known() -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.set_constraint(FixCartesian(0, (True, False, False)))
    with pytest.raises(ConstraintError, match="FixCartesian: it knows FixAtoms"):
        read_constraints(atoms)
    atoms.set_constraint()
    atoms.set_constraint([FixSymmetry(atoms), FixSymmetry(atoms)])
    with pytest.raises(ConstraintError, match="one FixSymmetry"):
        read_constraints(atoms)


def test_fixed_atoms_must_be_whole_orbits() -> None:
    atoms = symmetric_crystal("P2_1/c")
    silicon = [i for i, s in enumerate(atoms.symbols) if s == "Si"]
    symmetry = atoms.constraints[0]
    atoms.set_constraint([symmetry, FixAtoms(silicon)])
    assert read_constraints(atoms).fixed.sum() == len(silicon)
    atoms.set_constraint([symmetry, FixAtoms(silicon[:1])])
    with pytest.raises(ConstraintError, match="whole orbits"):
        read_constraints(atoms)


def test_a_symmetry_made_for_other_atoms_is_refused() -> None:
    atoms = symmetric_crystal("P2_1/c")
    other = bulk("Cu", cubic=True)
    other.set_constraint(atoms.constraints)
    with pytest.raises(ConstraintError, match="made for"):
        read_constraints(other)


@pytest.mark.parametrize(
    "atoms",
    [Atoms("H2O"), Atoms(cell=[1, 1, 1], pbc=True), Atoms("H", cell=[4, 4, 4], pbc=(1, 1, 0))],
)
def test_what_is_not_a_crystal_is_refused(atoms: Atoms) -> None:
    with pytest.raises(RequestError, match="not a crystal"):
        require_crystal(atoms)


def test_randomised_positions_are_uniform_and_leave_the_host() -> None:
    cell = [[3, 0, 0], [1, 4, 0], [0, 1, 5]]
    atoms = Atoms("SiLi", positions=[[0.1, 0.2, 0.3], [1, 2, 2]], cell=cell, pbc=True)
    atoms.set_constraint(FixAtoms([0]))
    rng = np.random.default_rng(11)
    drawn = [randomise(atoms, rng=rng) for _ in range(500)]
    assert all(np.array_equal(a.positions[0], atoms.positions[0]) for a in drawn)
    frac = np.array([a.cell.scaled_positions(a.positions[1:])[0] for a in drawn])
    for axis in range(3):
        assert stats.kstest(frac[:, axis], "uniform").pvalue > 1e-3
    assert all(a.constraints for a in drawn)


def test_randomised_positions_are_uniform_on_a_diagonal_mirror() -> None:
    # An average of two uniform numbers would be triangular on (x, x, z).
    atoms = crystal("Si", [(0.21, 0.21, 0.1)], spacegroup=99, cellpar=[5, 5, 6, 90, 90, 90])
    atoms += crystal("Li", [(0.1, 0.33, 0.4)], spacegroup=99, cellpar=[5, 5, 6, 90, 90, 90])
    atoms.set_constraint(FixSymmetry(atoms))
    rng = np.random.default_rng(5)
    drawn = [randomise(atoms, rng=rng) for _ in range(500)]
    frac = np.array([a.cell.scaled_positions(a.positions) for a in drawn])
    for values in (frac[:, 0, 0] % 1, frac[:, 0, 2] % 1, frac[:, 4, 0] % 1, frac[:, 4, 1] % 1):
        assert stats.kstest(values, "uniform").pvalue > 1e-3
    symmetry = read_constraints(atoms).symmetry
    assert symmetry is not None
    worst = max(np.abs(symmetry.misfit(a.positions, a.cell.array)).max() for a in drawn)
    assert worst < 1e-10
