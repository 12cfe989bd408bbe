"""From a search to a CHGNet of one's own, and back into a search with its own hull."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from chgnet.data.dataset import StructureData, get_loader
from chgnet.model.model import CHGNet
from chgnet.trainer import Trainer
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from typer.testing import CliRunner

import gencsp
from gencsp.cli import app
from gencsp.convex_hull.hull import Hull

pytestmark = pytest.mark.usefixtures("in_this_process")
RUNNER = CliRunner()


def run(*words: object) -> str:
    said = RUNNER.invoke(app, [str(word) for word in words])
    assert said.exit_code == 0, said.output
    return str(said.output)


def loader(path: Path) -> Any:
    content = json.loads(path.read_text())
    data = StructureData(
        structures=[Structure.from_dict(one) for one in content["structure"]],
        energies=content["energy_per_atom"],
        forces=content["force"],
        stresses=content["stress"],
        shuffle=False,
    )
    return get_loader(data, batch_size=4)


def error(network: CHGNet, path: Path) -> float:
    """Mean absolute error of its energies, eV/atom."""
    content = json.loads(path.read_text())
    structures = [Structure.from_dict(one) for one in content["structure"]]
    said = network.predict_structure(structures, task="e")
    return float(
        np.mean([abs(s["e"] - e) for s, e in zip(said, content["energy_per_atom"], strict=True)])
    )


def test_search_export_fine_tune_references_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The labels are those of another CHGNet, which the fine-tuned one comes nearer to."""
    monkeypatch.chdir(tmp_path)
    words = ("--no-seeds", "--atoms", 4, "--workers", 1, "--steps", 60)
    run("search", "LiF", *words, "--budget", 10, "--potential", "chgnet:0.2.0", "--hull", "none",
        "--no-report", "--out", "first")  # fmt: skip
    said = run("export", "first", "data", "--to", "dataset:split=structure,validation=0.3")
    assert "energies of chgnet-0.2.0" in said
    torch.manual_seed(0)
    network = CHGNet.load(use_device="cpu", verbose=False)
    before = error(network, tmp_path / "data" / "chgnet_train.json")
    trainer = Trainer(
        model=network,
        targets="efs",
        optimizer="Adam",
        learning_rate=1e-3,
        epochs=5,
        use_device="cpu",
        print_freq=100,
    )
    trainer.train(
        loader(tmp_path / "data" / "chgnet_train.json"),
        loader(tmp_path / "data" / "chgnet_valid.json"),
        save_dir=str(tmp_path / "trained"),
    )
    trainer.save("tuned.pth.tar")
    tuned = trainer.model.eval()
    assert error(tuned, tmp_path / "data" / "chgnet_train.json") < before

    potential = ("--potential", "chgnet:tuned.pth.tar")
    run("references", "Li-F", *potential, "--out", "tuned.csv", "--workers", 1, "--steps", 100)
    hull = Hull.load(tmp_path / "tuned.csv")
    assert hull.model.startswith("chgnet-tuned-")
    run(
        "search", "LiF", *words, "--budget", 3, *potential, "--hull", "tuned.csv",
        "--out", "second", "--no-report",
    )  # fmt: skip
    found = ase.io.read("second/ranked.extxyz", ":")
    assert found
    for atoms in found:
        assert atoms.info["energy_model"] == hull.model
        assert hull.model.endswith(atoms.info["energy_digest"])
        said_by_chgnet = tuned.predict_structure(AseAtomsAdaptor.get_structure(atoms))
        assert atoms.info["energy_per_atom"] == pytest.approx(float(said_by_chgnet["e"]), abs=1e-4)
        np.testing.assert_allclose(atoms.get_forces(), said_by_chgnet["f"], atol=2e-3)
        assert atoms.info["decomposition_energy"] > -0.05
    # From elsewhere, and without --trust: weights are data, and nothing of them is executed.
    (tmp_path / "elsewhere").mkdir()
    with monkeypatch.context() as moved:
        moved.chdir(tmp_path / "elsewhere")
        run("resume", tmp_path / "second", "--budget", 4, "--no-report")
    (judged,) = gencsp.hull(found[0], potential="chgnet:tuned.pth.tar", hull=tmp_path / "tuned.csv")
    assert judged.info["decomposition_energy"] == pytest.approx(
        found[0].info["decomposition_energy"], abs=1e-5
    )
