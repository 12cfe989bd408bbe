"""The joint sampler against a distribution whose denoiser is known exactly."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import spglib
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms, FixSymmetry
from scipy.stats import binomtest, kstest

from gencsp.diffusion.joint.guidance import ClassifierFree, Denoiser, EnergyGuided
from gencsp.diffusion.joint.process import HIDDEN, JointProcess, JointState
from gencsp.diffusion.joint.sampler import (
    JointSamplerSettings,
    _coordinates,
    _lattice,
    prepare,
    sample,
)
from gencsp.diffusion.joint.shape import LatticeScale
from gencsp.diffusion.networks.joint import JointOutput
from gencsp.diffusion.pull import CalculatorPotential
from gencsp.diffusion.wrapped import wrapped_score
from gencsp.errors import ConstraintError, GencspError, RequestError

SCALE = LatticeScale((0.0,) * 3 + (-0.1, 0.2, 1.7), (0.2, 0.2, 0.2, 0.15, 0.3, 0.25))
#: Two kinds of crystals of two atoms: species, distance along a, lattice, and how often.
SPECIES = ((3, 8), (11, 17))
OFFSET = torch.tensor([0.25, 0.5], dtype=torch.float64)
LATTICE = torch.tensor([-0.8, 0.8], dtype=torch.float64)
WIDTH, SPREAD = 0.02, 0.3
PRIOR = torch.tensor([0.3, 0.7], dtype=torch.float64)


@dataclass
class TwoCrystals:
    """Exact predictions for a mixture of two kinds: all three parts depend on each other.

    Kind m has species SPECIES[m], atoms at a distance (OFFSET[m], 0, 0) with width WIDTH, and all
    six lattice numbers N(LATTICE[m], SPREAD²).
    """

    process: JointProcess = field(default_factory=lambda: JointProcess(scale=SCALE))

    def predict(self, state: JointState, t: float) -> JointOutput:
        time = torch.tensor(t, dtype=torch.float64)
        alpha, spread = self.process.alpha(time), self.process.spread(time)
        numbers = state.numbers.view(-1, 2)
        frac = state.frac.view(-1, 2, 3)
        # Each atom is noised by σ, so their distance by √2·σ, on top of its own width.
        total = torch.sqrt(2 * self.process.sigma(time) ** 2 + WIDTH**2)
        apart = frac[:, 1] - frac[:, 0]
        logs, scores, lattices = [], [], []
        for m in range(2):
            centre = torch.zeros(3, dtype=torch.float64)
            centre[0] = OFFSET[m]
            d = apart - centre
            logs.append(_log_density(d, total).sum(1) + self._log_lattice(state, m, alpha, spread))
            scores.append(wrapped_score(d, total.expand_as(d)))
            variance = alpha**2 * SPREAD**2 + spread**2
            gain = alpha * SPREAD**2 / variance
            lattices.append(LATTICE[m] + gain * (state.shape - alpha * LATTICE[m]))
            wanted = torch.tensor(SPECIES[m])
            contradicted = ((numbers != HIDDEN) & (numbers != wanted)).any(1)
            logs[-1] = logs[-1].masked_fill(contradicted, -torch.inf) + torch.log(PRIOR[m])
        weight = torch.softmax(torch.stack(logs, 1), 1)
        slope = (weight[:, :, None] * torch.stack(scores, 1)).sum(1)
        score = torch.stack((-slope, slope), 1).view(-1, 3) * self.process.sigma(time)
        clean = (weight[:, :, None] * torch.stack(lattices, 1)).sum(1)
        velocity = (alpha * state.shape - clean) / spread.clamp(min=1e-9)
        logits = torch.full((len(numbers), 2, 95), -torch.inf, dtype=torch.float64)
        for m in range(2):
            for place in range(2):
                logits[:, place, SPECIES[m][place]] = torch.log(weight[:, m])
        return JointOutput(score, velocity, logits.view(-1, 95))

    def _log_lattice(
        self, state: JointState, m: int, alpha: torch.Tensor, spread: torch.Tensor
    ) -> torch.Tensor:
        variance = alpha**2 * SPREAD**2 + spread**2
        return -((state.shape - alpha * LATTICE[m]) ** 2).sum(1) / (2 * variance)


def _log_density(d: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    images = torch.arange(-6, 7, dtype=torch.float64)
    return torch.logsumexp(-((d[..., None] - images) ** 2) / (2 * sigma**2), -1)


def hidden_pair() -> Atoms:
    return Atoms("X2", cell=[3, 3, 3], pbc=True)


def rngs(n: int, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, i]) for i in range(n)]


@pytest.mark.parametrize(
    ("sampler", "narrowing"),
    # All noise drawn anew at every level narrows what is broader than the noise to 1/√2.
    [
        ("predictor-corrector", 1.0),
        ("ddim:renewal=0", 1.0),
        ("ddim:renewal=0.5", 0.9),
        ("ddim", 0.7),
    ],
)
def test_the_sampler_recovers_the_joint_distribution(sampler: str, narrowing: float) -> None:
    n = 400
    settings = JointSamplerSettings(sampler=sampler, steps=80)
    made = sample(TwoCrystals(), [hidden_pair()] * n, settings=settings, rngs=rngs(n))
    kinds = np.array([SPECIES.index(tuple(a.numbers)) for a in made])
    assert binomtest(int(kinds.sum()), n, 0.7).pvalue > 1e-3
    states = [_state(a) for a in made]
    lattice = np.array([s.shape.numpy()[0] for s in states])
    frac = np.array([a.get_scaled_positions() for a in made])
    apart = frac[:, 1] - frac[:, 0]
    for m in range(2):
        # Distances along a belong to the species, and have the width of the distribution.
        d = apart[kinds == m, 0] - float(OFFSET[m])
        d -= np.round(d)
        assert np.abs(d).max() < 6 * WIDTH
        assert d.std() == pytest.approx(narrowing * WIDTH, rel=0.2)
        volume = (lattice[kinds == m, 5] - float(LATTICE[m])) / SPREAD
        if sampler == "predictor-corrector":
            assert kstest(volume, "norm").pvalue > 1e-3
        assert np.mean(volume) == pytest.approx(0, abs=0.25)
        assert np.std(volume) == pytest.approx(narrowing, rel=0.2)


@pytest.mark.parametrize(
    ("sampler", "said"),
    [
        ("ddim:renewal=1.5", "option 'renewal' of the joint sampler 'ddim' is '1.5'"),
        ("ddim:snr=0.2", "the joint sampler 'ddim' has no option 'snr': known are renewal"),
        ("predictor-corrector:corrector_steps=-1", "option 'corrector_steps' of the joint sampler"),
        ("heun", "no joint sampler 'heun': choose from ddim, predictor-corrector"),
    ],
)
def test_options_of_samplers_are_checked_before_anything_runs(sampler: str, said: str) -> None:
    with pytest.raises(GencspError, match=said):
        JointSamplerSettings(sampler=sampler)


def test_correctors_are_taken_after_every_step_but_the_last() -> None:
    class Counted(TwoCrystals):
        calls = 0

        def predict(self, state: JointState, t: float) -> JointOutput:
            self.calls += 1
            return super().predict(state, t)

    for sampler, calls in (("ddim", 6), ("predictor-corrector:corrector_steps=2", 6 + 2 * 5)):
        model = Counted()
        settings = JointSamplerSettings(sampler=sampler, steps=6)
        sample(model, [hidden_pair()], settings=settings, rngs=rngs(1))
        assert model.calls == calls


def test_the_ancestral_step_is_the_posterior_of_ddpm() -> None:
    """Ho et al. (2020), eq. 7, with x̂_0 the network's, for coordinates (α = 1) and lattices."""
    run = prepare(
        TwoCrystals(),
        [hidden_pair()] * 2,
        settings=JointSamplerSettings(),
        rngs=rngs(2),
    )
    t, s = 0.6, 0.55
    rng = np.random.default_rng(0)
    shape, velocity = (torch.as_tensor(rng.normal(size=(2, 6))) for _ in range(2))
    frac, score = (torch.as_tensor(rng.normal(size=(4, 3))) for _ in range(2))
    process, time = run.process, torch.tensor([t, s], dtype=torch.float64)
    fresh = [np.random.default_rng([0, i]) for i in range(2)]
    z = torch.as_tensor(np.concatenate([r.standard_normal((2, 3)) for r in fresh]))
    sigma = process.sigma(time).tolist()
    gained = sigma[0] ** 2 - sigma[1] ** 2
    expected = frac + gained / sigma[0] * score + sigma[1] * np.sqrt(gained) / sigma[0] * z
    torch.testing.assert_close(_coordinates(run, frac, score, t, s, None), expected)
    z = torch.as_tensor(np.stack([r.standard_normal(6) for r in fresh]))
    (a_t, a_s), (s_t, s_s) = process.alpha(time).tolist(), process.spread(time).tolist()
    clean = (a_t * shape - s_t * velocity).clamp(-5, 5)
    lost = s_t**2 - (a_t / a_s) ** 2 * s_s**2
    mean = (a_t / a_s * s_s**2 * shape + a_s * lost * clean) / s_t**2
    expected = mean + np.sqrt(lost) * s_s / s_t * z
    torch.testing.assert_close(_lattice(run, shape, velocity, t, s, None), expected)


