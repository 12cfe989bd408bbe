"""The C++ layers of the density networks against torch in double precision."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

if TYPE_CHECKING:
    from gencsp.diffusion.networks.native import NativeDenoiser

from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.joint.model import load_joint_model
from gencsp.diffusion.joint.process import HIDDEN, JointProcess, JointState
from gencsp.diffusion.joint.shape import LatticeScale
from gencsp.diffusion.networks import build_network
from gencsp.diffusion.networks.density import DensityNetwork
from gencsp.diffusion.networks.engines import use_engine
from gencsp.diffusion.networks.joint import JointNetwork, JointOutput
from gencsp.diffusion.positions.model import load_score_model
from gencsp.errors import EngineError

native = pytest.importorskip(
    "gencsp.diffusion.networks.native", reason="the extension is not built", exc_type=ImportError
)

PROCESS = JointProcess(
    scale=LatticeScale((0.0,) * 3 + (-0.1, 0.2, 1.7), (0.2, 0.2, 0.2, 0.15, 0.3, 0.25))
)
#: Single precision, relative to the largest value of a crystal, some hundred sums deep.
CLOSE = 2e-4


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def frozen(name: str, *, seed: int = 0, **config: float) -> nn.Module:
    """A network whose every weight is random, those too that begin at zero."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build_network(name, config)
        for parameter in network.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return network.eval().requires_grad_(False)


def has_native(network: nn.Module) -> bool:
    assert isinstance(network, DensityNetwork | JointNetwork)
    return network.native is not None


def native_of(network: nn.Module) -> NativeDenoiser:
    assert isinstance(network, DensityNetwork | JointNetwork)
    assert network.native is not None
    return network.native


def crystals(rng: np.random.Generator, sizes: list[int]) -> list[Atoms]:
    """Crystals of any shape of cell, from one atom on; two of them coincide in larger cells."""
    found = []
    for size in sizes:
        cell = np.eye(3) * (12.0 * size) ** (1 / 3) * rng.uniform(0.7, 1.4, 3)
        cell = cell + rng.normal(0.0, 0.3, (3, 3)) * cell.max() / 3
        positions = rng.random((size, 3)) @ cell
        if size > 4:
            positions[1] = positions[0]
        found.append(Atoms(rng.integers(1, 95, size), positions, cell=cell, pbc=True))
    return found


def score(network: nn.Module, batch: CrystalBatch, sigma: Tensor) -> Tensor:
    with torch.no_grad():
        out: Tensor = network(batch, sigma)
    return out


def noisy(structures: list[Atoms], rng: np.random.Generator) -> JointState:
    state = JointState.of(CrystalBatch.from_atoms(structures), PROCESS.scale)
    hidden = torch.as_tensor(rng.random(len(state.numbers)) < 0.3)
    return replace(state, numbers=torch.where(hidden, HIDDEN, state.numbers))


def joint(network: nn.Module, state: JointState, conditions: Tensor) -> JointOutput:
    dtype = next(network.parameters()).dtype
    times = torch.linspace(0.1, 0.9, len(state.sizes)).to(dtype)
    with torch.no_grad():
        out: JointOutput = network(
            state.to(dtype=dtype, device=torch.device("cpu")), times, conditions.to(dtype), PROCESS
        )
    return out


def compare(found: Tensor, known: Tensor) -> None:
    assert torch.isfinite(known).all()
    error = float((found.double() - known.double()).abs().max())
    assert error < CLOSE * max(1.0, float(known.abs().max()))


@pytest.mark.parametrize("isa", native.instruction_sets())
@pytest.mark.parametrize(("channels", "layers", "n_radial"), [(16, 1, 2), (48, 2, 10), (80, 3, 8)])
def test_the_score_network_is_that_of_torch(
    isa: str, channels: int, layers: int, n_radial: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENCSP_ISA", isa)
    network = frozen("density", channels=channels, layers=layers, n_radial=n_radial)
    rng = np.random.default_rng(1)
    batch = CrystalBatch.from_atoms(crystals(rng, [1, 2, 7, 3, 23]))
    sigma = torch.tensor([0.01, 0.1, 0.5, 1.0, 3.0])
    known = score(copy.deepcopy(network).double(), batch, sigma.double())
    use_engine(network, "native")
    assert native_of(network).isa == isa
    compare(score(network, batch.to(dtype=torch.float32), sigma), known)


@pytest.mark.parametrize("isa", native.instruction_sets())
@pytest.mark.parametrize(("channels", "layers", "waves"), [(16, 1, 1), (48, 2, 2), (112, 2, 3)])
def test_the_joint_network_is_that_of_torch(
    isa: str, channels: int, layers: int, waves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENCSP_ISA", isa)
    network = frozen("joint", channels=channels, layers=layers, n_radial=6, waves=waves)
    rng = np.random.default_rng(2)
    state = noisy(crystals(rng, [5, 1, 2, 12]), rng)
    conditions = torch.full((4, 4), torch.nan)
    conditions[1, 2], conditions[2] = 0.5, 1.0
    known = joint(copy.deepcopy(network).double(), state, conditions)
    use_engine(network, "native")
    assert native_of(network).isa == isa
    found = joint(network, state, conditions)
    for name in ("score", "velocity"):
        compare(getattr(found, name), getattr(known, name))
    assert torch.isneginf(found.logits[:, 0]).all()
    compare(found.logits[:, 1:], known.logits[:, 1:])


def test_the_shipped_weights_are_as_near_to_double_precision_as_torch() -> None:
    rng = np.random.default_rng(3)
    structures = [bulk("NaCl", "rocksalt", a=5.64, cubic=True), bulk("Si"), *crystals(rng, [9, 14])]
    batch = CrystalBatch.from_atoms(structures)
    batch = batch.with_positions(batch.positions + 0.2 * torch.as_tensor(rng.normal(size=(33, 3))))
    sigma = torch.full((4,), 0.2, dtype=torch.float64)
    by_torch, by_native = (load_score_model(engine=engine) for engine in ("torch", "native"))
    single, mine = (model.score(batch, sigma) for model in (by_torch, by_native))
    by_torch.network.double()
    known = by_torch.score(batch, sigma)
    assert (mine - known).abs().max() < 5 * (single - known).abs().max()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 30), min_size=2, max_size=12),
    workers=st.integers(1, 3),
)
def test_a_crystal_is_the_same_in_any_batch_on_any_threads(
    seed: int, sizes: list[int], workers: int
) -> None:
    model = load_joint_model(engine="native")
    rng = np.random.default_rng(seed)
    structures = crystals(rng, sizes)
    together = noisy(structures, rng)
    free = torch.full((len(sizes), 4), torch.nan)
    torch.set_num_threads(workers)
    times = torch.linspace(0.1, 0.9, len(sizes))
    network = model.network
    single = {"dtype": torch.float32, "device": torch.device("cpu")}
    with torch.no_grad():
        crystal = together.to(**single).crystals(PROCESS.scale)  # type: ignore[arg-type]
        assert isinstance(network, JointNetwork)
        noise = network._noise(together.to(**single), times, free, PROCESS)  # type: ignore[arg-type]
        whole = native_of(network).predictions(crystal, noise)
        chosen = len(sizes) // 2
        mine = crystal.owner == chosen
        alone = native_of(network).predictions(
            CrystalBatch(
                crystal.numbers[mine],
                crystal.positions[mine],
                crystal.cells[chosen : chosen + 1],
                torch.zeros(int(mine.sum()), dtype=torch.int64),
            ),
            noise[chosen : chosen + 1],
        )
    for name in ("vectors", "gradient", "logits", "shown"):
        assert torch.equal(getattr(whole, name)[mine], getattr(alone, name))
    for name in ("tensor", "pooled", "noise"):
        assert torch.equal(getattr(whole, name)[chosen], getattr(alone, name)[0])


