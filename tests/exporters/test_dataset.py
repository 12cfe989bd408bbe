"""Data sets are what MACE, CHGNet and matgl take them for: units, signs, one model, the split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from chgnet.data.dataset import StructureData
from chgnet.model.model import CHGNet
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Structure
from typer.testing import CliRunner

import gencsp
from gencsp.cli import app
from gencsp.composition import Composition
from gencsp.errors import DeckError, ExportError, RequestError, StoreError
from gencsp.exporters.dataset import Dataset, DatasetReport
from gencsp.io.structures import write_extxyz
from gencsp.minimise import RelaxSettings
from gencsp.potentials import get_potential
from gencsp.runs.pools import hull

RUNNER = CliRunner()
#: eV/Å³ in GPa, of CODATA 2018.
EV_PER_A3 = 160.2176634


def labelled(atoms: Atoms, name: str, *, model: str = "emt") -> Atoms:
    """With the results of EMT."""
    live = atoms.copy()
    live.calc = EMT()
    atoms.calc = SinglePointCalculator(
        atoms,
        energy=live.get_potential_energy(),
        forces=live.get_forces(),
        stress=live.get_stress(),
    )
    atoms.info |= {"structure_id": name, "energy_model": model}
    return atoms


def pool() -> list[Atoms]:
    """Strained and shaken metals, under tension and under compression."""
    found = []
    for number, (symbol, scale) in enumerate(
        [("Cu", 1.05), ("Cu", 0.95), ("Au", 1.03), ("Ni", 0.98), ("Ag", 1.0), ("Ag", 1.02)]
    ):
        atoms = bulk(symbol, cubic=True)
        atoms.set_cell(atoms.cell * scale, scale_atoms=True)
        atoms.rattle(0.05, seed=number)
        found.append(labelled(atoms, f"s{number}"))
    return found


def tension(atoms: Atoms) -> float:
    """Trace of the stress over three in GPa, by finite differences: positive where it would shrink.

    Independent of every code's sign: dE/dV of a uniform strain.
    """
    energies = []
    for step in (1e-4, -1e-4):
        moved = atoms.copy()
        moved.set_cell(atoms.cell * (1 + step), scale_atoms=True)
        moved.calc = EMT()
        energies.append(moved.get_potential_energy())
    return float((energies[0] - energies[1]) / 2e-4 / (3 * atoms.get_volume()) * EV_PER_A3)


def exported(structures: Sequence[Atoms], folder: Path, **options: object) -> DatasetReport:
    report = gencsp.export(structures, folder, to={"name": "dataset", **options})
    assert isinstance(report, DatasetReport)
    return report


def test_mace_reads_energies_forces_and_stresses(tmp_path: Path) -> None:
    exported(pool(), tmp_path / "d", validation=0.0)
    frames = ase.io.read(tmp_path / "d" / "mace_train.extxyz", ":")
    for frame, atoms in zip(frames, pool(), strict=True):
        assert frame.calc is None  # what ASE takes for results MACE does not see
        assert frame.info["REF_energy"] == pytest.approx(atoms.get_potential_energy(), abs=1e-7)
        np.testing.assert_allclose(frame.arrays["REF_forces"], atoms.get_forces(), atol=1e-7)
        stress = np.asarray(frame.info["REF_stress"])
        assert stress.shape == (3, 3)
        np.testing.assert_allclose(stress, atoms.get_stress(voigt=False), atol=1e-9)
        assert np.trace(stress) / 3 * EV_PER_A3 == pytest.approx(tension(atoms), abs=0.02)
        np.testing.assert_allclose(frame.cell.array, atoms.cell.array, atol=1e-7)


def chgnet_data(path: Path) -> StructureData:
    """As chgnet's own example of fine-tuning reads what its ``parse_vasp_dir`` saved."""
    content = json.loads(path.read_text())
    return StructureData(
        structures=[Structure.from_dict(one) for one in content["structure"]],
        energies=content["energy_per_atom"],
        forces=content["force"],
        stresses=content["stress"],
        magmoms=content.get("magmom"),
        shuffle=False,
    )