def _state(atoms: Atoms) -> JointState:
    from gencsp.diffusion.batch import CrystalBatch

    return JointState.of(CrystalBatch.from_atoms([atoms]), SCALE)


def test_a_given_composition_is_kept_and_decides_the_rest() -> None:
    start = Atoms(numbers=SPECIES[0], cell=[3, 3, 3], positions=np.zeros((2, 3)), pbc=True)
    settings = JointSamplerSettings(steps=40)
    made = sample(TwoCrystals(), [start] * 40, settings=settings, rngs=rngs(40))
    for atoms in made:
        assert tuple(atoms.numbers) == SPECIES[0]
        frac = atoms.get_scaled_positions()
        d = frac[1, 0] - frac[0, 0] - float(OFFSET[0])
        assert abs(d - round(d)) < 6 * WIDTH


def test_only_allowed_elements_appear() -> None:
    settings = JointSamplerSettings(steps=10)
    made = sample(
        TwoCrystals(), [hidden_pair()] * 30, settings=settings, rngs=rngs(30), elements=SPECIES[1]
    )
    assert {tuple(a.numbers) for a in made} == {SPECIES[1]}
    with pytest.raises(RequestError, match="knows no element"):
        sample(TwoCrystals(), [hidden_pair()], settings=settings, rngs=rngs(1), elements=[120])


