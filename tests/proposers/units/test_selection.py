"""Models that propose by the examples of lowest energy, and learn energies from all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.cell import Cell
from crystals_of_units import NA, NH2, random_unit_crystal
from numpy.testing import assert_allclose
from safetensors import safe_open
from safetensors.torch import save_file

from gencsp.composition import Composition
from gencsp.diffusion.units.schedule import LinearSchedule
from gencsp.diffusion.units.training import UnitTraining
from gencsp.errors import RequestError
from gencsp.proposers.base import Request
from gencsp.proposers.units import model_file
from gencsp.proposers.units.bootstrap_model import UnitExample, UnitModel
from gencsp.proposers.units.crystal import UnitCrystal
from gencsp.proposers.units.model_settings import ArrangementRule, UnitModelSettings
from gencsp.proposers.units.selection import FEWEST_SELECTED, of_lowest_energy
from gencsp.proposers.units_model import UnitsProposer

#: Of the lower group, in space group 19, and of the upper one, in 20.
CELLS = {
    19: Cell.fromcellpar([6.5, 7.5, 8.5, 90, 90, 90]),
    20: Cell.fromcellpar([9, 10, 11, 90, 90, 90]),
}
SETTINGS = UnitModelSettings(
    cell="kept",
    learn_from=0.25,
    schedule=LinearSchedule(steps=5, beta_last=0.4),
    training=UnitTraining(epochs=2),
)


def crystal(group: int, seed: int) -> UnitCrystal:
    """A random one in the cell of its group."""
    rng = np.random.default_rng(seed)
    made = random_unit_crystal(group, rng=rng, units=(NA, NH2))
    return replace(made, cell=CELLS[group])


@pytest.fixture(scope="module")
def examples() -> list[UnitExample]:
    """25 of low energy among 100, in no order."""
    lower = [UnitExample(crystal(19, k), 0.01 * k) for k in range(25)]
    upper = [UnitExample(crystal(20, k), 2 + 0.01 * k) for k in range(75)]
    order = np.random.default_rng(0).permutation(100)
    return [[*lower, *upper][k] for k in order]


@pytest.fixture(scope="module")
def model(examples: list[UnitExample]) -> UnitModel:
    return UnitModel.fit(examples, SETTINGS, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("n", "share", "selected"),
    [(100, 0.25, 25), (100, 1.0, 100), (100, 0.01, FEWEST_SELECTED), (7, 0.5, 7), (101, 0.5, 50)],
)
def test_the_lowest_are_selected(n: int, share: float, selected: int) -> None:
    energies = np.random.default_rng(n).permutation(n).astype(float) - 4
    assert sorted(energies[of_lowest_energy(energies, share)]) == [k - 4 for k in range(selected)]


def test_equal_energies_are_selected_together() -> None:
    """Whichever of them comes first, so that the order of examples does not count."""
    energies = np.repeat([0.0, 1.0, 2.0], [10, 30, 60])
    for rng in map(np.random.default_rng, range(3)):
        mixed = rng.permutation(energies)
        assert (of_lowest_energy(mixed, 0.25) == (mixed < 2)).all()
    assert of_lowest_energy(np.zeros(50), 0.1).all()


@pytest.mark.parametrize("rule", ["energy", "frequency"])
def test_arrangements_and_cells_are_those_of_the_lowest(
    model: UnitModel, rule: ArrangementRule
) -> None:
    content = replace(model.content, settings=replace(SETTINGS, arrangements=rule))
    chosen = UnitModel(model.networks, content)
    everything = UnitModel(
        model.networks, replace(content, settings=replace(content.settings, learn_from=1.0))
    )
    assert {one.space_group for one in model.content.space.arrangements} == {19, 20}
    for one, groups in ((chosen, {19}), (everything, {19, 20})):
        # Guidance as weak as this hardly keeps the upper group from being drawn.
        found = one._vectors(200, 0.1, np.random.default_rng(1))
        assert {arrangement.space_group for arrangement, _ in found} == groups
        for arrangement, z in found:
            assert_allclose(z[:3], CELLS[arrangement.space_group].lengths())


def test_the_energy_network_learns_from_all(examples: list[UnitExample], model: UnitModel) -> None:
    """Its weights are those of a model of all examples; the noise network's are not."""
    whole = UnitModel.fit(
        examples, replace(SETTINGS, learn_from=1.0), rng=np.random.default_rng(0)
    ).networks.state_dict()
    same = {
        part: all(
            (tensor == whole[name]).all()
            for name, tensor in model.networks.state_dict().items()
            if name.startswith(part)
        )
        for part in ("energy.", "noise.")
    }
    assert same == {"energy.": True, "noise.": False}
    both = [crystal(19, 0), crystal(20, 0)]
    assert np.isfinite(model.energies_of(both)).all()
    spread = np.std([one.energy for one in examples])
    assert_allclose(model.content.energy_scale, spread)