def test_chgnet_reads_energies_forces_and_stresses(tmp_path: Path) -> None:
    exported(pool(), tmp_path / "d", validation=0.0)
    data = chgnet_data(tmp_path / "d" / "chgnet_train.json")
    for number, atoms in enumerate(pool()):
        _, targets = data[number]
        assert float(targets["e"]) == pytest.approx(atoms.get_potential_energy() / len(atoms))
        np.testing.assert_allclose(targets["f"].numpy(), atoms.get_forces(), atol=1e-5)
        assert np.trace(targets["s"].numpy()) / 3 == pytest.approx(tension(atoms), abs=0.02)


def test_labels_of_chgnet_are_what_it_is_trained_to_say(tmp_path: Path) -> None:
    """With its own energies the loss of an untouched CHGNet is zero, moments included."""
    atoms = bulk("NiO", "rocksalt", a=4.3) * (1, 1, 2)
    atoms.rattle(0.1, seed=2)
    (relaxed,) = (r.atoms for r in get_potential().relax([atoms], _still()))
    relaxed.info["energy_model"] = "chgnet-0.3.0"
    exported([relaxed], tmp_path / "d", validation=0.0)
    graph, targets = chgnet_data(tmp_path / "d" / "chgnet_train.json")[0]
    said = CHGNet.load(use_device="cpu", verbose=False).predict_graph(graph, task="efsm")
    assert float(targets["e"]) == pytest.approx(float(said["e"]), abs=1e-4)
    np.testing.assert_allclose(targets["f"].numpy(), said["f"], atol=2e-3)
    np.testing.assert_allclose(targets["s"].numpy(), said["s"], atol=0.05)
    np.testing.assert_allclose(targets["m"].numpy(), said["m"], atol=1e-3)
    assert targets["m"].max() > 1


def _still() -> RelaxSettings:
    return RelaxSettings(steps=0)


def test_matgl_labels(tmp_path: Path) -> None:
    exported(pool(), tmp_path / "d", validation=0.0)
    content = json.loads((tmp_path / "d" / "matgl_train.json").read_text())
    labels = content["labels"]
    assert len(content["structures"]) == len(labels["energies"]) == len(pool())
    for number, atoms in enumerate(pool()):
        structure = Structure.from_dict(content["structures"][number])
        np.testing.assert_allclose(structure.lattice.matrix, atoms.cell.array)
        np.testing.assert_allclose(structure.cart_coords, atoms.positions)
        assert labels["energies"][number] == pytest.approx(atoms.get_potential_energy())
        np.testing.assert_allclose(labels["forces"][number], atoms.get_forces())
        assert np.trace(labels["stresses"][number]) / 3 == pytest.approx(tension(atoms), abs=0.02)


def test_matgl_reads_it(tmp_path: Path) -> None:
    """Where it is installed; elsewhere in an environment of its own."""
    data = pytest.importorskip("matgl.graph.data", reason="the package matgl is not installed")
    from matgl.config import DEFAULT_ELEMENTS
    from matgl.ext.pymatgen import Structure2Graph

    exported(pool(), tmp_path / "d", validation=0.0)
    content = json.loads((tmp_path / "d" / "matgl_train.json").read_text())
    found = data.MGLDataset(
        structures=[Structure.from_dict(one) for one in content["structures"]],
        labels=content["labels"],
        converter=Structure2Graph(element_types=DEFAULT_ELEMENTS, cutoff=5.0),
        root=str(tmp_path / "cache"),
        save_cache=False,
    )
    assert len(found) == len(pool())
    *_, labels = found[0]
    assert float(labels["energies"]) == pytest.approx(pool()[0].get_potential_energy(), abs=1e-3)


def formulas(path: Path) -> list[str]:
    frames = ase.io.read(path, ":") if path.exists() else []
    return [Composition.of(atoms).formula_key for atoms in frames]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), validation=st.floats(0.01, 0.9))
def test_no_composition_is_on_both_sides(
    tmp_path_factory: pytest.TempPathFactory, seed: int, validation: float
) -> None:
    folder = tmp_path_factory.mktemp("split") / "d"
    report = exported(pool(), folder, seed=seed, validation=validation, forms=["mace"])
    train, valid = (formulas(folder / f"mace_{part}.extxyz") for part in ("train", "valid"))
    assert not set(train) & set(valid)
    assert (len(train), len(valid)) == (report.train, report.valid)
    assert len(train) + len(valid) == 6
    assert train
    assert valid
    assert len(valid) <= max(1, validation * 6)