def test_images_and_periodicity() -> None:
    """A supercell predicts the same of every copy, wherever its atoms are written down."""
    model = load_score_model(engine="native")
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    atoms.positions[1] += [0.3, -0.2, 0.1]
    double = atoms.repeat((2, 1, 1))
    double.positions[2] += double.cell[0] - 3 * double.cell[2]
    sigma = torch.tensor([0.3], dtype=torch.float64)
    one = model.score(CrystalBatch.from_atoms([atoms]), sigma)
    two = model.score(CrystalBatch.from_atoms([double]), sigma)
    assert torch.allclose(two, one.repeat(2, 1), atol=1e-3 * float(one.abs().max()))


def test_gradients_are_those_of_torch() -> None:
    network = frozen("density", channels=16, layers=2, n_radial=4)
    batch = CrystalBatch.from_atoms(crystals(np.random.default_rng(4), [3]), dtype=torch.float32)
    sigma = torch.tensor([0.5])
    slopes = []
    for engine in ("torch", "native"):
        use_engine(network, engine)
        positions = batch.positions.clone().requires_grad_(True)
        network(batch.with_positions(positions), sigma).square().sum().backward()
        assert positions.grad is not None
        slopes.append(positions.grad)
    assert torch.equal(*slopes)


def test_what_the_extension_does_not_know_is_left_to_torch() -> None:
    odd = frozen("density", channels=20, layers=1, n_radial=4)
    use_engine(odd, "auto")
    assert not has_native(odd)
    with pytest.raises(EngineError, match="multiple of 16"):
        use_engine(odd, "native")
    other = frozen("painn", channels=16, layers=1, n_radial=4)
    use_engine(other, "auto")
    with pytest.raises(EngineError, match="PaiNN"):
        use_engine(other, "native")


def test_a_network_that_learns_is_left_to_torch() -> None:
    network = frozen("density", channels=16, layers=1, n_radial=4).requires_grad_(True)
    use_engine(network, "auto")
    assert not has_native(network)
    with pytest.raises(EngineError, match="freeze"):
        use_engine(network, "native")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_do_not_keep_weights_that_could_be_old(copied) -> None:  # type: ignore[no-untyped-def]
    network = frozen("density", channels=16, layers=1, n_radial=4)
    use_engine(network, "native")
    assert has_native(network)
    assert not has_native(copied(network))


def test_an_unknown_instruction_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENCSP_ISA", "sse9")
    with pytest.raises(EngineError, match=r"choose from .*baseline"):
        load_score_model()


@pytest.mark.parametrize("cell", [np.eye(3) * np.nan, np.diag([9.0, 9.0, 1e-9])])
def test_a_cell_that_is_none_is_named(cell: np.ndarray) -> None:
    model = load_score_model(engine="native")
    batch = CrystalBatch.from_atoms([Atoms("Si", cell=np.eye(3) * 3, pbc=True)])
    with pytest.raises(EngineError, match="finite, and not flat"):
        model.score(replace(batch, cells=torch.as_tensor(cell)[None]), torch.tensor([0.1]))


BLOCKED = """
import sys
sys.modules["gencsp.diffusion.networks._denoiser"] = None  # as if it had not been built
from gencsp.diffusion.positions.model import load_score_model
from gencsp.errors import EngineError
assert load_score_model().network.native is None
try:
    load_score_model(engine="native")
except EngineError as error:
    assert "compiler" in str(error)
else:
    raise AssertionError("the native engine is not there")
"""


def test_without_the_extension_torch_predicts() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
