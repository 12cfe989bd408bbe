"""Equivalent atoms computed once: the same numbers, and forces as symmetric as the crystal."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.spacegroup import crystal

native = pytest.importorskip("gencsp.potentials.chgnet.native", reason="the extension is not built")

from gencsp.minimise.settings import Minimiser, RelaxSettings  # noqa: E402
from gencsp.potentials.chgnet.reference import reference_evaluation  # noqa: E402

ENERGY_TOLERANCE = 1e-4  # eV/atom
FORCE_TOLERANCE = 1e-3  # eV/Å
STRESS_TOLERANCE = 1e-2 * 0.00624150913  # eV/Å^3
MOMENT_TOLERANCE = 1e-4  # μ_B
SINGLE_PRECISION = 1e-5  # of two float32 evaluations in different orders


def rutile() -> Atoms:
    sites = [(0.0, 0.0, 0.0), (0.31, 0.31, 0.0)]
    atoms: Atoms = crystal(("Ti", "O"), sites, spacegroup=136, cellpar=[4.7, 4.7, 3.0, 90, 90, 90])
    return atoms


def quartz() -> Atoms:
    sites = [(0.47, 0.0, 0.0), (0.41, 0.27, 0.12)]
    atoms: Atoms = crystal(("Si", "O"), sites, spacegroup=152, cellpar=[5.0, 5.0, 5.5, 90, 90, 120])
    return atoms


def half_symmetric() -> Atoms:
    """A mirror plane only; some atoms have images by it, some lie on it."""
    atoms: Atoms = crystal(
        ("Mn", "O", "Li", "O"),
        [(0.1, 0.0, 0.2), (0.33, 0.27, 0.61), (0.55, 0.5, 0.9), (0.8, 0.0, 0.45)],
        spacegroup=6,
        cellpar=[5.1, 4.4, 4.7, 90, 97, 90],
    )
    return atoms


def crystals() -> list[Atoms]:
    rattled = rutile()
    rattled.rattle(0.05, seed=3)
    skewed = make_supercell(rutile(), [[1, 1, 0], [0, 1, 2], [0, 0, 1]])
    return [
        bulk("Fe"),
        bulk("NaCl", "rocksalt", a=5.6, cubic=True),
        bulk("GaN", "wurtzite", a=3.2, c=5.2),
        rutile(),
        rutile().repeat((2, 1, 2)),
        skewed,
        quartz(),
        half_symmetric(),
        rattled,
    ]


@pytest.mark.parametrize("isa", native.instruction_sets())
def test_merged_agrees_with_chgnet(isa: str) -> None:
    engine = native.NativeEngine(isa=isa)
    for atoms, found in zip(
        crystals(), engine.evaluate(crystals(), magmoms=True, merge=True), strict=True
    ):
        expected = reference_evaluation(atoms)
        assert abs(found.energy - expected.energy) < ENERGY_TOLERANCE * len(atoms)
        assert abs(found.forces - expected.forces).max() < FORCE_TOLERANCE
        assert abs(found.stress - expected.stress).max() < STRESS_TOLERANCE
        assert abs(found.magmoms - expected.magmoms).max() < MOMENT_TOLERANCE


def test_merged_and_not_are_the_same_to_rounding() -> None:
    engine = native.NativeEngine()
    every = crystals()
    for one, two in zip(
        engine.evaluate_sites(every), engine.evaluate_sites(every, merge=True), strict=True
    ):
        scale = 1.0 + abs(one.evaluation.forces).max()
        assert abs(one.energies - two.energies).max() < SINGLE_PRECISION * 10
        assert abs(one.evaluation.forces - two.evaluation.forces).max() < SINGLE_PRECISION * scale


def test_merged_forces_have_the_symmetry() -> None:
    """Rounding shows where atoms are computed one by one, and nowhere where they are merged."""
    atoms = rutile().repeat((2, 2, 2))
    engine = native.NativeEngine()
    (apart,) = engine.evaluate([atoms])
    (merged,) = engine.evaluate([atoms], merge=True)
    metals = atoms.numbers == 22
    assert abs(merged.forces[metals]).max() < 1e-12 < abs(apart.forces[metals]).max()
    lengths = np.linalg.norm(merged.forces[~metals], axis=1)
    assert np.ptp(lengths) < 1e-12 < np.ptp(np.linalg.norm(apart.forces[~metals], axis=1))


def test_nearly_equivalent_atoms_are_not_merged() -> None:
    """A displacement too small for a tolerance to see changes the forces as it should."""
    engine = native.NativeEngine()
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    atoms.positions[0, 0] += 1e-3
    (apart,) = engine.evaluate([atoms])
    (merged,) = engine.evaluate([atoms], merge=True)
    assert abs(merged.forces[0, 0]) > 1e-4
    assert merged.forces[0, 0] == pytest.approx(apart.forces[0, 0], rel=1e-2)


@pytest.mark.parametrize("minimiser", ["fire", "quasi-newton"])
def test_relaxation_that_keeps_symmetry_ends_where_chgnet_agrees(minimiser: Minimiser) -> None:
    settings = RelaxSettings(minimiser=minimiser, keep_symmetry=True)
    for found in native.NativeEngine().relax([rutile(), quartz(), half_symmetric()], settings):
        expected = reference_evaluation(found.atoms)
        assert abs(found.energy - expected.energy) < ENERGY_TOLERANCE * len(found.atoms)
        assert abs(found.atoms.get_forces() - expected.forces).max() < FORCE_TOLERANCE