def test_the_split_follows_from_the_seed(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), *((f"c{k}", k) for k in range(8))):
        exported(pool(), tmp_path / name, seed=seed, validation=0.4, forms=["mace"])
    sides = {p.name: formulas(p / "mace_valid.extxyz") for p in tmp_path.iterdir()}
    assert sides["a"] == sides["b"]
    assert len({tuple(side) for side in sides.values()}) > 1


def test_structures_of_one_composition_are_split_on_request(tmp_path: Path) -> None:
    copper = pool()[:2]
    assert exported(copper, tmp_path / "a", validation=0.5).valid == 0
    assert not (tmp_path / "a" / "chgnet_valid.json").exists()
    assert exported(copper, tmp_path / "b", validation=0.5, split="structure").valid == 1


def test_energies_of_two_models_are_not_mixed(tmp_path: Path) -> None:
    mixed = [*pool(), labelled(bulk("Pt"), "other", model="another")]
    with pytest.raises(ExportError, match=r"another, emt.*model=NAME"):
        exported(mixed, tmp_path / "d")
    assert not (tmp_path / "d").exists()
    report = exported(mixed, tmp_path / "d", model="emt", validation=0.0)
    assert (report.model, report.train) == ("emt", 6)
    assert report.left_out == {"of another model": 1}


def test_what_has_no_labels_is_left_out_and_counted(tmp_path: Path) -> None:
    bare, nameless, partly, broken = (labelled(bulk("Pt"), f"x{k}") for k in range(4))
    bare.calc = None
    del nameless.info["energy_model"]
    del partly.calc.results["stress"]
    broken.calc.results["forces"] = np.full((1, 3), np.nan)
    without = [bare, nameless, partly, broken]
    report = exported([*pool(), *without], tmp_path / "d")
    assert (report.train + report.valid, sum(report.left_out.values())) == (6, 4)
    with pytest.raises(ExportError, match="none of the structures has energy, forces and stress"):
        exported(without, tmp_path / "e")


def test_one_of_each_crystal_on_request(tmp_path: Path) -> None:
    same = labelled(bulk("Cu", cubic=True) * (1, 1, 2), "twice")
    twice = [labelled(bulk("Cu", cubic=True), "once"), same]
    assert exported(twice, tmp_path / "a").train == 2
    report = exported(twice, tmp_path / "b", unique=True)
    assert report.train == 1
    assert report.left_out == {"the same crystal as another one": 1}


@pytest.mark.parametrize("wrong", [{"validation": 1.0}, {"seed": -1}, {"split": "x"}, {"a": 1}])
def test_wrong_options(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(DeckError):
        exported(pool(), tmp_path / "d", **wrong)


def test_settings_of_seeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no 'pressure'"):
        gencsp.export(pool(), tmp_path / "d", to="dataset", pressure=1.0)


def test_a_folder_that_is_taken_or_a_file_is_refused(tmp_path: Path) -> None:
    exported(pool(), tmp_path / "d")
    with pytest.raises(StoreError):
        exported(pool(), tmp_path / "d")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        exported(pool(), tmp_path / "file" / "d")


@pytest.mark.usefixtures("in_this_process")
def test_the_command_takes_a_search(tmp_path: Path) -> None:
    run = tmp_path / "run"
    gencsp.search("NiO", seeds=[], budget=4, atoms=2, workers=1, seed=4, out=run)
    words = ["export", str(run), str(tmp_path / "d"), "--to", "dataset:split=structure"]
    said = RUNNER.invoke(app, words)
    assert said.exit_code == 0, said.output
    assert "energies of chgnet-0.3.0" in said.output
    about = json.loads((tmp_path / "d" / "dataset.json").read_text())
    assert about["energy_model"] == "chgnet-0.3.0"
    assert about["train"]


def test_results_of_hull_and_relax_make_a_data_set(tmp_path: Path) -> None:
    judged = hull([bulk("NaCl", "rocksalt", a=5.6)])
    write_extxyz(tmp_path / "hull.extxyz", judged)
    (read,) = ase.io.read(tmp_path / "hull.extxyz", ":")
    assert exported([read], tmp_path / "d").train == 1
    assert Dataset().write(judged, tmp_path / "e").train == 1
