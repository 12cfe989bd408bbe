"""The native engine against chgnet in double precision, finite differences and bad input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, make_supercell
from ase.data import chemical_symbols
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

native = pytest.importorskip("gencsp.potentials.chgnet.native", reason="the extension is not built")

from gencsp.errors import EngineError  # noqa: E402
from gencsp.minimise.result import Outcome  # noqa: E402
from gencsp.potentials.base import ModelName  # noqa: E402
from gencsp.potentials.chgnet.reference import reference_evaluation  # noqa: E402

if TYPE_CHECKING:
    from gencsp.potentials.chgnet.native import NativeEngine

ENERGY_TOLERANCE = 1e-4  # eV/atom
FORCE_TOLERANCE = 1e-3  # eV/Å
STRESS_TOLERANCE = 0.01  # GPa
MOMENT_TOLERANCE = 1e-4  # μ_B
# Of the largest component. Version 0.2.0 has no normalisation and amplifies rounding where crystals
# are unphysical: there chgnet's own single precision is off by several times as much.
RELATIVE = {"0.3.0": 1e-5, "r2scan": 1e-5, "0.2.0": 1e-3}

NOT_IN_CHGNET = {"Po", "At", "Rn", "Fr", "Ra"}
ELEMENTS = [s for s in chemical_symbols[1:95] if s not in NOT_IN_CHGNET]
MODELS: tuple[ModelName, ...] = ("0.3.0", "0.2.0", "r2scan")


def random_crystal(
    rng: np.random.Generator, size: int, volume: float, *, closest: float = 1.0
) -> Atoms:
    """Random atoms, no two closer than ``closest`` Å, in a random cell; volume in Å^3/atom."""
    while True:
        cell = np.eye(3) + rng.uniform(-0.35, 0.35, (3, 3))
        cell *= np.cbrt(size * volume / abs(np.linalg.det(cell)))
        atoms = Atoms(
            rng.choice(ELEMENTS, size), scaled_positions=rng.random((size, 3)), cell=cell, pbc=True
        )
        distances = atoms.get_all_distances(mic=True) + 10 * np.eye(size)
        if distances.min() > closest:
            return atoms


def hard_crystals() -> list[Atoms]:
    """One atom, tiny, huge and skewed cells, short distances, left-handed and unwrapped ones."""
    rng = np.random.default_rng(5)
    skewed = make_supercell(bulk("NaCl", "rocksalt", a=5.7), [[1, 7, 0], [0, 1, -6], [0, 0, 1]])
    skewed.rattle(0.05, seed=1)
    sheet = Atoms("LiF", [[0, 0, 0], [0.7, 0.5, 2.0]], cell=[2.0, 2.1, 26.0], pbc=True)
    left = random_crystal(rng, 5, 14.0)
    left.set_cell(left.cell[[1, 0, 2]])
    outside = random_crystal(rng, 6, 15.0)
    outside.positions += rng.integers(-3, 4, (6, 3)) @ outside.cell.array
    short = random_crystal(rng, 4, 20.0)
    short.positions[1] = short.positions[0] + [0.55, 0.2, 0.1]
    return [
        bulk("Fe"),
        bulk("C", "sc", a=1.4),
        bulk("Cs", "bcc", a=6.2),
        bulk("W", "bcc", a=2.0),
        skewed,
        sheet,
        left,
        outside,
        short,
        random_crystal(rng, 40, 16.0),
    ]


def assert_agrees(
    engine: NativeEngine, structures: list[Atoms], model: ModelName = "0.3.0"
) -> None:
    for atoms, found in zip(structures, engine.evaluate(structures, magmoms=True), strict=True):
        expected = reference_evaluation(atoms, model=model)
        assert found.failure is expected.failure
        if found.failure is not None:
            continue
        share = RELATIVE[model]
        assert found.energy == pytest.approx(
            expected.energy, rel=0.1 * share, abs=ENERGY_TOLERANCE * len(atoms)
        )
        close = FORCE_TOLERANCE + share * np.abs(expected.forces).max()
        np.testing.assert_allclose(found.forces, expected.forces, rtol=0, atol=close)
        close = STRESS_TOLERANCE * units.GPa + share * np.abs(expected.stress).max()
        np.testing.assert_allclose(found.stress, expected.stress, rtol=0, atol=close)
        assert found.magmoms is not None
        assert expected.magmoms is not None
        np.testing.assert_allclose(
            found.magmoms, expected.magmoms, rtol=share, atol=MOMENT_TOLERANCE
        )


@pytest.mark.parametrize("model", MODELS)
def test_agrees_with_chgnet_on_hard_crystals(model: ModelName) -> None:
    assert_agrees(native.NativeEngine(model), hard_crystals(), model)


@pytest.mark.parametrize("model", MODELS)
def test_agrees_with_chgnet_on_random_crystals(model: ModelName) -> None:
    rng = np.random.default_rng(1)
    structures = [
        random_crystal(rng, int(rng.integers(2, 13)), rng.uniform(9, 30)) for _ in range(8)
    ]
    assert_agrees(native.NativeEngine(model), structures, model)


def test_agrees_with_chgnet_for_every_element() -> None:
    oxides = [
        Atoms([symbol, "O"], scaled_positions=[[0, 0, 0], [0.45, 0.52, 0.5]], cell=[4, 4.1, 4.2],
              pbc=True)
        for symbol in ELEMENTS
    ]  # fmt: skip
    assert_agrees(native.NativeEngine(), oxides)


@pytest.mark.parametrize("isa", native.instruction_sets())
def test_every_instruction_set_agrees_with_chgnet(isa: str) -> None:
    rng = np.random.default_rng(2)
    structures = [random_crystal(rng, n, 15.0) for n in (1, 5, 11)]
    for model in MODELS:
        engine = native.NativeEngine(model, isa=isa)
        assert engine.isa == isa
        assert_agrees(engine, structures, model)


def test_environment_chooses_the_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCSP_ISA", "baseline")
    assert native.NativeEngine().isa == "baseline"
    monkeypatch.setenv("GENCSP_ISA", "vliw")
    with pytest.raises(EngineError, match="vliw"):
        native.NativeEngine()


def test_large_crystal_computed_twice_agrees() -> None:
    """Beyond a size, messages are computed again on the way back instead of being kept."""
    small = random_crystal(np.random.default_rng(3), 12, 14.0)
    large = small.repeat((5, 5, 4))  # about 130,000 directed edges: four layers exceed what is kept
    engine = native.NativeEngine()
    one, many = engine.evaluate([small, large], workers=4)
    assert many.energy / len(large) == pytest.approx(one.energy / len(small), abs=1e-5)
    np.testing.assert_allclose(many.forces, np.tile(one.forces, (100, 1)), atol=FORCE_TOLERANCE)
    np.testing.assert_allclose(many.stress, one.stress, atol=1e-5)


@pytest.mark.parametrize("repeat", [(5, 1, 1), (1, 4, 3), (3, 3, 4)], ids=str)
def test_neighbours_of_a_large_crystal_are_found_in_bins(repeat: tuple[int, int, int]) -> None:
    """Two bins or more along some vectors; atoms lie outside the cell and in any order."""
    rng = np.random.default_rng(11)
    small = random_crystal(rng, 8, 16.0)
    small.set_cell(small.cell.array @ (np.eye(3) + rng.normal(0, 0.15, (3, 3))), scale_atoms=True)
    large = small.repeat(repeat)
    order = rng.permutation(len(large))
    large = large[order]
    large.positions += rng.integers(-2, 3, large.positions.shape) @ large.cell.array
    engine = native.NativeEngine()
    one, many = engine.evaluate([small, large])
    assert many.energy / len(large) == pytest.approx(one.energy / len(small), abs=1e-6)
    np.testing.assert_allclose(many.forces, one.forces[order % len(small)], atol=FORCE_TOLERANCE)
    np.testing.assert_allclose(many.stress, one.stress, atol=1e-5)


def test_large_crystal_agrees_with_chgnet() -> None:
    rng = np.random.default_rng(12)
    crystal = random_crystal(rng, 9, 16.0).repeat((3, 2, 3))
    crystal.set_atomic_numbers(rng.permutation(crystal.numbers))
    crystal.rattle(0.1, seed=12)
    assert_agrees(native.NativeEngine(), [crystal])


def energy_of(engine: NativeEngine, atoms: Atoms) -> float:
    return float(engine.evaluate([atoms])[0].energy)


@pytest.mark.parametrize("model", MODELS)
def test_forces_and_stress_are_the_gradient_of_the_energy(model: ModelName) -> None:
    engine = native.NativeEngine(model)
    atoms = random_crystal(np.random.default_rng(4), 7, 20.0, closest=2.0)
    found = engine.evaluate([atoms])[0]
    rng = np.random.default_rng(0)
    step = 2e-3
    direction = rng.normal(size=(7, 3))
    direction /= np.linalg.norm(direction)
    strain = rng.normal(size=(3, 3))
    strain = 0.5 * (strain + strain.T) / np.linalg.norm(strain + strain.T)

    def moved(by: float) -> float:
        shifted = atoms.copy()
        shifted.positions += by * direction
        return energy_of(engine, shifted)

    def strained(by: float) -> float:
        deformed = atoms.copy()
        deformed.set_cell(atoms.cell.array @ (np.eye(3) + by * strain), scale_atoms=True)
        return energy_of(engine, deformed)

    slope = derivative(moved, step)
    assert slope == pytest.approx(-np.vdot(found.forces, direction), rel=2e-3, abs=5e-3)
    xx, yy, zz, yz, xz, xy = found.stress * atoms.cell.volume
    virial = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    assert derivative(strained, step) == pytest.approx(np.vdot(virial, strain), rel=2e-3, abs=2e-2)


def derivative(function, step: float) -> float:  # type: ignore[no-untyped-def]
    """Central difference of fourth order."""
    near = function(step) - function(-step)
    far = function(2 * step) - function(-2 * step)
    return float((8 * near - far) / (12 * step))


def test_result_does_not_depend_on_the_number_of_threads() -> None:
    rng = np.random.default_rng(6)
    structures = [random_crystal(rng, int(rng.integers(1, 12)), 14.0) for _ in range(12)]
    engine = native.NativeEngine()
    for a, b in zip(
        engine.evaluate(structures, workers=1), engine.evaluate(structures, workers=2), strict=True
    ):
        assert a.energy == b.energy
        np.testing.assert_array_equal(a.forces, b.forces)
        np.testing.assert_array_equal(a.stress, b.stress)


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_threads_that_share_a_crystal_change_no_number(seed: int, workers: int) -> None:
    """Bonds, other edges and angles are split in any proportion, some parts being empty."""
    rng = np.random.default_rng(seed)
    volume = rng.uniform(8, 40)
    crystal = random_crystal(rng, int(rng.integers(2, 9)), volume)
    while len(crystal) < 60:
        crystal = crystal.repeat(np.roll([2, 1, 1], rng.integers(3)))
    crystal = crystal[rng.permutation(len(crystal))]
    crystal.rattle(0.1, rng=rng)
    engine = native.NativeEngine()
    for structures in ([crystal], [crystal, bulk("Si")]):
        alone = engine.evaluate(structures, magmoms=True, workers=1)
        shared = engine.evaluate(structures, magmoms=True, workers=len(structures) * workers)
        for a, b in zip(alone, shared, strict=True):
            assert a.energy == b.energy
            np.testing.assert_array_equal(a.forces, b.forces)
            np.testing.assert_array_equal(a.stress, b.stress)
            np.testing.assert_array_equal(a.magmoms, b.magmoms)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_energy_does_not_change_with_the_description(seed: int) -> None:
    """Rotations, shifts, another cell of the same lattice and another order of atoms."""
    rng = np.random.default_rng(seed)
    atoms = random_crystal(rng, 4, 14.0)
    other = atoms[rng.permutation(4)]
    other.rotate(rng.uniform(0, 360), rng.normal(size=3), rotate_cell=True)
    other.positions += rng.normal(size=3)
    sheared = np.array([[1, 0, 0], [2, 1, 0], [-1, 3, 1]])
    other.set_cell(sheared @ other.cell.array)
    engine = native.NativeEngine()
    assert energy_of(engine, other) == pytest.approx(energy_of(engine, atoms), abs=1e-4)


def bad_inputs() -> list[tuple[str, Atoms, Outcome]]:
    fine = bulk("Si")
    nan = fine.copy()
    nan.positions[0, 1] = np.nan
    infinite = fine.copy()
    infinite.cell[0, 0] = np.inf
    flat = fine.copy()
    flat.cell[2] = flat.cell[0] + flat.cell[1]
    crowd = Atoms(f"H{300}", positions=np.random.default_rng(0).random((300, 3)), cell=[1, 1, 1],
                  pbc=True)  # fmt: skip
    needle = Atoms("Li", cell=[1e-3, 30.0, 30.0], pbc=True)
    return [
        ("NaN position", nan, Outcome.BAD_INPUT),
        ("infinite cell", infinite, Outcome.BAD_INPUT),
        ("zero volume", flat, Outcome.BAD_INPUT),
        ("molecule", Atoms("O2", [[0, 0, 0], [0, 0, 1.2]]), Outcome.NOT_PERIODIC),
        ("no cell", Atoms("O2", [[0, 0, 0], [0, 0, 1.2]], pbc=True), Outcome.BAD_INPUT),
        ("unknown element", Atoms([0], cell=[3, 3, 3], pbc=True), Outcome.BAD_INPUT),
        ("element beyond plutonium", Atoms("Am", cell=[3, 3, 3], pbc=True), Outcome.BAD_INPUT),
        ("10,000 neighbours an atom", crowd, Outcome.BAD_INPUT),
        ("thousands of images", needle, Outcome.BAD_INPUT),
        ("no atoms", Atoms(cell=[3, 3, 3], pbc=True), Outcome.BAD_INPUT),
        ("isolated atom", Atoms("Na", cell=[20, 20, 20], pbc=True), Outcome.ISOLATED),
    ]


@pytest.mark.parametrize(("name", "atoms", "verdict"), bad_inputs(), ids=lambda x: str(x)[:24])
def test_bad_input_ends_in_a_verdict(name: str, atoms: Atoms, verdict: Outcome) -> None:
    before, found, after = native.NativeEngine().evaluate([bulk("Si"), atoms, bulk("Si")])
    assert found.failure is verdict, name
    assert np.isnan(found.energy)
    assert np.isnan(found.forces).all()
    assert np.isnan(found.stress).all()
    assert before.energy == after.energy


def test_no_structures_give_no_evaluations() -> None:
    assert native.NativeEngine().evaluate([]) == []


def test_periodicity_is_obeyed() -> None:
    """A slab that is not periodic along z is the same as one far from its images."""
    slab = bulk("Al", cubic=True) * (1, 1, 2)
    slab.center(vacuum=10.0, axis=2)
    open_slab = slab.copy()
    open_slab.pbc = (True, True, False)
    open_slab.cell[2] = [0, 0, 1.0]
    engine = native.NativeEngine()
    alone = engine.evaluate_sites([open_slab])[0].evaluation.energy
    assert alone == pytest.approx(energy_of(engine, slab), abs=1e-5)


def test_site_energies_add_up() -> None:
    atoms = random_crystal(np.random.default_rng(7), 9, 14.0)
    found = native.NativeEngine().evaluate_sites([atoms])[0]
    assert found.energies.sum() == pytest.approx(found.evaluation.energy, abs=1e-9)


def test_wrong_weights_are_refused() -> None:
    from gencsp.potentials.chgnet import _native
    from gencsp.potentials.chgnet.weights import load_weights

    weights = load_weights()
    arrays: dict[str, NDArray[np.float32]] = dict(weights.arrays)
    arrays["bond_embedding.weight"] = arrays["bond_embedding.weight"][:, :9].copy()
    with pytest.raises(ValueError, match="bond_embedding"):
        _native.Model(arrays, atom_cutoff=6.0, bond_cutoff=3.0, envelope_power=8)
