"""SevenNet and matgl themselves, in environments of their own beside gencsp."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from client_environments import environment, run

pytestmark = pytest.mark.clients

COMPARE = """
import json, sys
import numpy as np
from ase.build import bulk
from gencsp.potentials import get_potential
from gencsp.minimise import RelaxSettings

name, *weights = sys.argv[1:]
potential = get_potential(name)
if weights:
    from sevenn.calculator import SevenNetCalculator
    calculator = SevenNetCalculator(weights[0], device="cpu", modal=(weights + [None])[1])
else:
    calculator = potential.calculator
salt = bulk("NaCl", "rocksalt", a=5.6)
salt.rattle(0.05, seed=1)
(found,) = potential.evaluate([salt])
salt.calc = calculator
strained = salt.copy()
step = 1e-3
energies = []
for sign in (1, -1):
    moved = salt.copy()
    moved.set_cell(moved.cell * (1 + sign * step), scale_atoms=True)
    (one,) = potential.evaluate([moved])
    energies.append(one.energy)
(relaxed,) = potential.relax([salt], RelaxSettings(fmax=0.05, steps=100))
print(json.dumps({
    "model": potential.model,
    "energy": found.energy,
    "ase_energy": float(salt.get_potential_energy()),
    "forces": found.forces.tolist(),
    "ase_forces": salt.get_forces().tolist(),
    "trace": float(np.asarray(found.stress)[:3].sum() * salt.cell.volume),
    "strain_derivative": (energies[0] - energies[1]) / (2 * step),
    "outcome": str(relaxed.outcome),
    "lattice": float((4 * relaxed.atoms.cell.volume) ** (1 / 3)),
}))
"""


def compared(place: Path, folder: Path, *words: str) -> dict[str, Any]:
    (folder / "compare.py").write_text(COMPARE)
    said = run(place, folder, "python", "compare.py", *words).splitlines()[-1]
    found: dict[str, Any] = json.loads(said)
    return found


def check(found: dict[str, Any]) -> None:
    """The calculator's own numbers; and a stress that is the derivative of the energy, in eV/Å³."""
    assert found["energy"] == pytest.approx(found["ase_energy"], abs=1e-6)
    for ours, theirs in zip(found["forces"], found["ase_forces"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
    assert found["trace"] == pytest.approx(found["strain_derivative"], abs=0.02)


def test_sevennet(tmp_path: Path) -> None:
    place = environment("sevennet", "sevenn==0.13.0", layered=True)
    found = compared(place, tmp_path, "sevennet", "7net-0")
    assert found["model"] == "sevennet-7net-0"
    check(found)
    assert found["outcome"] == "converged"
    assert found["lattice"] == pytest.approx(5.69, abs=0.08)  # PBE: 5.69 Å


@pytest.mark.parametrize(
    ("name", "model", "weights"),
    [
        ("sevennet:l3i5", "sevennet-7net-l3i5", ("7net-l3i5",)),
        ("sevennet:mf-0", "sevennet-7net-mf-0-PBE", ("7net-mf-0", "PBE")),
        (
            "sevennet:model=mf-0,modal=R2SCAN",
            "sevennet-7net-mf-0-R2SCAN",
            ("7net-mf-0", "R2SCAN"),
        ),
    ],
)
def test_other_sevennets_by_name(
    tmp_path: Path, name: str, model: str, weights: tuple[str, ...]
) -> None:
    place = environment("sevennet", "sevenn==0.13.0", layered=True)
    found = compared(place, tmp_path, name, *weights)
    assert found["model"] == model
    check(found)


def test_sevennet_as_a_second_opinion(tmp_path: Path) -> None:
    place = environment("sevennet", "sevenn==0.13.0", layered=True)
    main = "from gencsp.cli import app; app()"
    words = "search NaCl --no-seeds --budget 4 --atoms 4 --workers 1 --second-opinion sevennet"
    said = run(place, tmp_path, "python", "-c", main, *words.split(), "--out", "run")
    assert "second opinion by sevennet-7net-0" in said
    rows = (tmp_path / "run" / "second_opinion.csv").read_text().splitlines()
    assert len(rows) >= 2
    refused = (
        "import sys; from gencsp.cli import app\n"
        "try:\n    app()\nexcept SystemExit as end:\n    assert end.code == 1\n    print('refused')"
    )
    said = run(
        place, tmp_path, "python", "-c", refused, "search", "NaCl", "--no-seeds", "--budget", "1",
        "--workers", "1", "--potential", "sevennet", "--out", "other",
    )  # fmt: skip
    assert "refused" in said  # the shipped hull is CHGNet's


MATGL = """
import sys
import torch, matgl
from matgl.config import DEFAULT_ELEMENTS
from matgl.models import TensorNet
from matgl.apps.pes import Potential
torch.manual_seed(0)
model = TensorNet(element_types=DEFAULT_ELEMENTS, units=8, nblocks=1, num_rbf=4, is_intensive=False)
Potential(model=model).save(sys.argv[1])
"""


def test_matgl(tmp_path: Path) -> None:
    """A small model of our own making: the published ones are downloaded."""
    place = environment("matgl", "matgl==4.1.2", layered=True)
    (tmp_path / "make.py").write_text(MATGL)
    run(place, tmp_path, "python", "make.py", "small")
    found = compared(place, tmp_path, "matgl:small")
    assert str(found["model"]).startswith("matgl-small-")
    check(found)


READ = """
import json, sys
import numpy as np
from pymatgen.core import Structure
from matgl.config import DEFAULT_ELEMENTS
from matgl.ext.pymatgen import Structure2Graph
from matgl.graph.data import MGLDataset

content = json.load(open(sys.argv[1]))
data = MGLDataset(
    structures=[Structure.from_dict(one) for one in content["structures"]],
    labels=content["labels"],
    converter=Structure2Graph(element_types=DEFAULT_ELEMENTS, cutoff=5.0),
    root="cache",
    save_cache=False,
)
graph, lattice, state, labels = data[0]
print(json.dumps({key: np.asarray(labels[key]).tolist() for key in labels}))
"""

LABEL = """
import json
import gencsp, matgl
from ase.build import bulk
from gencsp.minimise import RelaxSettings
from gencsp.potentials import get_potential
from matgl.ext.ase import PESCalculator

salt = bulk("NaCl", "rocksalt", a=5.6)
salt.rattle(0.05, seed=1)
potential = get_potential("matgl:small")
(one,) = potential.relax([salt], RelaxSettings(steps=0))
one.atoms.info["energy_model"] = potential.model
gencsp.export([one.atoms], "data", to="dataset")
salt.calc = PESCalculator(matgl.load_model("small"), stress_unit="GPa")
energy, stress = float(salt.get_potential_energy()), salt.get_stress(voigt=False).tolist()
print(json.dumps([energy, salt.get_forces().tolist(), stress]))
"""


def test_matgl_reads_a_data_set(tmp_path: Path) -> None:
    """Energies in eV, forces in eV/Å, stresses in GPa with the sign of its own potentials."""
    place = environment("matgl", "matgl==4.1.2", layered=True)
    (tmp_path / "make.py").write_text(MATGL)
    run(place, tmp_path, "python", "make.py", "small")
    (tmp_path / "read.py").write_text(READ)
    (tmp_path / "label.py").write_text(LABEL)
    said = run(place, tmp_path, "python", "label.py").splitlines()[-1]
    energy, forces, stress = json.loads(said)
    found = run(place, tmp_path, "python", "read.py", "data/matgl_train.json").splitlines()[-1]
    read = json.loads(found)
    assert read["energies"] == pytest.approx(energy, abs=1e-6)
    # The model is untrained: its numbers are small, and none of them zero.
    assert abs(stress[0][0]) > 1e-3
    for ours, theirs in zip([*read["forces"], *read["stresses"]], [*forces, *stress], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-8)
