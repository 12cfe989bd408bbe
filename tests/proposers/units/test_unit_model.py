"""The model of unit crystals, its file, its filters and its proposer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase.cell import Cell
from ase.geometry import get_distances
from crystals_of_units import BH4, NA, NH2, random_unit_crystal
from numpy.testing import assert_allclose
from safetensors import safe_open
from safetensors.torch import save_file

from gencsp.composition import Composition
from gencsp.descriptors.least_distances import LeastDistances
from gencsp.diffusion.units.periodic import PartlyPeriodic, WrappedSchedule
from gencsp.diffusion.units.schedule import LinearSchedule
from gencsp.diffusion.units.training import UnitTraining
from gencsp.errors import RequestError, TrainingDataError, WeightsError
from gencsp.proposers import get_proposer
from gencsp.proposers.base import Request
from gencsp.proposers.crystals.lattice import PRIMITIVE, centring
from gencsp.proposers.units.arrangement import Arrangement
from gencsp.proposers.units.bootstrap_model import UnitExample, UnitModel
from gencsp.proposers.units.canonical import canonical
from gencsp.proposers.units.checks import Fault, fault_of, keeps_units_apart
from gencsp.proposers.units.crystal import UNIT, UnitCrystal
from gencsp.proposers.units.descriptor import ENCODINGS, N_LATTICE, Descriptor, Encoding
from gencsp.proposers.units.model_settings import ArrangementRule, UnitModelSettings
from gencsp.proposers.units.push_apart import pushed_apart
from gencsp.proposers.units.random_units import UnitRecipe, draw_unit_crystals
from gencsp.proposers.units.separations import least_between
from gencsp.proposers.units.vectors import VectorSpace
from gencsp.proposers.units_model import UnitsProposer

ELEMENTS = ("H", "N", "Na")
LEAST = least_between(ELEMENTS)
CELL = Cell.fromcellpar([6.5, 7.5, 8.5, 90, 90, 90])
QUICK = UnitModelSettings(
    schedule=LinearSchedule(steps=25, beta_last=0.4),
    training=UnitTraining(epochs=40, learning_rate=3e-3, batch_size=16),
    batch_size=40,
    learn_from=1.0,
)


def drawn(
    group: int, seed: int, *, fixed: bool = True, counts: tuple[int, int] | None = None
) -> UnitCrystal:
    """A random crystal of 8 Na and 8 NH2 in the fixed cell, or of 4 in a primitive one."""
    n = round(8 * np.linalg.det(PRIMITIVE[centring(group)])) if fixed else 4
    (crystal,) = draw_unit_crystals(
        [
            UnitRecipe(
                space_group=group,
                units=(NA, NH2),
                counts=counts or (n, n),
                elements=ELEMENTS,
                least=LEAST,
                rng=np.random.default_rng(seed),
                cell=CELL if fixed else None,
                volume=250.0,
            )
        ]
    )
    assert crystal is not None
    return crystal


def energy(crystal: UnitCrystal) -> float:
    """Something that a network can learn: where the first molecule is along b."""
    molecule = next(one for one in canonical(crystal).placements if one.unit == 1)
    return float(np.cos(2 * np.pi * molecule.centre[1]))


@pytest.fixture(scope="module")
def examples() -> list[UnitExample]:
    crystals = [drawn(group, seed) for seed in range(24) for group in (19, 20)]
    return [UnitExample(crystal, energy(crystal)) for crystal in crystals]


@pytest.fixture(scope="module")
def model(examples: list[UnitExample]) -> UnitModel:
    return UnitModel.fit(examples, QUICK, rng=np.random.default_rng(0))


def test_what_is_sampled_is_sound_and_in_the_cell(model: UnitModel) -> None:
    found = list(model.sample(12, guidance=0.0, rng=np.random.default_rng(1)))
    assert len(found) == 12
    known = set(model.content.space.arrangements)
    for crystal in found:
        assert Arrangement.of(crystal) in known
        assert_allclose(crystal.cell.cellpar(), CELL.cellpar(), atol=1e-9)
        atoms = crystal.atoms()
        assert fault_of(atoms, crystal.space_group, elements=ELEMENTS, least=LEAST) is None
        bonds = atoms.positions[atoms.numbers == 1].reshape(-1, 2, 3)
        nitrogen = atoms.positions[atoms.numbers == 7][:, None]
        assert_allclose(np.linalg.norm(bonds - nitrogen, axis=-1), 1.03, atol=1e-6)


@pytest.mark.parametrize("encoding", ["rotation", "wrapped"])
def test_guidance_lowers_the_energy(encoding: Encoding) -> None:
    """That of the crystals themselves, of one sodium ion and one molecule that may be anywhere."""

    def along_b(crystal: UnitCrystal) -> float:
        sodium, molecule = canonical(crystal).placements
        return float(np.cos(2 * np.pi * (molecule.centre - sodium.centre)[1]))

    crystals = [drawn(1, seed, counts=(1, 1)) for seed in range(100)]
    pairs = [UnitExample(crystal, along_b(crystal)) for crystal in crystals]
    settings = replace(QUICK, encoding=encoding)
    fitted = UnitModel.fit(pairs, settings, rng=np.random.default_rng(0))
    means = [
        np.mean([along_b(c) for c in fitted.sample(60, guidance=s, rng=np.random.default_rng(2))])
        for s in (0.0, 3.0)
    ]
    assert means[1] < means[0] - 0.4


def test_guidance_draws_arrangements_by_their_energies(examples: list[UnitExample]) -> None:
    """With energies 0 and 1, evenly: standardised, they differ by 2."""
    told = [replace(one, energy=float(one.crystal.space_group == 20)) for one in examples]
    settings = replace(QUICK, training=UnitTraining(epochs=1), schedule=LinearSchedule(steps=2))
    shares: dict[ArrangementRule, float] = {"energy": 1 / (1 + np.exp(-1.0)), "frequency": 0.5}
    for rule, wanted in shares.items():
        chosen = replace(settings, arrangements=rule)
        fitted = UnitModel.fit(told, chosen, rng=np.random.default_rng(0))
        drawn_ones = fitted._vectors(500, 0.5, np.random.default_rng(1))
        share = np.mean([arrangement.space_group == 19 for arrangement, _ in drawn_ones])
        assert abs(share - wanted) < 0.07, rule


def test_the_same_generator_gives_the_same_crystals(
    model: UnitModel, examples: list[UnitExample], tmp_path: Path
) -> None:
    again = UnitModel.fit(examples, QUICK, rng=used(0))
    assert again.digest == model.digest
    path = tmp_path / "units.safetensors"
    assert model.save(path) == model.digest
    for other in (again, UnitModel.load(path)):
        assert other.digest == model.digest
        pairs = zip(
            model.sample(3, guidance=1.0, rng=np.random.default_rng(5)),
            other.sample(3, guidance=1.0, rng=used(5)),
            strict=True,
        )
        for one, two in pairs:
            assert_allclose(one.atoms().positions, two.atoms().positions, atol=1e-9)
    crystals = [one.crystal for one in examples[:4]]
    assert_allclose(UnitModel.load(path).energies_of(crystals), model.energies_of(crystals))


def test_a_model_of_wrapped_numbers_comes_back_from_its_file(
    examples: list[UnitExample], tmp_path: Path
) -> None:
    settings = replace(
        QUICK, encoding="wrapped", sigma_first=0.01, sigma_last=0.4, training=UnitTraining(epochs=2)
    )
    model = UnitModel.fit(examples, settings, rng=np.random.default_rng(0))
    path = tmp_path / "units.safetensors"
    model.save(path)
    loaded = UnitModel.load(path)
    assert loaded.settings == settings
    assert loaded.networks.config == model.networks.config
    assert loaded.networks.config.periodic == model.content.space.periodic
    noise = loaded.content.noise
    assert isinstance(noise, PartlyPeriodic)
    assert noise.wrapped == WrappedSchedule(steps=25, sigma_first=0.01, sigma_last=0.4)
    found, same = (one._vectors(5, 1.0, np.random.default_rng(1)) for one in (model, loaded))
    for (arrangement, z), (again, other) in zip(found, same, strict=True):
        assert arrangement == again
        assert_allclose(z, other, atol=1e-6)


def test_a_file_from_before_there_were_periodic_numbers_is_read(
    model: UnitModel, tmp_path: Path
) -> None:
    path = tmp_path / "units.safetensors"
    model.save(path)
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    config, content = json.loads(about["config"]), json.loads(about["unit_model"])
    assert config.pop("periodic") == []
    for name in ("sigma_first", "sigma_last"):
        del content["settings"][name]
    about |= {"config": json.dumps(config), "unit_model": json.dumps(content)}
    save_file(tensors, path, metadata=about)
    loaded = UnitModel.load(path)
    assert loaded.settings == model.settings
    assert loaded.digest == model.digest
    assert len(list(loaded.sample(2, guidance=1.0, rng=np.random.default_rng(0)))) == 2


def wrapped_space(turns: np.ndarray) -> tuple[VectorSpace, torch.Tensor]:
    """Vectors of four crystals of an atom and a molecule, whole periods added to their numbers."""
    descriptor = Descriptor((NA, NH2), "wrapped")
    encoded = [
        descriptor.encode(random_unit_crystal(19, rng=np.random.default_rng(k), units=(NA, NH2)))
        for k in range(4)
    ]
    for k, (_, z) in enumerate(encoded):
        z[N_LATTICE] = [0.25, 0.25 + 1e-9, 0.25, 0.25 - 1e-9][k]  # the same in all
        z[N_LATTICE + 1] = [0.0, 1 - 1e-9, 0.0, 1e-9][k]  # and this, across 0
    periods = np.concatenate((np.zeros(N_LATTICE), descriptor.periods(0), descriptor.periods(1)))
    moved = [(one, z + periods * row) for (one, z), row in zip(encoded, turns, strict=True)]
    space = VectorSpace.fit(descriptor, moved, cell_kept=False)
    return space, space.standardised(moved)


def test_whole_periods_do_not_count_in_vectors() -> None:
    turns = np.random.default_rng(0).integers(-3, 4, (4, N_LATTICE + 9))
    (space, z), (other, same) = wrapped_space(0 * turns), wrapped_space(turns)
    assert space.periodic == tuple(N_LATTICE + k for k in (0, 1, 2, 3, 4, 5, 6, 8))
    assert_allclose(other.scale, space.scale, atol=1e-12)
    difference = (z - same).numpy()
    assert_allclose(difference, np.round(difference), atol=1e-6)
    # Half a period or less from the first example; what is the same in all stands as it is.
    around = list(space.periodic)
    assert z[:, around].abs().max() <= 0.5
    assert_allclose(space.scale[around], [0, 0, 1, 1, 1, 1, 2 * np.pi, 2 * np.pi])
    assert 0 < space.scale[N_LATTICE + 7] < 2  # that of the second Euler angle is a deviation
    arrangement = space.arrangements[0]
    back = space.vector(arrangement, z[1].double().numpy(), np.zeros(6))
    assert_allclose(back[N_LATTICE : N_LATTICE + 2] % 1.0 % 1.0, [0.25, 0.0], atol=1e-6)


def test_noise_of_periodic_numbers_must_grow() -> None:
    with pytest.raises(RequestError, match="sigma_first"):
        UnitModelSettings(sigma_first=0.6)


def used(seed: int) -> np.random.Generator:
    """A generator in the state of a fresh one that has made others, as a restored one would be."""
    rng = np.random.default_rng(seed)
    rng.spawn(3)
    return rng


def test_a_damaged_file_is_refused(model: UnitModel, tmp_path: Path) -> None:
    path = tmp_path / "units.safetensors"
    model.save(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(WeightsError, match="digest"):
        UnitModel.load(path)
    with pytest.raises(WeightsError, match="no weights of a model of units"):
        UnitModel.load(tmp_path / "none.safetensors")


def test_failures_are_counted_by_reason(model: UnitModel) -> None:
    strict = UnitModel(
        model.networks,
        replace(
            model.content,
            settings=replace(
                QUICK, separations=LeastDistances.parse("H-H=9"), push_steps=0, attempts=2
            ),
        ),
    )
    assert list(strict.sample(5, guidance=0.0, rng=np.random.default_rng(0))) == []
    assert strict.failures == {Fault.TOO_CLOSE: 10}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_cells_are_generated_where_they_differ(encoding: Encoding) -> None:
    crystals = [drawn(4, seed, fixed=False) for seed in range(20)]
    settings = replace(
        QUICK, encoding=encoding, training=UnitTraining(epochs=15, learning_rate=3e-3)
    )
    made = [UnitExample(c, float(k)) for k, c in enumerate(crystals)]
    fitted = UnitModel.fit(made, settings, rng=np.random.default_rng(0))
    assert not fitted.content.space.cell_kept
    found = list(fitted.sample(4, guidance=0.0, rng=np.random.default_rng(0)))
    assert len(found) == 4
    volumes = [one.cell.volume for one in found]
    assert len({round(v, 3) for v in volumes}) == 4
    for one in found:
        assert_allclose(one.cell.cellpar()[[3, 5]], 90, atol=1e-9)


def test_wrong_examples_are_refused(examples: list[UnitExample]) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(TrainingDataError, match="too few"):
        UnitModel.fit(examples[:1], rng=rng)
    other = random_unit_crystal(19, rng=rng, units=(NA, BH4))
    with pytest.raises(TrainingDataError, match="unlike units"):
        UnitModel.fit([*examples, UnitExample(other, 0.0)], rng=rng)
    with pytest.raises(TrainingDataError, match="no number"):
        UnitModel.fit([*examples, replace(examples[0], energy=np.nan)], rng=rng)


def test_energies_of_unknown_arrangements_are_refused(model: UnitModel) -> None:
    with pytest.raises(TrainingDataError, match="no example had"):
        model.energies_of([drawn(33, 0)])


@pytest.mark.parametrize(("n", "guidance"), [(-1, 0.0), (1, -1.0), (1, np.nan)])
def test_wrong_numbers_are_refused(model: UnitModel, n: int, guidance: float) -> None:
    with pytest.raises(RequestError):
        model.sample(n, guidance=guidance, rng=np.random.default_rng(0))


@pytest.mark.parametrize("group", [1, 4, 14, 43])
def test_distances_between_units_are_those_of_all_images(group: int) -> None:
    """Against ASE's minimum image distances in a supercell, in which an image is another atom."""
    crystal = random_unit_crystal(group, rng=np.random.default_rng(group), units=(NA, NH2))
    atoms = crystal.atoms()
    large = atoms.repeat(3)
    unit = np.concatenate([atoms.get_array(UNIT) + 1000 * k for k in range(27)])
    _, apart = get_distances(atoms.positions, large.positions, cell=large.cell, pbc=True)
    others = unit[: len(atoms), None] != unit
    nearest = {}
    for a, one in enumerate(ELEMENTS):
        for b, other in enumerate(ELEMENTS):
            pairs = (atoms.symbols == one)[:, None] & (large.symbols == other) & others
            nearest[a, b] = apart[pairs].min()
    table = np.array([[nearest[a, b] for b in range(3)] for a in range(3)])
    table = np.minimum(table, table.T)
    assert keeps_units_apart(atoms, ELEMENTS, table - 1e-6)
    for a in range(3):
        for b in range(3):
            tighter = table - 1e-6
            tighter[a, b] = tighter[b, a] = table[a, b] + 1e-6
            assert not keeps_units_apart(atoms, ELEMENTS, tighter)


