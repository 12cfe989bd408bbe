"""The presets call programs of the real ones' names with the real ones' options, and read what
these leave in the real ones' form.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from pymatgen.core import Structure

from gencsp.composition import Composition
from gencsp.proposers import Request
from gencsp.proposers.checks import WRONG_COMPOSITION
from gencsp.proposers.external.deck import ExternalDeck
from gencsp.proposers.external.presets import PRESETS
from gencsp.proposers.external.proposer import ExternalProposer

HERE = Path(__file__).parent
NACL = Composition.parse("NaCl")

#: Options of ``mattergen.scripts.generate.main`` (1.0.3) and ``chemeleon_dng.sample.sample``
#: (0.1.5), and of DiffCSP's ``scripts/sample.py``.
OPTIONS = {
    "mattergen": {
        "output_path", "pretrained_name", "model_path", "batch_size", "num_batches",
        "config_overrides", "checkpoint_epoch", "properties_to_condition_on",
        "sampling_config_path", "sampling_config_name", "sampling_config_overrides",
        "record_trajectories", "diffusion_guidance_factor", "strict_checkpoint_loading",
        "target_compositions",
    },
    "chemeleon": {
        "task", "num_samples", "batch_size", "formulas", "num_atom_distribution", "model_path",
        "output_dir", "device", "save_json", "return_structures",
    },
    "diffcsp": {"model_path", "save_path", "formula", "num_evals", "batch_size", "step_lr"},
}  # fmt: skip

WHEELS = {
    "mattergen": ("mattergen==1.0.3", "mattergen/scripts/generate.py", "main"),
    "chemeleon": ("chemeleon-dng==0.1.5", "chemeleon_dng/sample.py", "sample"),
}

#: What fire makes of a command line, near enough: words, and options with Python values.
HEAD = f"""#!{sys.executable}
import ast, json, os, sys
sys.path.insert(0, {str(HERE)!r})
from pathlib import Path
from stand_in_generator import cif, save_as_mattergen, symbols_of
words = [w for w in sys.argv[1:] if not w.startswith("--")]
options = dict(w[2:].split("=", 1) for w in sys.argv[1:] if w.startswith("--"))
Path(os.environ["SAID"]).write_text(json.dumps([words, options]))
"""

MATTERGEN = (
    HEAD
    + """
out = Path(words[0])
n = int(options["batch_size"]) * int(options["num_batches"])
if "target_compositions" in options:
    (counts,) = json.loads(options["target_compositions"])
    made = [([s for s, c in counts.items() for _ in range(c)], k) for k in range(n)]
else:
    system = ast.literal_eval(options["properties_to_condition_on"])["chemical_system"]
    assert system == "Cl-Na"
    made = [(symbols_of(f), k) for k, f in enumerate(["NaCl", "Na2Cl2", "NaCl", "Na3Cl3"] * n)]
save_as_mattergen(out, made[:n])
"""
)
CHEMELEON = (
    HEAD
    + """
for k in range(int(options["num_samples"])):
    symbols = symbols_of(options["formulas"])
    (Path(options["output_dir"]) / f"sample_{k}_x.cif").write_text(cif(symbols, k))
"""
)
DIFFCSP = (
    HEAD
    + """
place = Path(options["save_path"]) / options["formula"]
place.mkdir(parents=True)
for k in range(int(options["num_evals"])):
    (place / f"{options['formula']}_{k + 1}.cif").write_text(cif(symbols_of(options["formula"]), k))
