"""Symmetries of the joint network, its loss, and training with it."""

import json
import math
import warnings
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import nn

from gencsp.descriptors.compactness import compactness
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.joint.conditions import PROPERTIES, PropertyScale, as_labels, check_labels
from gencsp.diffusion.joint.model import JointModel, load_joint_model, save_joint_model
from gencsp.diffusion.joint.process import (
    HIDDEN,
    JointProcess,
    JointState,
    add_noise,
    denoised_shape,
)
from gencsp.diffusion.joint.score import JointScore
from gencsp.diffusion.joint.shape import LatticeScale
from gencsp.diffusion.joint.sizes import CellSizes
from gencsp.diffusion.networks import build_network
from gencsp.diffusion.networks.joint import Context, JointOutput
from gencsp.diffusion.networks.waves import half_space
from gencsp.diffusion.training.checkpoints import load_checkpoint
from gencsp.diffusion.training.data import CrystalSet
from gencsp.diffusion.training.joint_objective import JointObjective, atom_volumes
from gencsp.diffusion.training.labels import as_array, label_crystals
from gencsp.diffusion.training.settings import LossWeights, TrainSettings
from gencsp.diffusion.training.state import new_state
from gencsp.diffusion.training.trainer import train
from gencsp.errors import RequestError, TargetWarning, TrainingDataError, WeightsError

CONFIG = {"channels": 12, "layers": 2, "n_radial": 4}
PROCESS = JointProcess(
    scale=LatticeScale((0.0,) * 3 + (-0.1, 0.2, 1.7), (0.2, 0.2, 0.2, 0.15, 0.3, 0.25))
)
FREE = torch.full((1, 4), torch.nan, dtype=torch.float64)


def structures() -> list[Atoms]:
    return [
        bulk("NaCl", "rocksalt", a=5.64),
        bulk("MgO", "rocksalt", a=4.21),
        bulk("ZnS", "zincblende", a=5.41),
        bulk("CsCl", "cesiumchloride", a=4.12),
        bulk("GaAs", "zincblende", a=5.65),
        bulk("Si"),
    ]


def crystal_set() -> CrystalSet:
    found = CrystalSet.gather(iter(structures()), held_out=frozenset()).reduced()
    return replace(found, labels=as_array(label_crystals(structures())))


@pytest.fixture(scope="module")
def crystals() -> CrystalSet:
    return crystal_set()


@pytest.fixture(scope="module")
def objective(crystals: CrystalSet) -> JointObjective:
    return JointObjective.fit(crystals)


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = build_network("joint", CONFIG).double()
        # Parts that start as nothing would prove nothing.
        for parameter in net.parameters():
            if not parameter.any():
                nn.init.normal_(parameter, std=0.3)
        return net


def noisy_state(seed: int, n: int = 5) -> JointState:
    rng = np.random.default_rng(seed)
    numbers = rng.choice([HIDDEN, 3, 8, 22], n)
    return JointState(
        torch.as_tensor(numbers),
        torch.as_tensor(rng.random((n, 3))),
        torch.as_tensor(rng.normal(size=(1, 6))),
        torch.zeros(n, dtype=torch.int64),
        torch.tensor([n]),
    )


def test_what_a_crystal_shows_is_likelier_where_species_are_hidden() -> None:
    net, state = network(), noisy_state(3)
    numbers = torch.tensor([HIDDEN, 3, 8, 3, HIDDEN])
    state = replace(state, numbers=numbers)
    t = torch.tensor([0.6], dtype=torch.float64)
    assert isinstance(net.shown, nn.Linear)
    with torch.no_grad():
        nn.init.zeros_(net.shown.weight)
        net.shown.bias.copy_(torch.tensor([0.0, 0.0]))
        before = net(state, t, FREE, PROCESS).logits
        net.shown.bias.copy_(torch.tensor([2.0, 1.0]))
        gained = net(state, t, FREE, PROCESS).logits - before
    expected = torch.zeros(95, dtype=torch.float64)
    expected[3], expected[8] = 2 + 2 / 5, 2 + 1 / 5
    torch.testing.assert_close(gained[:, 1:], expected[None, 1:].expand(5, -1))


