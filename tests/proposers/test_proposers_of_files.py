"""Proposers of files and modules: functions, classes, objects, and what is no proposer."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

import gencsp
from gencsp.composition import Composition
from gencsp.errors import GencspError, PluginError, RequestError
from gencsp.proposers import Request, get_proposer
from gencsp.proposers.registry import (
    inpaints,
    is_proposer,
    label_of,
    proposer_kind,
    require_inpainter,
)

CODE = """
from ase import Atoms
from gencsp.proposers import ConfiguredProposer

def propose(request, *, rng):
    symbols = request.composition.symbols(request.units[0])
    places = rng.random((len(symbols), 3))
    return Atoms(symbols, scaled_positions=places, cell=[9.0] * 3, pbc=True)

class Model:
    name = "model"
    failures = 0
    def propose(self, request, *, rng):
        for _ in range(request.n):
            yield propose(request, rng=rng)

class Options(ConfiguredProposer):
    name = "options"
    edge: float = 8.0
    def propose(self, request, *, rng):
        atoms = propose(request, rng=rng)
        atoms.set_cell([self.edge] * 3)
        yield atoms

class Needs:
    def __init__(self, weights):
        self.weights = weights

class Rooms:
    ready = Model()

number = 3
"""
REQUEST = Request(composition=Composition.parse("NaCl"), n=2, units=(1,))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The code as a file, and as the module ``their_model.code``."""
    package = tmp_path / "modules" / "their_model"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "broken.py").write_text("1 / 0\n")
    (package / "code.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "modules"), *sys.path])
    for name in [name for name in sys.modules if name.startswith("their_model")]:
        monkeypatch.delitem(sys.modules, name)
    return package / "code.py"


def made(given: str) -> list[Atoms]:
    return list(get_proposer(given).propose(REQUEST, rng=np.random.default_rng(1)))


@pytest.mark.parametrize("name", ["", ":propose", ":Model", ":Options", ":Rooms.ready"])
def test_all_forms_propose(file: Path, name: str) -> None:
    """The same from the file and from the module."""
    found = made(f"{file}{name}")
    assert len(found) == (1 if "Options" in name else 2)
    assert found[0].cell[0, 0] == (8.0 if "Options" in name else 9.0)
    assert found[0].get_chemical_formula() == "ClNa"
    others = made(f"their_model.code:{name[1:] or 'propose'}")
    assert [one.positions.tolist() for one in others] == [one.positions.tolist() for one in found]


def test_a_file_is_read_anew(file: Path) -> None:
    before = made(str(file))
    file.write_text(CODE.replace("9.0", "7.0"))
    assert (before[0].cell[0, 0], made(str(file))[0].cell[0, 0]) == (9.0, 7.0)


def test_what_a_name_stands_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert proposer_kind(str(file)) == "file"
    assert proposer_kind("their_model.code:Model") == "module"
    assert proposer_kind("random:attempts=5") == proposer_kind("pool:files") == "plug-in"
    assert is_proposer(f"{file}:Model")
    assert not is_proposer("their_model.code")
    assert (label_of(f"{file}:Model"), label_of("their_model.code:Rooms.ready")) == (
        "code",
        "ready",
    )
    assert inpaints(str(file))
    require_inpainter("their_model.code:Model")
    # A file of structures with a weight or a typing error behind it stays one.
    monkeypatch.chdir(file.parent)
    (file.parent / "pool.extxyz").touch()
    assert proposer_kind("pool.extxyz:many") == "plug-in"


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("absent.py", RequestError, "there is no file"),
        ("FILE:nothing", RequestError, "has no 'nothing'"),
        ("FILE:number", RequestError, "proposer is a int"),
        ("FILE:Needs", PluginError, "must need no arguments"),
        ("their_model.absent:Model", RequestError, r"no module 'their_model.absent'.*pigen"),
        ("their_model.broken:Model", PluginError, "cannot be imported.*division"),
        ("FOLDER/broken.py", PluginError, "cannot be run.*division"),
    ],
)
def test_what_is_none_is_refused(file: Path, name: str, kind: type[GencspError], said: str) -> None:
    given = name.replace("FILE", str(file)).replace("FOLDER", str(file.parent))
    with pytest.raises(kind, match=said):
        get_proposer(given)


def test_calls_take_them(file: Path, tmp_path: Path) -> None:
    found = list(gencsp.propose("NaCl", n=3, max_atoms=4, proposer=f"{file}:Model", seed=2))
    assert [atoms.info["structure_id"] for atoms in found] == [
        f"NaCl-code-2-{k:05d}" for k in range(3)
    ]
    deck = tmp_path / "mine.py"
    deck.write_text(CODE)
    (one,) = gencsp.propose("NaCl", n=1, max_atoms=2, proposer=str(deck), seed=2)
    assert one.info["structure_id"].startswith("NaCl-mine-")
