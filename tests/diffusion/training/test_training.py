"""Training: exact resumption, the noise, the refusal of held-out formulas, learning at all."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.io import write

from gencsp.composition import Composition, read_formula_keys
from gencsp.diffusion.networks import compile_layers
from gencsp.diffusion.positions.model import load_score_model, save_score_model
from gencsp.diffusion.training.checkpoints import load_checkpoint
from gencsp.diffusion.training.data import CrystalSet, stream_extxyz
from gencsp.diffusion.training.score_objective import ScoreObjective, add_noise, validate
from gencsp.diffusion.training.settings import NoiseLevels, TrainSettings
from gencsp.diffusion.training.state import TrainState, new_state
from gencsp.diffusion.training.trainer import LOST, batch_indices, train
from gencsp.errors import StructureFileError, TrainingDataError, TrainingError, WeightsError

CONFIG = {"channels": 8, "layers": 2, "n_radial": 4}
NOISE = ScoreObjective(NoiseLevels())


def salts() -> list[Atoms]:
    return [
        bulk("NaCl", "rocksalt", a=5.64),
        bulk("MgO", "rocksalt", a=4.21),
        bulk("ZnS", "zincblende", a=5.41),
        bulk("CsCl", "cesiumchloride", a=4.12),
        bulk("GaAs", "zincblende", a=5.65),
    ]


@pytest.fixture
def crystals() -> CrystalSet:
    return CrystalSet.gather(iter(salts()), held_out=frozenset())


def run(folder: Path, crystals: CrystalSet, steps: int, *, resume: bool = False) -> dict[str, Any]:
    settings = TrainSettings(steps=steps, batch_size=2, warmup=2, cooldown=0.0, validate_every=100)
    if resume:
        state, _, noise = load_checkpoint(folder / "checkpoint.pt")
    else:
        state, noise = new_state("density", CONFIG, settings), NOISE
    folder.mkdir(exist_ok=True)
    train(state, settings, noise, crystals, None, folder)
    return {
        "network": state.network.state_dict(),
        "average": state.average.state_dict(),
        "moments": [s["exp_avg"] for s in state.optimiser.state_dict()["state"].values()],
    }


def test_stopped_and_resumed_equals_uninterrupted(tmp_path: Path, crystals: CrystalSet) -> None:
    whole = run(tmp_path / "whole", crystals, 7)
    run(tmp_path / "parts", crystals, 3)
    parts = run(tmp_path / "parts", crystals, 7, resume=True)
    for part in ("network", "average"):
        for key, value in whole[part].items():
            assert torch.equal(value, parts[part][key]), (part, key)
    assert all(torch.equal(a, b) for a, b in zip(whole["moments"], parts["moments"], strict=True))


@pytest.mark.parametrize("moment", ["zero_grad", "step"])
def test_interrupted_at_any_moment_of_a_step_and_resumed(
    moment: str, tmp_path: Path, crystals: CrystalSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C before the weights change, or when they have and nothing else has: no half step."""
    whole = run(tmp_path / "whole", crystals, 7)
    run(tmp_path / "parts", crystals, 3)
    method, left = getattr(torch.optim.AdamW, moment), [2]

    def interrupted(self: torch.optim.AdamW, *args: object, **options: object) -> None:
        method(self, *args, **options)
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, moment, interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "parts", crystals, 7, resume=True)
    # Before the change, the step before is kept; in the midst of it, what was kept last.
    state, _, _ = load_checkpoint(tmp_path / "parts" / "checkpoint.pt")
    assert state.step == (4 if moment == "zero_grad" else 3)
    parts = run(tmp_path / "parts", crystals, 7, resume=True)
    for part in ("network", "average"):
        for key, value in whole[part].items():
            assert torch.equal(value, parts[part][key]), (part, key)