def test_context_is_that_of_the_mean_and_starts_as_nothing() -> None:
    rng = np.random.default_rng(0)
    scalars, noise = (torch.as_tensor(rng.normal(size=(n, 12))) for n in (5, 1))
    state = noisy_state(0)
    fresh = Context(12).double()
    assert torch.equal(fresh(scalars, noise, state), noise)
    nn.init.normal_(fresh.out.weight)
    twice = replace(state, owner=torch.zeros(10, dtype=torch.int64), sizes=torch.tensor([10]))
    once = fresh(scalars, noise, state)
    assert not torch.allclose(once, noise)
    torch.testing.assert_close(fresh(scalars.repeat(2, 1), noise, twice), once)


def test_half_of_reciprocal_space_has_one_of_each_pair() -> None:
    chosen = {tuple(v) for v in half_space(2).tolist()}
    assert len(chosen) == (5**3 - 1) // 2
    assert not any(tuple(-x for x in v) in chosen for v in chosen)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_outputs_follow_permutations_translations_and_periods(seed: int) -> None:
    net, state, process = network(), noisy_state(seed), PROCESS
    t = torch.tensor([0.4], dtype=torch.float64)
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        out = net(state, t, FREE, process)
        order = torch.as_tensor(rng.permutation(5))
        permuted = replace(state, numbers=state.numbers[order], frac=state.frac[order])
        shuffled = net(permuted, t, FREE, process)
        shift = torch.as_tensor(rng.random(3)) + torch.as_tensor(rng.integers(-2, 3, (5, 3)))
        moved = net(replace(state, frac=state.frac + shift), t, FREE, process)
    for one, other in zip(out[::2], shuffled[::2], strict=True):
        torch.testing.assert_close(one[order], other)
    torch.testing.assert_close(out.velocity, shuffled.velocity)
    for one, other in zip(out, moved, strict=True):
        torch.testing.assert_close(one, other)


def shaken(seed: int) -> Atoms:
    """A crystal without symmetry, in a sheared cell."""
    rng = np.random.default_rng(seed)
    atoms = structures()[seed % 6] * (1, 2, 1)
    atoms.rattle(0.3, seed=seed)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.1 * rng.normal(size=(3, 3))), scale_atoms=True)
    return atoms


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_predictions_turn_with_the_crystal(objective: JointObjective, seed: int) -> None:
    """Proposition 1 of PIGEN, of what the network puts out: crystals that are one in another frame,
    another order of atoms and another origin have the same displacements, strain, species and
    compactness, turned and ordered alike."""
    rng = np.random.default_rng(seed)
    model = JointModel(network(), objective, CellSizes({4: 1}), "test")
    atoms = shaken(seed)
    order, q = rng.permutation(len(atoms)), Rotation.random(rng=seed).as_matrix()
    turned = atoms[order]
    turned.set_cell(atoms.cell.array @ q)
    turned.set_positions((atoms.positions[order] + rng.normal(size=3)) @ q)
    sigma, t = torch.tensor([0.3], dtype=torch.float64), torch.tensor([0.5], dtype=torch.float64)
    found = []
    for one in (atoms, turned):
        batch = CrystalBatch.from_atoms([one])
        vectors, strain = JointScore(model).predict(batch, sigma)
        state = JointState.of(batch, PROCESS.scale)
        with torch.no_grad():
            out = model.network(state, t, FREE, PROCESS)
        clean = denoised_shape(out.velocity, state.shape, t, PROCESS)
        volume = len(one) * float(PROCESS.scale.volume_per_atom(clean)[0])
        balls = float(np.array(atom_volumes())[one.numbers].sum())
        found.append((vectors.numpy(), strain[0].numpy(), out.logits.numpy(), balls / volume))
    (moved, bent, species, c), (moved_, bent_, species_, c_) = found
    assert np.abs(moved).max() > 1e-3
    assert np.abs(bent).max() > 1e-3
    np.testing.assert_allclose(moved_, moved[order] @ q, atol=1e-8)
    np.testing.assert_allclose(bent_, q.T @ bent @ q, atol=1e-8)
    np.testing.assert_allclose(species_, species[order], atol=1e-8)
    assert c_ == pytest.approx(c, rel=1e-9)


