"""Data of one's own: near the hull, unique, nothing held out, and the same however it is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.io import read
from pymatgen.analysis.structure_matcher import StructureMatcher

import gencsp
from gencsp.composition import Composition
from gencsp.convex_hull.hull import Hull
from gencsp.diffusion.training.data import CrystalSet, stream_extxyz
from gencsp.errors import DeckError, StoreError, StructureFileError, WrongTypeError
from gencsp.runs.candidates import StageProgress
from gencsp.runs.made_data import MadeData
from gencsp.runs.making_data import BLOCK, make_data
from gencsp.similarity import as_structure

pytestmark = pytest.mark.usefixtures("in_this_process")
SMALL: dict[str, Any] = {"atoms": 4, "workers": 1, "seed": 2}


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    path = tmp_path / "held_out.txt"
    path.write_text("NaCl\nMgO\n")
    return path


def same(one: MadeData, other: MadeData) -> bool:
    return len(one.crystals) == len(other.crystals) and all(
        a.info == b.info and np.array_equal(a.positions, b.positions)
        for a, b in zip(one.crystals, other.crystals, strict=True)
    )


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    module_in_this_process: None,  # noqa: ARG001
) -> MadeData:
    path = tmp_path_factory.mktemp("data") / "held_out.txt"
    path.write_text("NaCl\nMgO\n")
    return make_data(n=2 * BLOCK, held_out=path, **SMALL)


def test_crystals_are_near_the_hull_by_its_own_word(made: MadeData) -> None:
    hull = Hull.load()
    assert len(made.crystals) > 10
    for atoms in made.crystals:
        energy = atoms.info["energy_per_atom"]
        above = hull.decomposition_energy(Composition.of(atoms), energy)
        assert -0.1 <= above <= 0.1
        assert atoms.info["energy_above_hull"] == pytest.approx(max(above, 0.0), abs=1e-9)
        assert len(atoms) <= 4
        assert atoms.info["outcome"] == "converged"
    order = [atoms.info["decomposition_energy"] for atoms in made.crystals]
    assert order == sorted(order)


def test_everything_is_counted_and_no_crystal_comes_twice(made: MadeData) -> None:
    assert made.tried == 2 * BLOCK
    assert made.near + sum(made.failures.values()) == made.tried
    assert made.failures["no new compound"] > 0
    groups: dict[str, list[Atoms]] = {}
    for atoms in made.crystals:
        groups.setdefault(Composition.of(atoms).formula_key, []).append(atoms)
    matcher = StructureMatcher(stol=0.05)
    for group in groups.values():
        for k, one in enumerate(group):
            for other in group[:k]:
                near = abs(one.info["energy_per_atom"] - other.info["energy_per_atom"]) < 1e-4
                assert not (near and matcher.fit(as_structure(one), as_structure(other)))


def test_what_is_held_out_is_not_made(made: MadeData, tmp_path: Path) -> None:
    first = [Composition.of(atoms).formula for atoms in made.crystals[:5]]
    path = tmp_path / "more.txt"
    path.write_text("\n".join(["NaCl", "MgO", *first]))
    again = make_data(n=2 * BLOCK, held_out=path, **SMALL)
    keys = {Composition.parse(one).formula_key for one in first}
    assert not keys & {Composition.of(atoms).formula_key for atoms in again.crystals}


def test_a_run_that_was_stopped_goes_on_and_one_may_grow(
    made: MadeData, held_out: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"

    def stop(step: StageProgress) -> None:
        assert step.total == 2 * BLOCK
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_data(n=2 * BLOCK, held_out=held_out, out=folder, report=stop, **SMALL)
    smaller = make_data(n=1, held_out=held_out, out=folder, **SMALL)
    assert smaller.tried == BLOCK
    assert same(make_data(n=BLOCK + 1, held_out=held_out, out=folder, **SMALL), made)
    with pytest.raises(StoreError, match="another run"):
        make_data(n=1, held_out=held_out, out=folder, within=0.05, **SMALL)


def test_files_say_what_they_are_and_training_reads_them(made: MadeData, tmp_path: Path) -> None:
    crystals, card = made.write(tmp_path)
    found = read(crystals, ":")
    assert [a.get_chemical_formula() for a in found] == [
        a.get_chemical_formula() for a in made.crystals
    ]
    written = json.loads(card.read_text())
    assert written["crystals"] == len(found)
    assert written["left_out"] == made.failures
    assert written["settings"]["potential"] == found[0].info["energy_model"]
    gathered = CrystalSet.gather(stream_extxyz(crystals), held_out=frozenset({"ClNa"}))
    assert len(gathered) == len(found)


def test_wrong_settings_are_told(held_out: Path, tmp_path: Path) -> None:
    with pytest.raises(DeckError, match="held_out"):
        make_data(n=1)
    with pytest.raises(StructureFileError, match="cannot be read"):
        make_data(n=1, held_out=tmp_path / "nothing.txt")
    with pytest.raises(WrongTypeError):
        gencsp.make_data("deck.toml", held_out=held_out)  # type: ignore[arg-type]
