"""``train_score``, ``_joint``, ``_dp_cdvae`` as calls on crystals: from structures to weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.io import write
from safetensors import safe_open
from safetensors.torch import load_file

import gencsp
from gencsp.descriptors.compactness import compactness
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.dp_cdvae.model import load_dp_cdvae
from gencsp.diffusion.joint.model import load_joint_model
from gencsp.diffusion.networks.dimenet import OutputBlock
from gencsp.diffusion.networks.dp_cdvae import DpCdvaeNetwork
from gencsp.diffusion.positions.model import load_score_model
from gencsp.diffusion.training.checkpoints import load_checkpoint
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.inputs import Trained
from gencsp.diffusion.training.trainer import TrainingProgress
from gencsp.errors import DeckError, TrainingDataError, WeightsError

SMALL: dict[str, Any] = {"channels": 8, "layers": 1, "radial": 4, "batch_size": 2, "warmup": 2}
TINY: dict[str, Any] = {"size": "tiny", "batch_size": 2, "warmup": 2}
CALLS = {
    "score": gencsp.train_score,
    "joint": gencsp.train_joint,
    "dp-cdvae": gencsp.train_dp_cdvae,
}
#: Settings of a small network of each kind.
SMALLEST = {"score": SMALL, "joint": SMALL, "dp-cdvae": TINY}
FLOAT = torch.float32
#: eV/atom above the hull, of the first crystals.
E_HULL = (0.0, 0.05)


def crystals() -> list[Atoms]:
    found = [
        bulk("NaCl", "rocksalt", a=5.64),
        bulk("MgO", "rocksalt", a=4.21),
        bulk("ZnS", "zincblende", a=5.41),
        bulk("CaF2", "fluorite", a=5.46),
    ]
    for atoms, energy in zip(found, E_HULL, strict=False):
        atoms.info["energy_above_hull"] = energy
    return found


def stream() -> Iterator[Atoms]:
    yield from crystals()


@pytest.mark.parametrize("kind", CALLS)
def test_stopped_and_resumed_gives_the_weights_of_an_uninterrupted_run(
    kind: str, tmp_path: Path
) -> None:
    """From structures in a list, from an iterator that can be read once, and from a file."""
    call: Callable[..., Trained] = CALLS[kind]
    file = tmp_path / "crystals.extxyz"
    write(file, crystals())
    steps = {**SMALLEST[kind], "cooldown": 0.0}
    whole = call(crystals(), tmp_path / "whole", held_out=["CaO"], **steps, steps=4)
    first = call(stream(), tmp_path / "parts", held_out=["CaO"], **steps, steps=2)
    assert (whole.step, first.step) == (4, 2)
    assert whole.digest != first.digest
    parts = call(file, tmp_path / "parts", held_out=["CaO"], steps=4, resume=True)
    assert (parts.digest, parts.step) == (whole.digest, 4)


@pytest.mark.parametrize("kind", CALLS)
def test_a_run_begins_from_a_weights_file_and_resumes_exactly(kind: str, tmp_path: Path) -> None:
    """With a rate too small to move anything, the weights that come out are those that went in."""
    call = CALLS[kind]
    first = call(crystals(), tmp_path / "first", held_out=(), steps=2, **SMALLEST[kind])
    # Other crystals, whose lattices have another scale; the network's numbers keep their own.
    fewer = crystals()[:2]
    more: dict[str, Any] = {"batch_size": 2, "warmup": 1, "start": first.file}
    still = call(fewer, tmp_path / "still", held_out=(), steps=1, learning_rate=1e-30, **more)
    old, new = load_file(first.file), load_file(still.file)
    for name, value in old.items():
        torch.testing.assert_close(new[name], value, rtol=0, atol=1e-20)
    if kind == "joint":
        before, after = (load_joint_model(one.file).objective for one in (first, still))
        assert after.process == before.process
        assert after.properties != before.properties
    whole = call(fewer, tmp_path / "whole", held_out=(), steps=4, cooldown=0.0, **more)
    call(fewer, tmp_path / "parts", held_out=(), steps=2, cooldown=0.0, **more)
    parts = call(fewer, tmp_path / "parts", held_out=(), steps=4, resume=True, start=first.file)
    assert parts.digest == whole.digest != first.digest
    with safe_open(parts.file, framework="pt") as file:
        assert file.metadata()["notes"].endswith(f"from weights {first.digest}")
    # What the checkpoint was begun from, and what the file holds, cannot be said otherwise.
    with pytest.raises(WeightsError, match=f"begun with start = {first.digest}, not"):
        call(fewer, tmp_path / "parts", held_out=(), steps=5, resume=True, start=whole.file)
    with pytest.raises(WeightsError, match="has channels = 8, not 16: leave that option out"):
        call(fewer, tmp_path / "new", held_out=(), steps=1, channels=16, **more)
    other: Callable[..., Trained] = CALLS["joint" if kind == "score" else "score"]
    with pytest.raises(WeightsError, match="another kind"):
        other(fewer, tmp_path / "new", held_out=(), steps=1, **more)
    assert not (tmp_path / "new").exists()


def test_a_run_begins_from_weights_with_fewer_encoders(tmp_path: Path) -> None:
    """It has those of the settings beside its own; none can be taken away."""
    call: Callable[..., Trained] = CALLS["dp-cdvae"]
    small: dict[str, Any] = {"batch_size": 2, "warmup": 1, "held_out": ()}
    first = call(crystals(), tmp_path / "first", steps=1, size="tiny", gine=True, **small)
    more: dict[str, Any] = {"start": first.file, "atom_count": True, **small}
    grown = call(crystals(), tmp_path / "grown", steps=2, cooldown=0.0, **more)
    config = load_dp_cdvae(grown.file, device="cpu").network.config
    assert (config.atom_count, config.gine) == (True, True)
    call(crystals(), tmp_path / "parts", steps=1, cooldown=0.0, **more)
    parts = call(crystals(), tmp_path / "parts", steps=2, resume=True, held_out=())
    assert parts.digest == grown.digest
    with pytest.raises(WeightsError, match="has gine = True, not False"):
        call(crystals(), tmp_path / "fewer", steps=1, gine=False, **more)


@pytest.mark.parametrize("kind", CALLS)
def test_reports_and_validation(kind: str, tmp_path: Path) -> None:
    seen: list[TrainingProgress] = []
    CALLS[kind](
        crystals(), tmp_path / "run", held_out=(), validation=crystals(), validation_size=2,
        validate_every=2, steps=3, report=seen.append, **SMALLEST[kind],
    )  # fmt: skip
    assert [(one.step, one.steps) for one in seen] == [(1, 3), (2, 3), (3, 3)]
    assert [one.validation is not None for one in seen] == [False, True, True]
    # The losses are those of the averaged weights on the first two crystals alone.
    state, _, objective = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    judged = CrystalSet.gather(iter(crystals()[:2]), held_out=frozenset())
    if kind != "score":
        judged = judged.reduced()
    last = objective.validate(state.average, judged, device=torch.device("cpu"))
    assert seen[-1].validation == pytest.approx(last)


def test_the_score_model_that_is_written_is_the_one_trained(tmp_path: Path) -> None:
    trained = gencsp.train_score(
        crystals(), tmp_path / "run", held_out=(), steps=3, sigma_max=2.0, **SMALL
    )
    model = load_score_model(trained.file)
    assert (trained.file.name, trained.digest) == ("score.safetensors", model.digest)
    assert model.sigma_max == 2.0
    average = load_checkpoint(tmp_path / "run" / "checkpoint.pt")[0].average
    batch = CrystalBatch.from_atoms(crystals())
    sigma = torch.tensor([0.05, 0.2, 0.7, 1.5]).double()
    single = batch.to(dtype=torch.float32, device=torch.device("cpu"))
    with torch.no_grad():
        raw = average(single, sigma.float()).double()
    score = model.score(batch, sigma)
    for k in range(4):
        atoms = batch.owner == k
        expected = (raw[atoms] - raw[atoms].mean(0)) / sigma[k]
        torch.testing.assert_close(score[atoms], expected, rtol=1e-4, atol=1e-5)


def test_the_autoencoder_that_is_written_is_the_one_trained(tmp_path: Path) -> None:
    trained = gencsp.train_dp_cdvae(
        crystals(), tmp_path / "run", held_out=(), steps=3, atom_count=True, gine=True, latent=6,
        **TINY,
    )  # fmt: skip
    model = load_dp_cdvae(trained.file)
    assert (trained.file.name, trained.digest) == ("dp-cdvae.safetensors", model.digest)
    assert (model.latent, model.network.config.gine) == (6, True)
    # Reduced cells: rocksalt's has 60 degrees and a/√2.
    assert model.process.lattice.high[0] == pytest.approx(5.64 / 2**0.5 / 2 ** (1 / 3))
    average = load_checkpoint(tmp_path / "run" / "checkpoint.pt")[0].average
    assert isinstance(average, DpCdvaeNetwork)
    with torch.no_grad():
        mean, log_variance = average.encode(CrystalBatch.from_atoms(crystals()).to(dtype=FLOAT))
    found = model.encode(crystals())
    np.testing.assert_allclose(found[0], mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[1], torch.exp(0.5 * log_variance), rtol=1e-4)


def test_dimenet_begins_without_rounds_and_is_given_some(tmp_path: Path) -> None:
    """The readout of the new round is not zero any more once it was trained."""
    run: dict[str, Any] = {"held_out": (), "batch_size": 2, "draws": 0, "prior_steps": 0}
    first = gencsp.train_dp_cdvae(
        crystals(), tmp_path / "first", steps=1, size="tiny", encoder_blocks=0, **run
    )
    for rounds in (1, 2):
        then = gencsp.train_dp_cdvae(
            crystals(), tmp_path / f"{rounds}", steps=2, start=first.file, encoder_blocks=rounds,
            **run,
        )  # fmt: skip
        dimenet = load_dp_cdvae(then.file).network.dimenet
        assert len(dimenet.interaction_blocks) == rounds
        for output in dimenet.output_blocks:
            assert isinstance(output, OutputBlock)
            assert float(output.lin.weight.detach().abs().max()) > 0
    with pytest.raises(WeightsError, match="has encoder_blocks = 2, not 1"):
        gencsp.train_dp_cdvae(
            crystals(), tmp_path / "fewer", steps=1, start=then.file, encoder_blocks=1, **run
        )


def test_angles_are_those_of_the_weights_unless_others_are_asked_for(tmp_path: Path) -> None:
    """Those of a body-centred crystal's primitive cell are all 109.47 degrees, or one of them."""
    cell = 2.1 * np.array([[-1.0, 1, 1], [1, -1, 1], [1, 1, -1]])
    data = [Atoms("Na", cell=cell, pbc=True), Atoms("K", cell=1.1 * cell, pbc=True)]
    run: dict[str, Any] = {"held_out": (), "batch_size": 2, "draws": 0, "prior_steps": 0}
    first = gencsp.train_dp_cdvae(
        data, tmp_path / "first", steps=1, size="tiny", angles="niggli", **run
    )
    same = gencsp.train_dp_cdvae(data, tmp_path / "same", steps=1, start=first.file, **run)
    other = gencsp.train_dp_cdvae(
        data, tmp_path / "other", steps=1, start=first.file, angles="acute", **run
    )
    new = gencsp.train_dp_cdvae(data, tmp_path / "new", steps=1, size="tiny", **run)
    for trained, angles in ((first, "niggli"), (same, "niggli"), (other, "acute"), (new, "acute")):
        process = load_dp_cdvae(trained.file).process
        assert process.angles == angles
        expected = [109.471] * 3 if angles == "niggli" else [109.471, 70.529, 70.529]
        np.testing.assert_allclose(process.lattice.mean[3:], expected, atol=1e-3)
    again = gencsp.train_dp_cdvae(data, tmp_path / "first", steps=2, resume=True, held_out=())
    assert load_dp_cdvae(again.file).process.angles == "niggli"
    with pytest.raises(WeightsError, match=r"begun with process\.angles = acute, not niggli"):
        gencsp.train_dp_cdvae(
            data, tmp_path / "new", steps=2, resume=True, angles="niggli", held_out=()
        )