def test_a_batch_is_its_crystals_one_by_one(objective: JointObjective) -> None:
    net, one, two = network(), noisy_state(1), noisy_state(2, n=3)
    both = JointState(
        torch.cat((one.numbers, two.numbers)),
        torch.cat((one.frac, two.frac)),
        torch.cat((one.shape, two.shape)),
        torch.cat((one.owner, two.owner + 1)),
        torch.cat((one.sizes, two.sizes)),
    )
    t = torch.tensor([0.2, 0.7], dtype=torch.float64)
    wanted = torch.tensor([[0.3, np.nan, np.nan, 1.0], [np.nan] * 4], dtype=torch.float64)
    with torch.no_grad():
        together = net(both, t, wanted, objective.process)
        apart = [
            net(state, t[i : i + 1], wanted[i : i + 1], objective.process)
            for i, state in enumerate((one, two))
        ]
    for whole, *parts in zip(together, *apart, strict=True):
        torch.testing.assert_close(whole, torch.cat(parts))


def test_conditions_matter_and_free_ones_do_not(objective: JointObjective) -> None:
    net, state = network(), noisy_state(3)
    t = torch.tensor([0.5], dtype=torch.float64)
    aimed = torch.tensor([[1.0, np.nan, np.nan, np.nan]], dtype=torch.float64)
    with torch.no_grad():
        free = net(state, t, FREE.double(), objective.process)
        steered = net(state, t, aimed, objective.process)
    assert (free.velocity - steered.velocity).abs().max() > 1e-4
    assert torch.isfinite(steered.velocity).all()


def test_labels_are_what_the_filters_say() -> None:
    rows = as_array(label_crystals(structures()[:2]))
    assert rows.shape == (2, len(PROPERTIES))
    assert rows[0, 0] == pytest.approx(compactness(structures()[0]))
    assert np.isnan(rows[:, PROPERTIES.index("e_hull")]).all()
    known = structures()[0]
    known.info["energy_above_hull"] = 0.02
    assert as_array(label_crystals([known]))[0, PROPERTIES.index("e_hull")] == 0.02


def test_targets_are_checked_by_name_and_value() -> None:
    rows = as_labels([{"compactness": 0.7}, {}])
    assert rows[0, 0] == 0.7
    assert np.isnan(rows[1]).all()
    with pytest.raises(RequestError, match="no property"):
        as_labels([{"beauty": 1.0}])  # type: ignore[dict-item]
    with pytest.raises(RequestError, match="give a number"):
        as_labels([{"m_led": float("inf")}])
    scale = PropertyScale.fit(np.array([[0.5, np.nan], [0.7, np.nan]]))
    assert scale.encode(np.array([[0.6, 1.0]])).tolist() == [[pytest.approx(0.0), 1.0]]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("e_hull", -0.3, r"crystal 2 of the training data \(MgO\).*e_hull = -0\.3.*stability"),
        ("e_hull", 9999.0, "e_hull = 9999.*0 to 5 eV/atom"),
        ("compactness", 0.0, "compactness = 0"),
        ("compactness", np.inf, "compactness = inf"),
        ("m_led", -1.0, "m_led = -1.*to 12.52 bits"),
        ("m_led", 13.0, "m_led = 13"),
        ("complexity", 1.5, "complexity = 1.5.*to 1 bits/atom.*mend or take out"),
    ],
)
def test_labels_that_no_crystal_can_have_are_refused(name: str, value: float, said: str) -> None:
    labels = np.array([[0.7, 8.0, 0.0, 1.0], [0.5, 7.0, 0.1, 0.0], [0.6, 8.0, np.nan, 1.0]])
    named = ("NaCl", "MgO", "ZnS")

    def name_of(k: int) -> str:
        return f"crystal {k + 1} of the training data ({named[k]})"

    check_labels(labels, name_of, atoms=[2, 2, 2])
    labels[1, [one == name for one in PROPERTIES]] = value
    with pytest.raises(TrainingDataError, match=said):
        check_labels(labels, name_of, atoms=[2, 2, 2])