@pytest.mark.parametrize("group", [4, 19, 36, 70, 136])
def test_units_are_pushed_apart_within_their_arrangement(group: int) -> None:
    rng = np.random.default_rng(group)
    crystal = random_unit_crystal(group, rng=rng, units=(NA, NH2), kinds=(0, 1))
    least = np.full((3, 3), 1.9)
    wanted = 20 * len(crystal.atoms()) / crystal.atoms().cell.volume
    cell = Cell(crystal.cell.array * wanted ** (1 / 3))
    centres = np.array([one.centre for one in crystal.placements])
    # The molecule is all but on top of the atom.
    placements = (
        crystal.placements[0],
        replace(crystal.placements[1], centre=centres[0] + 0.02),
    )
    scaled = UnitCrystal(group, cell, crystal.units, placements)
    assert not keeps_units_apart(scaled.atoms(), ELEMENTS, least)
    found = pushed_apart(scaled, elements=ELEMENTS, least=least, steps=200)
    assert keeps_units_apart(found.atoms(), ELEMENTS, least)
    assert Arrangement.as_given(found) == Arrangement.as_given(scaled)
    assert np.array_equal(found.cell.array, scaled.cell.array)
    again = pushed_apart(found, elements=ELEMENTS, least=least, steps=200)
    assert again is found