def test_teacher_forcing_ends_after_its_steps(tmp_path: Path) -> None:
    """The lattice that is read from z then stands in the noisy crystals, and the loss differs."""
    losses = []
    for forced in (0, 1, 2, 3):
        seen: list[TrainingProgress] = []
        gencsp.train_dp_cdvae(
            crystals(), tmp_path / str(forced), held_out=(), steps=2, teacher_forcing=forced,
            report=seen.append, **TINY,
        )  # fmt: skip
        losses.append([one.loss for one in seen])
    assert losses[1][0] == losses[2][0] != losses[0][0]
    assert losses[1][1] != losses[2][1]
    assert losses[2] == losses[3]


def test_crystals_that_the_autoencoder_cannot_count_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="3 atoms, and the network counts to 2"):
        gencsp.train_dp_cdvae(crystals(), tmp_path / "run", held_out=(), most_atoms=2, **TINY)
    assert not (tmp_path / "run").exists()


def test_a_size_stands_for_all_its_settings_when_a_run_is_resumed(tmp_path: Path) -> None:
    run: dict[str, Any] = {"held_out": (), "batch_size": 2}
    gencsp.train_dp_cdvae(crystals(), tmp_path / "run", steps=1, size="tiny", **run)
    gencsp.train_dp_cdvae(crystals(), tmp_path / "run", steps=2, size="tiny", resume=True, **run)
    with pytest.raises(WeightsError, match="begun with"):
        gencsp.train_dp_cdvae(
            crystals(), tmp_path / "run", steps=3, size="paper", resume=True, **run
        )