def test_half_a_step_is_not_gone_on_from(
    tmp_path: Path, crystals: CrystalSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TrainSettings(steps=2, batch_size=2)
    state = new_state("density", CONFIG, settings)
    with monkeypatch.context() as patch:
        patch.setattr("gencsp.diffusion.training.trainer._average", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(state, settings, NOISE, crystals, None, tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()
    with pytest.raises(WeightsError, match="middle of a step"):
        train(state, settings, NOISE, crystals, None, tmp_path)


@dataclass(frozen=True)
class Broken:
    """The losses of noise levels, without a finite gradient at some steps."""

    steps: frozenset[int]
    kind: ClassVar[str] = ScoreObjective.kind
    validate = NOISE.validate
    describe = NOISE.describe

    def loss(self, *args: Any, step: int, **options: Any) -> torch.Tensor:
        losses = NOISE.loss(*args, step=step, **options)
        return losses * float("inf") if step in self.steps else losses


def trained(folder: Path, crystals: CrystalSet, broken: Iterable[int], steps: int) -> TrainState:
    settings = TrainSettings(steps=steps, batch_size=2, warmup=2, cooldown=0.0, validate_every=100)
    state = new_state("density", CONFIG, settings)
    folder.mkdir()
    return train(state, settings, Broken(frozenset(broken)), crystals, None, folder)


def test_a_step_without_a_finite_gradient_changes_nothing(
    tmp_path: Path, crystals: CrystalSet
) -> None:
    before = trained(tmp_path / "before", crystals, (), 4)
    after = trained(tmp_path / "after", crystals, (4, 5), 6)
    assert after.step == 6
    assert after.loss == before.loss
    for part in ("network", "average"):
        then, now = (getattr(state, part).state_dict() for state in (before, after))
        assert all(torch.equal(then[key], now[key]) for key in then)
    later = trained(tmp_path / "later", crystals, (4, 5), 8)
    assert np.isfinite(later.loss)
    weights = torch.cat([values.flatten() for values in later.network.state_dict().values()])
    assert torch.isfinite(weights).all()
    assert not torch.equal(
        weights, torch.cat([v.flatten() for v in before.network.state_dict().values()])
    )


def test_a_training_that_has_diverged_ends(tmp_path: Path, crystals: CrystalSet) -> None:
    trained(tmp_path / "nearly", crystals, range(3, 2 + LOST), 4 + LOST)
    with pytest.raises(TrainingError, match=f"{LOST} steps in a row, to step {3 + LOST}"):
        trained(tmp_path / "diverged", crystals, range(3, 1000), 60)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_start_does_not_touch_the_global_generator() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    new_state("density", CONFIG, TrainSettings(steps=1, seed=9))
    assert torch.equal(torch.rand(3), expected)


def test_an_epoch_visits_every_crystal_once() -> None:
    settings = TrainSettings(steps=1, batch_size=4)
    seen = np.concatenate([batch_indices(20, settings, step) for step in range(5)])
    assert sorted(seen) == list(range(20))
    following = np.concatenate([batch_indices(20, settings, step) for step in range(5, 10)])
    assert sorted(following) == list(range(20))
    assert not np.array_equal(seen, following)


def test_training_learns(tmp_path: Path, crystals: CrystalSet) -> None:
    settings = TrainSettings(steps=250, batch_size=5, warmup=10, learning_rate=5e-3, ema=0.98)
    state = new_state("density", CONFIG, settings)
    before = validate(state.average, crystals, bands=(0.1, 0.3))
    train(state, settings, NOISE, crystals, None, tmp_path)
    after = validate(state.average, crystals, bands=(0.1, 0.3))
    assert after["mean"] < 0.6 * before["mean"]


def test_small_noise_has_a_target_of_unit_variance_less_the_mean(crystals: CrystalSet) -> None:
    clean = crystals.batch([0] * 400)
    noisy = add_noise(clean, torch.full((400,), 0.05).double(), np.random.default_rng(0))
    # Two atoms: half of the variance is the motion of the whole crystal, which is taken off.
    assert noisy.target.square().mean() == pytest.approx(0.5, abs=0.05)
    assert (noisy.target[0] + noisy.target[1]).abs().max() < 1e-9


def test_packed_crystals_are_the_ones_read(crystals: CrystalSet) -> None:
    batch = crystals.batch([3, 0])
    for atoms, expected in zip(batch.to_atoms(), (salts()[3], salts()[0]), strict=True):
        np.testing.assert_array_equal(atoms.numbers, expected.numbers)
        np.testing.assert_allclose(atoms.cell.array, expected.cell.array)
        np.testing.assert_allclose(
            atoms.get_all_distances(mic=True), expected.get_all_distances(mic=True), atol=1e-9
        )


@pytest.mark.parametrize("zipped", [True, False])
def test_streaming_reads_what_ase_wrote(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "crystals.extxyz"
    write(path, salts())
    if zipped:
        packed = path.with_suffix(".extxyz.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    read = list(stream_extxyz(path))
    assert [a.get_chemical_formula() for a in read] == [a.get_chemical_formula() for a in salts()]
    np.testing.assert_allclose(read[1].positions, salts()[1].positions, atol=1e-6)


@pytest.mark.parametrize("content", ["2\nLattice=", "two\n", "3\ncomment\nNa 0 0 0\n"])
def test_damaged_files_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.extxyz"
    path.write_text(content)
    with pytest.raises(StructureFileError, match="cannot be read"):
        list(stream_extxyz(path))


def test_held_out_formulas_are_refused_whatever_their_spelling(tmp_path: Path) -> None:
    listed = tmp_path / "held_out.txt"
    listed.write_text("ClNa\nOMg\n")
    held_out = read_formula_keys(listed)
    assert Composition.parse("Na4Cl4").formula_key in held_out
    with pytest.raises(TrainingDataError, match=r"NaCl.*held-out"):
        CrystalSet.gather(iter(salts()), held_out=held_out)
    with pytest.raises(TrainingDataError, match="no structures"):
        CrystalSet.gather(iter([]), held_out=held_out)


def test_exported_weights_load_and_score(tmp_path: Path, crystals: CrystalSet) -> None:
    state = new_state("density", CONFIG, TrainSettings(steps=1))
    path = tmp_path / "score.safetensors"
    low, high = NOISE.noise.low, NOISE.noise.high
    digest = save_score_model(state.average, path, sigma_min=low, sigma_max=high)
    model = load_score_model(path)
    assert (model.digest, model.sigma_min, model.sigma_max) == (digest, low, high)
    batch = crystals.batch([0, 1])
    score = model.score(batch, torch.tensor([0.1, 1.0]).double())
    assert score.dtype == torch.float64
    assert score[:2].sum(0).abs().max() < 1e-5


def test_missing_and_damaged_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no score-model weights"):
        load_score_model(tmp_path / "none.safetensors")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"not a weights file")
    with pytest.raises(WeightsError, match="not a readable"):
        load_score_model(damaged)
    (tmp_path / "checkpoint.pt").write_bytes(b"junk")
    with pytest.raises(WeightsError):
        load_checkpoint(tmp_path / "checkpoint.pt")


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_layers_compute_the_same(crystals: CrystalSet) -> None:
    settings = TrainSettings(steps=1)
    plain, compiled = (
        new_state("density", {**CONFIG, "layers": 1}, settings).network for _ in range(2)
    )
    compile_layers(compiled)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    for indices in ([0, 1, 2], [3]):
        batch = crystals.batch(indices)
        sigma = torch.full((len(indices),), 0.5)
        single = replace(batch, positions=batch.positions.float(), cells=batch.cells.float())
        with torch.no_grad():
            torch.testing.assert_close(compiled(single, sigma), plain(single, sigma))