def test_the_result_of_a_crystal_depends_on_its_own_generator_alone() -> None:
    settings = JointSamplerSettings(steps=8)
    three = sample(TwoCrystals(), [hidden_pair()] * 3, settings=settings, rngs=rngs(3))
    one = sample(TwoCrystals(), [hidden_pair()], settings=settings, rngs=rngs(3)[2:])
    np.testing.assert_array_equal(three[2].numbers, one[0].numbers)
    np.testing.assert_allclose(three[2].cell.array, one[0].cell.array, atol=1e-9)
    np.testing.assert_allclose(three[2].positions, one[0].positions, atol=1e-9)


def test_hosts_stay_and_kept_cells_are_kept() -> None:
    start = Atoms(
        numbers=SPECIES[0],
        cell=[4, 3, 3.5],
        scaled_positions=[[0.1, 0.2, 0.3], [0, 0, 0]],
        pbc=True,
    )
    start.set_constraint(FixAtoms([0]))
    for free in (True, False):
        settings = JointSamplerSettings(steps=30, free_cell=free, resampling=3)
        (made,) = sample(TwoCrystals(), [start], settings=settings, rngs=rngs(1))
        frac = made.get_scaled_positions()
        np.testing.assert_allclose(frac[0], [0.1, 0.2, 0.3], atol=1e-9)
        d = frac[1] - frac[0] - [float(OFFSET[0]), 0, 0]
        assert np.abs(d - np.round(d)).max() < 0.15
        assert np.allclose(made.cell.array, start.cell.array) is (not free)