def test_the_joint_model_knows_the_properties_of_its_crystals(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    trained = gencsp.train_joint(
        crystals(), tmp_path / "run", held_out=(), steps=2,
        on_label=lambda k, n: done.append((k, n)), **SMALL,
    )  # fmt: skip
    assert done == [(k, 4) for k in range(1, 5)]
    labels = np.load(tmp_path / "run" / "labels.npz")["labels"]
    np.testing.assert_allclose(labels[:, 0], [compactness(atoms) for atoms in crystals()])
    np.testing.assert_array_equal(labels[:, 2], [*E_HULL, np.nan, np.nan])
    model = load_joint_model(trained.file)
    assert (trained.file.name, trained.digest) == ("pigen.safetensors", model.digest)
    assert dict(model.sizes.counts) == {2: 3, 3: 1}
    np.testing.assert_allclose(model.objective.properties.mean, np.nanmean(labels, axis=0))


def test_without_labels_the_joint_model_has_no_targets(tmp_path: Path) -> None:
    gencsp.train_joint(crystals(), tmp_path / "run", held_out=(), steps=1, labels=False, **SMALL)
    assert not (tmp_path / "run" / "labels.npz").exists()
    # A run that is resumed stays without them, though they are computed unless one says no.
    gencsp.train_joint(crystals(), tmp_path / "run", held_out=(), steps=2, resume=True)
    assert not (tmp_path / "run" / "labels.npz").exists()


def test_energies_that_no_hull_gives_are_refused_before_anything_is_labelled(
    tmp_path: Path,
) -> None:
    wrong = crystals()
    wrong[2].info["energy_above_hull"] = -0.7
    done: list[int] = []
    with pytest.raises(TrainingDataError, match=r"crystal 3 of the training data \(ZnS\).*-0\.7"):
        gencsp.train_joint(
            wrong, tmp_path / "run", held_out=(), steps=1,
            on_label=lambda k, _: done.append(k), **SMALL,
        )  # fmt: skip
    assert done == []
    # Whoever trains without labels does not use them.
    gencsp.train_joint(wrong, tmp_path / "free", held_out=(), steps=1, labels=False, **SMALL)


def test_labels_that_are_kept_have_the_energies_of_the_data(tmp_path: Path) -> None:
    """The crystals are the same, so their digest is, but their energies were mended."""
    gencsp.train_joint(crystals(), tmp_path / "run", held_out=(), steps=1, **SMALL)
    mended = crystals()
    mended[1].info["energy_above_hull"] = 0.01
    with pytest.raises(TrainingDataError, match="not those that the run was begun with"):
        gencsp.train_joint(mended, tmp_path / "run", held_out=(), steps=2, resume=True)
    (tmp_path / "run" / "checkpoint.pt").unlink()
    trained = gencsp.train_joint(mended, tmp_path / "run", held_out=(), steps=1, **SMALL)
    labels = np.load(tmp_path / "run" / "labels.npz")["labels"]
    np.testing.assert_array_equal(labels[:2, 2], [0.0, 0.01])
    assert load_joint_model(trained.file).objective.properties.seen[2] == (0.0, 0.01)


@pytest.mark.parametrize("kind", CALLS)
def test_what_is_refused_leaves_nothing(kind: str, tmp_path: Path) -> None:
    call = CALLS[kind]
    with pytest.raises(TrainingDataError, match=r"MgO.*held-out"):
        call(crystals(), tmp_path / "run", held_out=["O2Mg2"], steps=1)
    with pytest.raises(TrainingDataError, match=r"MgO.*held-out"):
        call(crystals()[:1], tmp_path / "run", held_out=["MgO"], validation=crystals(), steps=1)
    with pytest.raises(DeckError, match="unknown key 'chanels'"):
        call(crystals(), tmp_path / "run", held_out=(), chanels=8)
    with pytest.raises(DeckError, match="'steps' is 0"):
        call(crystals(), tmp_path / "run", held_out=(), steps=0)
    assert list(tmp_path.iterdir()) == []