def test_guidance_is_per_standard_deviation_of_the_selected(
    examples: list[UnitExample], model: UnitModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks have energies in those of all, which are far more."""
    energies = np.array([one.energy for one in examples])
    told: list[float] = []

    def no_vectors(_: UnitModel, __: int, strength: float, ___: np.random.Generator) -> list[None]:
        told.append(strength)
        return []

    monkeypatch.setattr(UnitModel, "_vectors", no_vectors)
    for share, ratio in ((0.25, energies.std() / energies[energies < 1].std()), (1.0, 1.0)):
        settings = replace(SETTINGS, learn_from=share)
        one = UnitModel(model.networks, replace(model.content, settings=settings))
        assert list(one.sample(1, guidance=2.0, rng=np.random.default_rng(0))) == []
        assert_allclose(told.pop(), 2 * ratio)
        assert not told


@pytest.mark.parametrize(
    ("lower", "upper", "share", "scale"),
    [
        ([0, 1e-7], [2, 2], 0.25, 1e-3),  # differences that mean nothing
        ([0, 0], [2, 2], 0.25, 1e-3),
        ([0, 1e-6], [1e-6, 1e-6], 0.5, 1e-7),  # nor is it more than that of all
        ([0, 0.02], [2, 2], 0.5, 0.01),
    ],
)
def test_the_spread_of_the_selected_has_bounds(
    model: UnitModel, lower: list[float], upper: list[float], share: float, scale: float
) -> None:
    content = replace(
        model.content,
        energies=np.repeat([*lower, *upper], 25).astype(float),
        energy_scale=1e-7 if scale < 1e-6 else 1.0,
        settings=replace(SETTINGS, learn_from=share),
    )
    assert_allclose(content.selected_scale, scale)


def test_a_cell_that_is_never_drawn_is_refused(model: UnitModel) -> None:
    proposer = UnitsProposer(model)
    request = Request(composition=Composition.parse("NaNH2"), n=1, units=(4,), cell=CELLS[19])
    proposer.propose(request, rng=np.random.default_rng(0))
    with pytest.raises(RequestError, match="another cell"):
        proposer.propose(replace(request, cell=CELLS[20]), rng=np.random.default_rng(0))


def test_the_file_says_what_was_selected(model: UnitModel, tmp_path: Path) -> None:
    path = tmp_path / "units.safetensors"
    model.save(path)
    loaded = UnitModel.load(path)
    assert loaded.settings.learn_from == 0.25
    assert (loaded.content.selected == model.content.selected).all()
    assert loaded.content.selected.sum() == 25
    found, same = (one._vectors(5, 1.0, np.random.default_rng(1)) for one in (model, loaded))
    for (arrangement, z), (again, other) in zip(found, same, strict=True):
        assert arrangement == again
        assert_allclose(z, other)


def test_a_file_from_before_is_of_a_model_of_all_examples(
    model: UnitModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the default is."""
    path = tmp_path / "units.safetensors"
    model.save(path)
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    content = json.loads(about["unit_model"])
    assert content["settings"].pop("learn_from") == 0.25
    save_file(tensors, path, metadata={**about, "unit_model": json.dumps(content)})

    def lower_default(**settings: object) -> UnitModelSettings:
        return UnitModelSettings(**{"learn_from": 0.1, **settings})  # type: ignore[arg-type]

    monkeypatch.setattr(model_file, "UnitModelSettings", lower_default)
    assert UnitModel.load(path).content.selected.all()


@pytest.mark.parametrize("share", [0.0, -0.5, 1.001, np.nan])
def test_shares_out_of_range_are_refused(share: float) -> None:
    with pytest.raises(RequestError, match="learn_from"):
        UnitModelSettings(learn_from=share)