class Noise:
    """A denoiser without any symmetry of its own."""

    process = JointProcess(scale=SCALE)

    def predict(self, state: JointState, t: float) -> JointOutput:
        rng = np.random.default_rng(int(1e6 * t))
        return JointOutput(
            torch.as_tensor(rng.normal(size=tuple(state.frac.shape))),
            torch.as_tensor(rng.normal(size=tuple(state.shape.shape))),
            torch.zeros(len(state.numbers), 95, dtype=torch.float64),
        )


@pytest.mark.parametrize("hexagonal", [False, True])
def test_fix_symmetry_is_kept_at_every_step(hexagonal: bool) -> None:
    atoms = bulk("ZnO", "wurtzite", a=3.25, c=5.2) if hexagonal else _rutile()
    atoms.set_constraint(FixSymmetry(atoms))
    group = _number(atoms)
    operations = atoms.constraints[0]
    seen = []

    def check(_, state, level):  # type: ignore[no-untyped-def]
        crystals = state.crystals(SCALE)
        metric = (crystals.cells[0] @ crystals.cells[0].T).numpy()
        for w, shift, image in zip(
            operations.rotations, operations.translations, operations.symm_map, strict=True
        ):
            np.testing.assert_allclose(w.T @ metric @ w, metric, atol=1e-6)
            moved = state.frac.numpy() @ w.T + shift - state.frac.numpy()[image]
            np.testing.assert_allclose(moved - np.round(moved), 0, atol=1e-9)
        seen.append(level)

    settings = JointSamplerSettings(steps=12)
    (made,) = sample(Noise(), [atoms], settings=settings, rngs=rngs(1), callback=check)
    assert seen == list(range(13))
    assert not np.allclose(made.cell.cellpar(), atoms.cell.cellpar(), atol=1e-2)
    assert _number(made) == group


def _number(atoms: Atoms) -> int:
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    return int(spglib.get_symmetry_dataset(cell, symprec=1e-3).number)


def _rutile() -> Atoms:
    from ase.spacegroup import crystal

    return crystal(
        ["Ti", "O"],
        [(0, 0, 0), (0.305, 0.305, 0)],
        spacegroup=136,
        cellpar=[4.6, 4.6, 2.95] + [90] * 3,
    )


def test_foreign_constraints_are_refused() -> None:
    from ase.constraints import FixBondLength

    start = Atoms(numbers=SPECIES[0], cell=[3, 3, 3], positions=np.zeros((2, 3)), pbc=True)
    start.set_constraint(FixBondLength(0, 1))
    with pytest.raises(ConstraintError):
        sample(TwoCrystals(), [start], settings=JointSamplerSettings(steps=2), rngs=rngs(1))


@dataclass
class Spring:
    """E = ½ κ |x_1 − x_0 − 0.4·a|² along a, so that the pull is known."""

    stiffness: float = 40.0

    def pull(self, structures: Sequence[Atoms]) -> tuple[torch.Tensor, torch.Tensor]:
        forces = np.zeros((2 * len(structures), 3))
        for i, atoms in enumerate(structures):
            frac = atoms.get_scaled_positions(wrap=False)
            d = frac[1] - frac[0] - [0.4, 0, 0]
            vector = (d - np.round(d)) @ atoms.cell.array
            forces[2 * i : 2 * i + 2] = np.stack((vector, -vector)) * self.stiffness
        return torch.as_tensor(forces), torch.zeros(len(structures), 3, 3, dtype=torch.float64)