def test_a_crystal_of_higher_symmetry_is_told() -> None:
    crystal = drawn(19, 1)
    atoms = crystal.atoms()
    assert fault_of(atoms, 19, elements=ELEMENTS, least=LEAST) is None
    assert fault_of(atoms, 4, elements=ELEMENTS, least=LEAST) is Fault.OTHER_GROUP


def test_the_proposer_gives_what_was_asked_for(model: UnitModel, tmp_path: Path) -> None:
    path = tmp_path / "units.safetensors"
    model.save(path)
    proposer = get_proposer(f"units:{path}", {"guidance": 0.5})
    request = Request(composition=Composition.parse("NaNH2"), n=6, units=(8,), cell=CELL)
    found = list(proposer.propose(request, rng=np.random.default_rng(0)))
    assert len(found) == 6
    for atoms in found:
        assert_allclose(atoms.cell.array, CELL.array)
        assert len(atoms) == 32
        assert atoms.info["unit_names"].count("NH2") == 8
    primitive = Request(composition=Composition.parse("NaNH2"), n=3, units=(4,))
    for atoms in proposer.propose(primitive, rng=np.random.default_rng(0)):
        # Only C222_1 has 4 formula units in its primitive cell.
        assert len(atoms) == 16
        assert atoms.info["proposed_space_group"] == 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"composition": Composition.parse("NaNO2")}, "trained on"),
        ({"cell": Cell.fromcellpar([6.5, 7.5, 9.0, 90, 90, 90])}, "another cell"),
        ({"space_groups": (19,)}, "space groups"),
        ({"host": drawn(19, 0).atoms()}, "host"),
    ],
)
def test_other_requests_are_refused(
    model: UnitModel, changes: dict[str, Any], message: str
) -> None:
    request = Request(composition=Composition.parse("NaNH2"), n=1, units=(8,), cell=CELL)
    with pytest.raises(RequestError, match=message):
        UnitsProposer(model).propose(replace(request, **changes), rng=np.random.default_rng(0))


def test_without_weights_the_proposer_says_so() -> None:
    with pytest.raises(WeightsError, match="units"):
        get_proposer("units")