"""
)


def environment(place: Path, program: str, text: str) -> Path:
    (place / "bin").mkdir(parents=True)
    path = place / "bin" / program
    path.write_text(text)
    path.chmod(0o755)
    return place


def run(tmp_path: Path, n: int, **settings: object) -> tuple[ExternalProposer, list[Atoms], Any]:
    said = tmp_path / "said.json"
    deck = ExternalDeck.make(variables={"SAID": str(said)}, launches=1, retries=0, **settings)
    proposer = ExternalProposer(deck)
    request = Request(composition=NACL, n=n)
    found = list(proposer.propose(request, rng=np.random.default_rng(0)))
    return proposer, found, json.loads(said.read_text())


def test_mattergen_by_chemical_system(tmp_path: Path) -> None:
    place = environment(tmp_path / "env", "mattergen-generate", MATTERGEN)
    proposer, found, (words, options) = run(
        tmp_path, 4, preset="mattergen", environment=place, batch=2
    )
    assert len(words) == 1
    assert set(options) <= OPTIONS["mattergen"]
    assert (options["batch_size"], options["num_batches"]) == ("2", "2")
    assert [a.get_chemical_formula() for a in found] == ["ClNa", "ClNa"]
    assert {a.info["proposer"] for a in found} == {"mattergen"}
    assert proposer.rejected == {WRONG_COMPOSITION: 2}


def test_mattergen_for_structure_prediction(tmp_path: Path) -> None:
    place = environment(tmp_path / "env", "mattergen-generate", MATTERGEN)
    (tmp_path / "weights").mkdir()
    _, found, (_, options) = run(
        tmp_path, 3, preset="mattergen-csp", environment=place, model=str(tmp_path / "weights")
    )
    assert set(options) <= OPTIONS["mattergen"]
    assert json.loads(options["target_compositions"]) == [{"Na": 1, "Cl": 1}]
    assert options["model_path"] == str(tmp_path / "weights")
    assert len(found) == 3


def test_mattergen_without_its_extxyz(tmp_path: Path) -> None:
    """Died, or had no space, between its two files: the archive of CIFs is read."""
    text = MATTERGEN + '(out / "generated_crystals.extxyz").unlink()\n'
    place = environment(tmp_path / "env", "mattergen-generate", text)
    _, found, _ = run(tmp_path, 2, preset="mattergen", environment=place)
    assert [a.get_chemical_formula() for a in found] == ["ClNa"]


def test_chemeleon(tmp_path: Path) -> None:
    place = environment(tmp_path / "env", "chemeleon-dng", CHEMELEON)
    _, found, (words, options) = run(tmp_path, 3, preset="chemeleon", environment=place)
    assert words == []
    assert set(options) <= OPTIONS["chemeleon"]
    assert (options["task"], options["formulas"]) == ("csp", "Na1Cl1")
    assert len(found) == 3


def test_diffcsp(tmp_path: Path) -> None:
    (tmp_path / "home" / "scripts").mkdir(parents=True)
    (tmp_path / "home" / "scripts" / "sample.py").write_text(DIFFCSP)
    _, found, (_, options) = run(
        tmp_path, 3, preset="diffcsp", home=tmp_path / "home", model="mp_20"
    )
    assert set(options) <= OPTIONS["diffcsp"]
    assert len(found) == 3


CDVAE = """
import argparse, json, os, sys
from pathlib import Path
import torch
parser = argparse.ArgumentParser()
parser.add_argument("--model_path", required=True)
parser.add_argument("--tasks", nargs="+")
parser.add_argument("--batch_size", type=int)
parser.add_argument("--num_batches_to_samples", type=int)
parser.add_argument("--label")
args = parser.parse_args()
Path(os.environ["SAID"]).write_text(json.dumps(vars(args)))
n = args.batch_size * args.num_batches_to_samples
half = torch.tensor([[0.0, 0, 0], [0.5, 0.5, 0.5]])
torch.save(
    {
        "eval_setting": None,
        "frac_coords": half.repeat(n, 1)[None],
        "num_atoms": torch.full((1, n), 2),
        "atom_types": torch.tensor([[11, 17] * (n - 1) + [11, 35]]),
        "lengths": torch.full((1, n, 3), 4.0),
        "angles": torch.full((1, n, 3), 90.0),
    },
    Path(args.model_path) / f"eval_gen_{args.label}.pt",
)
"""


def test_cdvae(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tensors are turned into CIFs by its own Python; gencsp reads no pickle."""
    # "python" of the preset is the one of the tests, which has torch, activated or not.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "home" / "scripts").mkdir(parents=True)
    (tmp_path / "home" / "scripts" / "evaluate.py").write_text(CDVAE)
    (tmp_path / "model").mkdir()
    proposer, found, said = run(
        tmp_path, 4, preset="cdvae", home=tmp_path / "home", model=str(tmp_path / "model"), batch=2
    )
    assert said["tasks"] == ["gen"]
    assert [a.get_chemical_formula() for a in found] == ["ClNa"] * 3
    assert proposer.rejected == {WRONG_COMPOSITION: 1}
    assert list((tmp_path / "model").iterdir()) == []


def shared() -> Path:
    root = Path(__file__).parents[3]
    chosen = Path(os.environ.get("GENCSP_SHARED", root.parent / "shared"))
    pool = chosen / "data" / "pools" / "mattergen_chemical_system"
    if not pool.is_dir():
        pytest.skip(f"the published output of MatterGen is not at {pool}")
    return pool


def test_published_output_of_mattergen(tmp_path: Path) -> None:
    """Real crystals of its release, packed as its own code packs them."""
    pool = [p for p in sorted(shared().glob("*.cif")) if "symmetrized" not in p.name]
    chosen = [p for p in pool if set(Structure.from_file(p).symbol_set) == {"La", "Mo", "O"}]
    assert len(chosen) == 3
    crystals = [ase.io.read(path) for path in chosen]
    for atoms in crystals:
        atoms.info.clear()
    ase.io.write(tmp_path / "generated_crystals.extxyz", crystals, format="extxyz")
    with zipfile.ZipFile(tmp_path / "generated_crystals_cif.zip", "w") as archive:
        for n, path in enumerate(chosen):
            archive.write(path, f"gen_{n}.cif")
    for left in ("generated_crystals.extxyz", "generated_crystals_cif.zip"):
        deck = ExternalDeck.make(
            command=["cp", str(tmp_path / left), "{out}"], output=[left], launches=1
        )
        for path, atoms in zip(chosen, crystals, strict=True):
            composition = Composition.of(atoms)
            units = (len(atoms) // composition.size,)
            proposer = ExternalProposer(deck)
            request = Request(composition=composition, n=5, units=units)
            (found,) = proposer.propose(request, rng=np.random.default_rng(0))
            assert proposer.rejected == {WRONG_COMPOSITION: 2}, path
            reference = Structure.from_file(path)
            assert abs(found.cell.volume - reference.volume) < 1e-3
            assert sorted(found.symbols) == sorted(s.specie.symbol for s in reference)


def test_every_preset_is_tested() -> None:
    here = Path(__file__).read_text()
    assert all(f'preset="{name}"' in here for name in PRESETS)


@pytest.mark.clients
@pytest.mark.parametrize("name", sorted(WHEELS))
def test_the_real_programs_take_these_options(name: str, tmp_path: Path) -> None:
    """The packages themselves, read without being run."""
    requirement, file, function = WHEELS[name]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", requirement]
    done = subprocess.run([*command, "--dest", tmp_path], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{requirement} cannot be had here: {done.stderr.strip().splitlines()[-1]}")
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        tree = ast.parse(archive.read(file))
    (found,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function)
    names = {argument.arg for argument in found.args.args}
    assert names == OPTIONS[name]
    used = {w[2:].partition("=")[0] for w in PRESETS[name].command if w.startswith("--")}
    assert used <= names