def test_a_potential_moves_samples_towards_its_minimum() -> None:
    start = Atoms(numbers=SPECIES[0], cell=[3, 3, 3], positions=np.zeros((2, 3)), pbc=True)
    settings = JointSamplerSettings(steps=60)
    distance = {}
    denoisers: dict[str, Denoiser] = {
        "free": TwoCrystals(),
        "guided": EnergyGuided(TwoCrystals(), Spring(), temperature=0.2, longest=100.0),
    }
    for name, denoiser in denoisers.items():
        made = sample(denoiser, [start] * 60, settings=settings, rngs=rngs(60))
        frac = np.array([a.get_scaled_positions() for a in made])
        d = frac[:, 1, 0] - frac[:, 0, 0] - float(OFFSET[0])
        distance[name] = float(np.mean(d - np.round(d)))
    # Product of two Gaussians: the spring's stiffness is about κ·a²/kT against 1/WIDTH².
    assert abs(distance["free"]) < 0.01
    assert distance["guided"] > distance["free"] + 0.02
    with pytest.raises(RequestError, match=r"temperature is 0.*above 0"):
        EnergyGuided(TwoCrystals(), Spring(), temperature=0.0)


@dataclass
class Opinionless:
    """Predicts nothing for coordinates and lattice."""

    process: JointProcess = field(default_factory=lambda: JointProcess(scale=SCALE))

    def predict(self, state: JointState, _: float) -> JointOutput:
        shape = state.shape
        zero = torch.zeros_like(state.frac)
        return JointOutput(zero, torch.zeros_like(shape), torch.zeros(len(zero), 95))


