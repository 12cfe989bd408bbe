"""CHGNet with weights of a user's file: its numbers, its name, and what is refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.units import GPa
from chgnet.model.dynamics import CHGNetCalculator
from chgnet.model.model import CHGNet
from chgnet.trainer import Trainer
from safetensors.torch import save_file

from gencsp.errors import HullReferenceError, PotentialError, WeightsError
from gencsp.potentials import get_potential
from gencsp.potentials.base import require_elements
from gencsp.potentials.chgnet.select import engine_status
from gencsp.potentials.chgnet.weights_file import load_weights_file
from gencsp.runs.pools import hull

ENGINES = ["torch"] if engine_status().name != "native" else ["native", "torch"]


def other(version: str = "0.3.0", *, seed: int = 1) -> CHGNet:
    """A CHGNet whose weights are near the published ones."""
    network = CHGNet.load(model_name=version, use_device="cpu", verbose=False)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in network.parameters():
            values += (
                0.01 * values.std(correction=0) * torch.randn(values.shape, generator=generator)
            )
    return network


def salt() -> Any:
    atoms = bulk("NaCl", "rocksalt", a=5.6) * (1, 1, 2)
    atoms.rattle(0.1, seed=3)
    return atoms


def as_safetensors(network: CHGNet, path: Path) -> Path:
    save_file({name: v.contiguous() for name, v in network.state_dict().items()}, path)
    return path


def as_checkpoint(network: CHGNet, path: Path) -> Path:
    """As chgnet's own trainer saves it."""
    trainer = Trainer(model=network, targets="efs", use_device="cpu")
    trainer.training_history["e"]["train"].append(0.1)
    trainer.save(str(path))
    return path


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("version", ["0.3.0", "0.2.0"])
@pytest.mark.parametrize("write", [as_safetensors, as_checkpoint])
def test_numbers_are_those_of_chgnet_with_these_weights(
    tmp_path: Path, engine: Any, version: str, write: Any
) -> None:
    network = other(version)
    suffix = ".safetensors" if write is as_safetensors else ".pth.tar"
    path = write(network, tmp_path / f"tuned{suffix}")
    (found,) = get_potential(f"chgnet:{path}", engine=engine).evaluate([salt()], magmoms=True)
    (published,) = get_potential(f"chgnet:{version}", engine=engine).evaluate([salt()])
    atoms = salt()
    atoms.calc = CHGNetCalculator(network, use_device="cpu", stress_weight=GPa)
    assert found.energy == pytest.approx(atoms.get_potential_energy(), abs=2e-4)
    np.testing.assert_allclose(found.forces, atoms.get_forces(), atol=2e-3)
    np.testing.assert_allclose(found.stress, atoms.get_stress(), atol=2e-4)
    assert found.magmoms is not None
    np.testing.assert_allclose(found.magmoms, atoms.get_magnetic_moments(), atol=1e-3)
    assert abs(found.energy - published.energy) > 0.01


def test_name_says_the_file_and_its_weights(tmp_path: Path) -> None:
    one = load_weights_file(as_safetensors(other(), tmp_path / "mine.safetensors"))
    same = load_weights_file(as_checkpoint(other(), tmp_path / "mine.pth.tar"))
    differs = load_weights_file(as_safetensors(other(seed=2), tmp_path / "mine.safetensors"))
    assert one.model == same.model == f"chgnet-mine-{one.digest}"
    assert one.digest != differs.digest


def test_a_copy_of_published_weights_is_what_it_is(tmp_path: Path) -> None:
    network = CHGNet.load(use_device="cpu", verbose=False)
    path = as_safetensors(network, tmp_path / "copy.safetensors")
    assert load_weights_file(path).model == "chgnet-0.3.0"
    state = {name: v.contiguous() for name, v in network.state_dict().items()}
    save_file(state, path, metadata={"atom_graph_cutoff": "5.5"})
    shorter = load_weights_file(path)
    assert shorter.atom_cutoff == 5.5
    assert shorter.model != "chgnet-0.3.0"


def test_a_file_that_was_trained_on_is_loaded_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    before = get_potential(f"chgnet:{as_safetensors(other(), path)}")
    assert get_potential(f"chgnet:{path}") is before
    as_safetensors(other(seed=2), path)
    os.utime(path, ns=(1, 1))
    assert get_potential(f"chgnet:{path}").digest != before.digest


def test_energies_do_not_mix_with_those_of_the_shipped_hull(tmp_path: Path) -> None:
    path = as_safetensors(other(), tmp_path / "mine.safetensors")
    with pytest.raises(HullReferenceError, match="chgnet-mine-"):
        hull([salt()], potential=f"chgnet:{path}")


def broken(network: CHGNet, fault: str) -> dict[str, Any]:
    state = {name: v.contiguous().clone() for name, v in network.state_dict().items()}
    if fault == "shape":
        state["site_wise.bias"] = torch.zeros(3)
    elif fault == "missing":
        del state["site_wise.bias"]
    elif fault == "more":
        state["another.weight"] = torch.zeros(2)
    elif fault == "nan":
        state["site_wise.bias"][0] = torch.nan
    elif fault == "integers":
        state["site_wise.bias"] = torch.zeros(1, dtype=torch.int64)
    return state


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("shape", r"'site_wise\.bias' is 3 there and 1 in CHGNet"),
        ("missing", r"'site_wise\.bias' is absent there"),
        ("more", r"'another\.weight' is 2 there and absent in CHGNet"),
        ("nan", "not finite"),
        ("integers", "no real numbers"),
    ],
)
@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_another_network_is_refused(tmp_path: Path, fault: str, said: str, ending: str) -> None:
    state = broken(CHGNet.load(use_device="cpu", verbose=False), fault)
    path = tmp_path / f"w.{ending}"
    if ending == "pt":
        torch.save(state, path)
    else:
        save_file(state, path)
    with pytest.raises(WeightsError, match=said):
        get_potential(f"chgnet:{path}")


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    network = CHGNet.load(use_device="cpu", verbose=False)
    kept = {"state_dict": network.state_dict(), "model_args": network.model_args | {"n_conv": 5}}
    torch.save({"model": kept}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="n_conv = 5, not 4"):
        get_potential(f"chgnet:{tmp_path / 'w.pt'}")


class Trap:
    """A pickle that leaves a mark when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("save", ["torch", "pickle"])
def test_a_pickle_is_refused_and_not_executed(tmp_path: Path, save: str) -> None:
    path, mark = tmp_path / "w.pt", tmp_path / "executed"
    if save == "torch":
        torch.save({"model": Trap(mark)}, path)
    else:
        path.write_bytes(pickle.dumps(Trap(mark)))
    with pytest.raises(WeightsError, match="pickle of more than weights"):
        get_potential(f"chgnet:{path}")
    assert not mark.exists()


@pytest.mark.parametrize("ending", ["safetensors", "pth.tar"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\xff" * 100])
def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"w.{ending}"
    path.write_bytes(content)
    with pytest.raises(WeightsError):
        get_potential(f"chgnet:{path}")


def test_a_missing_file_is_called_missing_and_a_name_unknown(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there are no CHGNet weights"):
        get_potential(f"chgnet:{tmp_path / 'gone.safetensors'}")
    with pytest.raises(PotentialError, match="or name a file"):
        get_potential("chgnet:0.9.9")


def test_elements_that_it_was_not_made_for_are_told() -> None:
    require_elements(get_potential(), ["H", "Pu"])
    with pytest.raises(PotentialError, match="was not made for Am and Cm"):
        require_elements(get_potential(), ["Cm", "Li", "Am"])
