"""The weights are chgnet's own, whole, and refused where they are something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from chgnet.model.model import CHGNet

from gencsp.errors import WeightsError
from gencsp.potentials.base import ModelName
from gencsp.potentials.chgnet import weights as module
from gencsp.potentials.chgnet.weights import digest_of, load_weights


@pytest.mark.parametrize("model", ["0.3.0", "0.2.0", "r2scan"])
def test_arrays_are_those_of_chgnet(model: ModelName) -> None:
    loaded = CHGNet.load(model_name=model, use_device="cpu", verbose=False)
    weights = load_weights(model)
    state = loaded.state_dict()
    assert set(weights.arrays) == set(state)
    for name, array in weights.arrays.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, state[name].numpy())
    assert weights.atom_cutoff == loaded.graph_converter.atom_graph_cutoff
    assert weights.bond_cutoff == loaded.graph_converter.bond_graph_cutoff
    assert weights.envelope_power == loaded.bond_basis_expansion.rbf_expansion_ag.smooth_cutoff.p
    assert weights.normed == (loaded.atom_conv_layers[0].twoBody_atom.bn1 is not None)
    assert weights.readout_normed == (loaded.readout_norm is not None)


def test_digest_tells_models_apart_and_depends_on_every_number() -> None:
    digests = {load_weights(m).digest for m in ("0.3.0", "0.2.0", "r2scan")}
    assert len(digests) == 3
    assert all(len(d) == 12 and int(d, 16) >= 0 for d in digests)
    arrays = dict(load_weights().arrays)
    assert digest_of(dict(reversed(arrays.items()))) == load_weights().digest
    arrays["site_wise.bias"] = np.nextafter(arrays["site_wise.bias"], np.float32(1e9))
    assert digest_of(arrays) != load_weights().digest


def test_unknown_model_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"0\.3\.0"):
        load_weights("0.1.0")


def save(path: Path, **settings: object) -> None:
    file = path / "pretrained" / module._FILES["0.3.0"]
    file.parent.mkdir(parents=True)
    torch.save({"model": {"state_dict": {}, "model_args": settings}}, file)


def test_missing_damaged_and_foreign_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = load_weights.__wrapped__  # without the cache
    monkeypatch.setattr(module, "_package_folder", lambda: tmp_path / "none")
    with pytest.raises(WeightsError, match="missing"):
        load("0.3.0")

    monkeypatch.setattr(module, "_package_folder", lambda: tmp_path / "foreign")
    save(tmp_path / "foreign", n_conv=5)
    with pytest.raises(WeightsError, match="n_conv = 5"):
        load("0.3.0")

    monkeypatch.setattr(module, "_package_folder", lambda: tmp_path / "silent")
    save(tmp_path / "silent")
    with pytest.raises(WeightsError, match="atom_graph_cutoff"):
        load("0.3.0")

    monkeypatch.setattr(module, "_package_folder", lambda: tmp_path / "damaged")
    save(tmp_path / "damaged")
    (tmp_path / "damaged" / "pretrained" / module._FILES["0.3.0"]).write_bytes(b"not weights")
    with pytest.raises(WeightsError, match="cannot be read"):
        load("0.3.0")


def test_weights_that_somebody_changed_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = load_weights.__wrapped__
    source = module._package_folder() / "pretrained" / module._FILES["0.3.0"]
    file = torch.load(source, map_location="cpu", weights_only=True)
    file["model"]["state_dict"]["site_wise.bias"] += 1e-6
    changed = tmp_path / "pretrained" / module._FILES["0.3.0"]
    changed.parent.mkdir(parents=True)
    torch.save(file, changed)
    monkeypatch.setattr(module, "_package_folder", lambda: tmp_path)
    with pytest.raises(WeightsError, match=r"was changed: .*published ones is bbc949fbffbf"):
        load("0.3.0")