def pulled(state: JointState, t: float, *, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """What energy guidance adds to the scores of coordinates and lattice, times kT."""
    free = Opinionless()
    potential = CalculatorPotential(LennardJones(sigma=2.0, epsilon=0.1, rc=6.0))
    settings = {"temperature": temperature, "longest": 1e6, "strongest": 1e6}
    out = EnergyGuided(free, potential, **settings).predict(state, t)
    time = torch.tensor([t], dtype=torch.float64)
    # The noise of the lattice is ε = s·k_t + α·v, and its score −ε/s.
    ratio = free.process.alpha(time) / free.process.spread(time)
    coordinates = out.score / free.process.sigma(time)
    return (temperature * coordinates).numpy(), (-temperature * ratio * out.velocity).numpy()


@pytest.mark.parametrize("stretch", [-3.0, 0.6])
def test_the_pull_is_minus_the_slope_of_the_energy(stretch: float) -> None:
    """Against finite differences of the energy of the denoised crystal, by each fractional
    coordinate and each number of the lattice: a cell that is too small grows, one too large
    shrinks."""
    t = 0.2
    # A cube, for which a change of the six numbers is a strain exactly.
    shape = torch.zeros(1, 6, dtype=torch.float64)
    shape[0, 3:5] = torch.tensor([-SCALE.mean[k] / SCALE.std[k] for k in (3, 4)])
    shape[0, 5] = stretch
    process = JointProcess(scale=SCALE)
    alpha = float(process.alpha(torch.tensor(t, dtype=torch.float64)))
    frac = torch.tensor([[0.0, 0, 0], [0.45, 0.52, 0.5]], dtype=torch.float64)
    state = JointState(
        torch.tensor([18, 18]), frac, shape / alpha, torch.tensor([0, 0]), torch.tensor([2])
    )

    def energy(moved: torch.Tensor, k: torch.Tensor) -> float:
        (atoms,) = replace(state, frac=moved, shape=k).crystals(SCALE).to_atoms()
        atoms.calc = LennardJones(sigma=2.0, epsilon=0.1, rc=6.0)
        return float(atoms.get_potential_energy())

    def slope(of: torch.Tensor, at: tuple[int, int], *, lattice: bool) -> float:
        found = []
        for sign in (1, -1):
            moved = of.clone()
            moved[at] += sign * 1e-5
            found.append(energy(frac, moved) if lattice else energy(moved, shape))
        return (found[0] - found[1]) / 2e-5

    coordinates, lattice = pulled(state, t, temperature=0.7)
    expected = [[-slope(frac, (i, j), lattice=False) for j in range(3)] for i in range(2)]
    np.testing.assert_allclose(coordinates, expected, rtol=1e-4, atol=1e-6)
    # A velocity of nothing denoises k_t to α·k_t, which is the cube.
    slopes = [-slope(shape, (0, k), lattice=True) for k in range(6)]
    np.testing.assert_allclose(lattice[0], slopes, rtol=1e-4, atol=1e-6)
    assert np.sign(lattice[0, 5]) == -np.sign(stretch)


def test_a_crystal_with_hidden_species_does_not_stop_the_pull_on_another() -> None:
    one = JointState(
        torch.tensor([18, 18]),
        torch.tensor([[0.0, 0, 0], [0.45, 0.52, 0.5]], dtype=torch.float64),
        torch.zeros(1, 6, dtype=torch.float64),
        torch.tensor([0, 0]),
        torch.tensor([2]),
    )
    alone = pulled(one, 0.2, temperature=1.0)
    both = JointState(
        torch.tensor([18, HIDDEN, 18, 18]),
        one.frac.repeat(2, 1),
        one.shape.repeat(2, 1),
        torch.tensor([0, 0, 1, 1]),
        torch.tensor([2, 2]),
    )
    coordinates, lattice = pulled(both, 0.2, temperature=1.0)
    assert np.abs(coordinates[:2]).max() == np.abs(lattice[0]).max() == 0
    np.testing.assert_allclose(coordinates[2:], alone[0])
    np.testing.assert_allclose(lattice[1:], alone[1])


class Linear(torch.nn.Module):
    """Predictions that depend on the first condition in a known way."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, state, _, conditions, __):  # type: ignore[no-untyped-def]
        q = torch.nan_to_num(conditions[:, 0])[:, None]
        rows = torch.arange(len(state.numbers))[:, None] * torch.ones(1, 3)
        logits = torch.zeros(len(state.numbers), 95)
        logits[:, 8] = 2 * q[state.owner, 0]
        logits[:, 0] = -torch.inf
        return JointOutput(q[state.owner] * rows, q.expand(-1, 6).clone(), logits)


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_classifier_free_guidance_is_eq_7(weight: float) -> None:
    from gencsp.diffusion.joint.conditions import PropertyScale
    from gencsp.diffusion.joint.model import JointModel
    from gencsp.diffusion.joint.sizes import CellSizes
    from gencsp.diffusion.training.joint_objective import JointObjective

    objective = JointObjective(
        process=JointProcess(scale=SCALE), properties=PropertyScale((0.0,) * 4, (1.0,) * 4)
    )
    model = JointModel(Linear(), objective, CellSizes({2: 1}), "none")
    state = JointState(
        torch.tensor([0, 0, 0, 8]),
        torch.rand(4, 3, generator=torch.Generator().manual_seed(0)).double(),
        torch.zeros(2, 6).double(),
        torch.tensor([0, 0, 1, 1]),
        torch.tensor([2, 2]),
    )
    nan = float("nan")
    wanted = torch.tensor([[0.8, nan, nan, nan], [nan] * 4])
    guided = ClassifierFree(model, wanted, weight).predict(state, 0.5)
    plain = ClassifierFree(model).predict(state, 0.5)
    aimed = ClassifierFree(model, wanted, 1.0).predict(state, 0.5)
    for star, free, conditional in zip(guided, plain, aimed, strict=True):
        finite = torch.isfinite(free)
        g = weight - 1
        torch.testing.assert_close(star[finite], ((1 + g) * conditional - g * free)[finite])
        assert torch.isneginf(star[~finite]).all()
    if weight == 0:
        for star, free in zip(guided, plain, strict=True):
            assert torch.equal(star, free)
    else:
        assert not torch.equal(guided.velocity[0], plain.velocity[0])
        assert torch.equal(guided.velocity[1], plain.velocity[1])