def test_targets_are_compared_with_what_the_network_knows() -> None:
    labels = np.array([[0.5, 7.0, np.nan, 0.0], [0.7, 9.0, np.nan, 1.0]])
    scale = PropertyScale.fit(labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scale.check_targets({"compactness": 0.7, "m_led": 7.0})
    with pytest.warns(TargetWarning, match=r"m_led = 9\.5 lies beyond.*7 to 9"):
        scale.check_targets({"m_led": 9.5})
    with pytest.raises(RequestError, match="do not know e_hull"):
        scale.check_targets({"e_hull": 0.0})
    for name, value in (("compactness", -0.1), ("e_hull", -0.5), ("m_led", 40.0)):
        with pytest.raises(RequestError, match=f"target of {name} is"):
            PropertyScale((0.0,) * 4, (1.0,) * 4).check_targets({name: value})  # type: ignore[dict-item]
    # Weights that do not say what they saw are known by their mean and deviation.
    with pytest.warns(TargetWarning, match="0.24 to 1.04"):
        PropertyScale((0.64,) * 4, (0.1,) * 4).check_targets({"compactness": 1.2})
    again = PropertyScale.from_description(json.loads(json.dumps(asdict(scale))))
    assert again == scale


def test_a_complexity_beyond_the_cells_of_the_model_is_refused() -> None:
    objective = JointObjective(
        process=PROCESS, properties=PropertyScale((0.6, 8.0, 0.0, 1.8), (0.2, 0.9, 0.1, 3.0))
    )
    model = JointModel(nn.Identity(), objective, CellSizes({4: 1, 8: 2}), "test")
    model.check_targets({"complexity": 3.0})
    with pytest.raises(RequestError, match=r"8 atoms.*at most 3"):
        model.check_targets({"complexity": 3.1})


def test_compactness_loss_is_zero_for_a_perfect_network(
    crystals: CrystalSet, objective: JointObjective
) -> None:
    clean = JointState.of(crystals.batch([0, 2]), objective.process.scale)
    t = torch.tensor([0.3, 0.6], dtype=torch.float64)
    noised = add_noise(clean, t, torch.zeros(2), objective.process, np.random.default_rng(0))

    perfect = torch.nn.Module()
    logits = torch.zeros(len(clean.owner), 95)
    answer = JointOutput(noised.score.float(), noised.velocity.float(), logits)
    perfect.forward = lambda *_: answer
    terms = objective.terms(perfect, noised, clean, FREE, torch.device("cpu"))
    for term in terms:
        assert float(term.abs().max()) < 1e-5
    wrong = replace(noised, velocity=noised.velocity + 0.5)
    terms = objective.terms(perfect, wrong, clean, FREE, torch.device("cpu"))
    assert float(terms.lattice.max()) > 0.1


def test_the_compactness_loss_is_the_squared_error_of_the_denoised_crystal(
    crystals: CrystalSet, objective: JointObjective
) -> None:
    """Eq. 3, against the descriptor: a lattice that is wrong in its volume by a known factor.

    The last of its numbers is ln V/√3, and α·k_t − s·v is what the network denoises to, so an error
    e of the velocity makes the volume exp(−√3·std·s·e) times what it is.
    """
    process = objective.process
    clean = JointState.of(crystals.batch([0, 2]), process.scale)
    t = torch.tensor([0.3, 0.6], dtype=torch.float64)
    noised = add_noise(clean, t, torch.zeros(2), process, np.random.default_rng(0))
    wrong = torch.zeros(2, 6)
    wrong[:, 5] = torch.tensor([2.0, -0.5])
    answer = JointOutput(
        noised.score.float(), noised.velocity.float() + wrong, torch.zeros(len(clean.owner), 95)
    )
    model = nn.Module()
    model.forward = lambda *_: answer
    terms = objective.terms(model, noised, clean, FREE, torch.device("cpu"))
    reference = np.array([compactness(structures()[k]) for k in (0, 2)])
    grown = np.exp(
        -math.sqrt(3) * process.scale.std[5] * process.spread(t).numpy() * wrong[:, 5].numpy()
    )
    expected = (reference / grown - reference) ** 2
    assert expected.min() > 1e-5
    assert expected.max() < 1
    np.testing.assert_allclose(terms.compactness.numpy(), expected, rtol=1e-3)


def test_every_term_of_the_loss_has_its_weight(crystals: CrystalSet) -> None:
    """Eq. 1 and 3: the loss grows by a term with its λ, and by nothing else."""
    net, device = network().float(), torch.device("cpu")
    indices = np.arange(4)

    def loss(**weights: float) -> torch.Tensor:
        none = dict.fromkeys(("frac", "lattice", "species", "compactness"), 0.0)
        some = JointObjective.fit(crystals, weights=LossWeights(**{**none, **weights}))
        with torch.no_grad():
            return some.loss(net, crystals, indices, np.random.default_rng(3), device)

    alone = {name: loss(**{name: 1.0}) for name in ("frac", "lattice", "species", "compactness")}
    for name, value in alone.items():
        assert float(value.sum()) > 1e-4, name
    default = LossWeights()
    whole = JointObjective.fit(crystals).loss(
        net, crystals, indices, np.random.default_rng(3), device
    )
    expected = sum(getattr(default, name) * value for name, value in alone.items())
    torch.testing.assert_close(whole.detach(), expected)
    assert default.compactness > 0


def test_radii_fill_the_table() -> None:
    volumes = np.array(atom_volumes())
    assert volumes[0] == 0
    assert (volumes[1:84] > 0).all()


def test_training_learns_and_resumes_exactly(
    tmp_path: Path, crystals: CrystalSet, objective: JointObjective
) -> None:
    def run(folder: Path, steps: int) -> dict[str, torch.Tensor]:
        settings = TrainSettings(
            steps=steps, batch_size=3, warmup=5, cooldown=0.0, ema=0.95, learning_rate=5e-3
        )
        folder.mkdir(exist_ok=True)
        checkpoint = folder / "checkpoint.pt"
        if checkpoint.exists():
            state, _, stored = load_checkpoint(checkpoint)
            assert stored == objective
        else:
            state = new_state("joint", CONFIG, settings)
        train(state, settings, objective, crystals, None, folder)
        return {**state.average.state_dict(), "loss": torch.tensor(state.loss)}

    whole = run(tmp_path / "whole", 60)
    run(tmp_path / "parts", 25)
    parts = run(tmp_path / "parts", 60)
    assert all(torch.equal(value, parts[key]) for key, value in whole.items())
    fresh = new_state("joint", CONFIG, TrainSettings(steps=1)).average
    device = torch.device("cpu")
    trained = load_checkpoint(tmp_path / "whole" / "checkpoint.pt")[0].average
    before = objective.validate(fresh, crystals, device=device)
    after = objective.validate(trained, crystals, device=device)
    for term in ("given, lattice", "de novo, species"):
        assert after[f"{term}, 0.5-0.75"] < 0.9 * before[f"{term}, 0.5-0.75"], term


def test_weights_come_back(tmp_path: Path, crystals: CrystalSet) -> None:
    objective = JointObjective.fit(crystals, weights=LossWeights(compactness=0.0))
    net = build_network("joint", CONFIG)
    path = tmp_path / "w.safetensors"
    sizes = CellSizes.fit(np.diff(crystals.offsets).tolist(), crystals.labels)
    digest = save_joint_model(net, objective, sizes, path)
    model = load_joint_model(path)
    assert (model.digest, model.objective) == (digest, objective)
    assert model.sizes == sizes
    for key, value in net.state_dict().items():
        assert torch.equal(value, model.network.state_dict()[key])
    with pytest.raises(WeightsError, match="train joint"):
        load_joint_model(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(WeightsError, match="not a readable"):
        load_joint_model(tmp_path / "bad.safetensors")


def test_labels_of_another_set_are_refused(crystals: CrystalSet) -> None:
    with pytest.raises(TrainingDataError, match="labels"):
        JointObjective.fit(replace(crystals, labels=np.zeros((2, 4))))
