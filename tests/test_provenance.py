"""Provenance survives what carries structures: info, extxyz, ase.db."""

from __future__ import annotations

import io
from pathlib import Path

import ase.db
import ase.io
import pytest
from ase.build import bulk

from gencsp.provenance import Provenance, Stage, join_parents

WHOLE = Provenance(
    structure_id="12",
    proposer="score",
    stage=Stage.REFINED,
    seed=7,
    model="3fa4c0ffee12",
    parents="r0001;f0001",
)
BARE = Provenance(structure_id="g0001", proposer="random", stage=Stage.GENERATED)


@pytest.mark.parametrize("provenance", [WHOLE, BARE])
def test_round_trips(provenance: Provenance, tmp_path: Path) -> None:
    atoms = provenance.write(bulk("Si"))
    assert Provenance.read(atoms) == provenance
    text = io.StringIO()
    ase.io.write(text, atoms, format="extxyz")
    text.seek(0)
    assert Provenance.read(ase.io.read(text, format="extxyz")) == provenance
    pairs = {key: value for key, value in atoms.info.items() if key != "structure_id"}
    database = ase.db.connect(tmp_path / "a.db")
    database.write(atoms, pairs)
    back = database.get_atoms(1, add_additional_information=True).info["key_value_pairs"]
    assert back == pairs


def test_a_child_names_its_parent_and_keeps_the_rest() -> None:
    child = WHOLE.child("i1", Stage.INPAINTED)
    assert child.parents == "12"
    assert (child.proposer, child.seed, child.model) == ("score", 7, "3fa4c0ffee12")
    assert child.child("x1", Stage.REFINED, model="other").model == "other"
    assert join_parents(["a", "b"]) == "a;b"


def test_writing_replaces_what_an_ancestor_wrote() -> None:
    atoms = BARE.write(WHOLE.write(bulk("Si")))
    assert Provenance.read(atoms) == BARE


def test_a_structure_from_elsewhere_has_none() -> None:
    atoms = bulk("Si")
    assert Provenance.read(atoms) is None
    atoms.info["structure_id"] = "mp-149"
    assert Provenance.read(atoms) is None
    atoms.info |= {"proposer": "me", "stage": "guessed"}
    assert Provenance.read(atoms) is None
