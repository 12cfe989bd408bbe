from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from tiny_dp_cdvae import write_tiny_dp_cdvae

import gencsp
from gencsp.calculators.potential import CHGNetCalculator
from gencsp.deck import Deck
from gencsp.diffusion.batch import CrystalBatch
from gencsp.diffusion.dp_cdvae.model import load_dp_cdvae
from gencsp.diffusion.joint.model import load_joint_model
from gencsp.diffusion.networks import engines
from gencsp.diffusion.positions.model import load_score_model
from gencsp.diffusion.training.settings import TrainDeck
from gencsp.errors import EngineError
from gencsp.executors.devices import find_device, on_processor
from gencsp.plugins import Choice
from gencsp.potentials import get_potential
from gencsp.proposers.base import ProposerContext
from gencsp.runs import decks, discover_decks, host_decks, pool_decks
from gencsp.runs.generators import DeNovo
from gencsp.runs.parts import NamedProposer
from gencsp.searches.moves.base import Tools
from gencsp.searches.moves.latent import LatentNeighbour
from gencsp.suites import deck as suites

#: A name of the processor that only PyTorch knows, so that what it runs takes the way of a GPU.
TORCH_CPU = "cpu:0"
#: A device that PyTorch has everywhere and that computes nothing, to see what was moved there.
META = "meta"
NOWHERE = "cuda:99"
SALT = bulk("NaCl", "rocksalt", a=5.7)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were a GPU, which is in truth the device that computes nothing."""
    monkeypatch.setattr(engines, "find_device", lambda _: torch.device(META))


def device_of(network: torch.nn.Module) -> str:
    return next(network.parameters()).device.type


def test_auto_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert find_device("auto").type == expected
    assert on_processor("auto")
    assert on_processor("cpu")
    assert not on_processor("cuda:1")
    assert find_device(TORCH_CPU) == torch.device(TORCH_CPU)


@pytest.mark.parametrize("name", [NOWHERE, "gpu", "", "cuda:"])
def test_a_device_that_is_not_there_is_named_with_what_to_do(name: str) -> None:
    with pytest.raises(EngineError, match=f"'{name}' is not available.*use 'cpu', or 'auto'"):
        find_device(name)


def test_chgnet_leaves_its_native_engine_for_a_device_alone() -> None:
    assert get_potential(device="auto") is get_potential()
    assert get_potential(device="cpu").name == get_potential().name
    on_torch = get_potential(device=TORCH_CPU)
    assert on_torch.name == "torch"
    mine, theirs = (one.evaluate([SALT])[0] for one in (get_potential(), on_torch))
    assert theirs.energy == pytest.approx(mine.energy, abs=1e-4)
    np.testing.assert_allclose(theirs.forces, mine.forces, atol=1e-3)
    assert CHGNetCalculator(device=TORCH_CPU).engine.name == "torch"


@pytest.mark.parametrize("load", [load_score_model, load_joint_model])
def test_networks_go_where_they_are_sent(load: Callable[..., Any]) -> None:
    assert load().network.native is not None
    for name, expected in ((TORCH_CPU, "cpu"), (META, META)):
        network = load(device=name).network
        assert network.native is None, name
        assert device_of(network) == expected
    with pytest.raises(EngineError, match="native engine has no device"):
        load(device=TORCH_CPU, engine="native")


@pytest.mark.usefixtures("gpu")
def test_auto_moves_to_a_gpu_only_what_torch_alone_runs(tmp_path: Path) -> None:
    assert device_of(load_score_model().network) == "cpu"
    assert device_of(load_score_model(device="cpu", engine="torch").network) == "cpu"
    assert device_of(load_score_model(engine="torch").network) == META
    weights = write_tiny_dp_cdvae(tmp_path / "tiny.safetensors")
    assert device_of(load_dp_cdvae(weights).network) == META
    assert device_of(load_dp_cdvae(weights, device="cpu").network) == "cpu"


def test_a_score_is_the_same_by_the_way_of_a_gpu() -> None:
    crystals = [SALT.repeat((2, 1, 1)), bulk("Si").repeat((1, 1, 2))]
    for one in crystals:
        one.rattle(0.3, seed=1)
    batch = CrystalBatch.from_atoms(crystals)
    sigma = torch.tensor([0.3, 1.0], dtype=torch.float64)
    mine, theirs = (load_score_model(device=name).score(batch, sigma) for name in ("cpu", "cpu:0"))
    assert torch.allclose(mine, theirs, rtol=1e-3, atol=1e-3 * float(mine.abs().max()))


def every_deck() -> list[type[Deck]]:
    found: set[type[Deck]] = {TrainDeck}
    for module in (decks, pool_decks, host_decks, discover_decks, suites):
        found |= {
            one
            for one in vars(module).values()
            if isinstance(one, type) and issubclass(one, Deck) and one.__module__ == module.__name__
        }
    return sorted(found, key=lambda one: one.__name__)


def test_whatever_runs_a_model_has_a_device() -> None:
    running = [
        one for one in every_deck() if {"engine", "weights", "potential"} & one.model_fields.keys()
    ]
    assert len(running) > 12
    assert [one.__name__ for one in running if "device" not in one.model_fields] == []
    assert {str(one.model_fields["device"].default) for one in running} == {"auto"}


CALLS: dict[str, Callable[[Path], object]] = {
    "relax": lambda _: gencsp.relax([SALT], device=NOWHERE),
    "hull": lambda _: gencsp.hull([SALT], device=NOWHERE),
    "refine": lambda _: gencsp.refine([SALT], guests=["Na"], workers=1, device=NOWHERE),
    "search": lambda _: gencsp.search("NaCl", budget=1, workers=1, device=NOWHERE),
    "cycle": lambda _: gencsp.cycle("NaCl", n=1, workers=1, device=NOWHERE),
    "discover": lambda _: gencsp.discover(n=1, workers=1, device=NOWHERE),
    "intercalate": lambda _: gencsp.intercalate(
        bulk("Si"), guest="Li", x="0,1", workers=1, device=NOWHERE
    ),
    "analyse": lambda _: gencsp.analyse([SALT], potential="chgnet", device=NOWHERE),
    "reconstruct": lambda weights: list(
        gencsp.reconstruct([SALT], weights=weights, device=NOWHERE)
    ),
    "neighbours": lambda weights: list(gencsp.neighbours([SALT], weights=weights, device=NOWHERE)),
    "interpolate": lambda weights: gencsp.interpolate(SALT, SALT, weights=weights, device=NOWHERE),
    "propose": lambda _: list(
        gencsp.propose("NaCl", n=1, proposer="score", context=ProposerContext(device=NOWHERE))
    ),
    "pigen": lambda _: list(
        gencsp.propose("NaCl", n=1, proposer="pigen", context=ProposerContext(device=NOWHERE))
    ),
    "dp-cdvae": lambda weights: list(
        gencsp.propose(
            "NaCl",
            n=1,
            proposer="dp-cdvae",
            context=ProposerContext(weights=weights, device=NOWHERE),
        )
    ),
    "de novo": lambda _: DeNovo.of(
        "pigen", (), guidance=0.0, elements=None, atoms=4, weights=None, device=NOWHERE
    ).identify(),
    "a move": lambda weights: LatentNeighbour(weights=weights)(
        [SALT], rng=np.random.default_rng(0), tools=Tools(device=NOWHERE)
    ),
    "an order by energy": lambda _: NamedProposer(
        Choice.of("substitution", {"rank": "joint"}), device=NOWHERE
    )(),
    "a filter": lambda _: list(
        gencsp.filter([SALT], filters=[{"name": "hull_energy", "device": NOWHERE}])
    ),
    "a named proposer": lambda _: NamedProposer(Choice("pigen"), device=NOWHERE)(),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_device_reaches_every_model(call: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=f"'{NOWHERE}' is not available"):
        CALLS[call](write_tiny_dp_cdvae(tmp_path / "tiny.safetensors"))


def test_a_search_by_the_way_of_a_gpu_relaxes_a_batch_together() -> None:
    """All trials of a batch relax in one call, so that a device has enough to do."""
    settings: dict[str, Any] = {
        "seeds": (),
        "budget": 4,
        "batch": 4,
        "workers": 1,
        "atoms": 4,
        "steps": 5,
        "hull": "none",
    }
    found = gencsp.search("NaCl", device=TORCH_CPU, **settings)
    again = gencsp.search("NaCl", device="cpu", engine="torch", **settings)
    assert len(found) == len(again)
    for one, other in zip(found, again, strict=True):
        assert isinstance(one, Atoms)
        np.testing.assert_array_equal(one.positions, other.positions)
