"""What is said to be new about a crystal, on crystals of which it is known."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from gencsp.filters.prototypes import Prototypes
from gencsp.runs import novelty
from gencsp.runs.novelty import KNOWN, NEW_CRYSTAL, NEW_FRAMEWORK, judge_novelty, write_novelty


def test_a_reference_crystal_is_known() -> None:
    atoms = write_novelty(bulk("NaCl", "rocksalt", a=5.64))
    assert atoms.info["novelty"] == KNOWN
    assert atoms.info["prototype"]


def test_other_species_in_a_known_framework_are_a_new_crystal() -> None:
    """XeTc has no entry in the references."""
    atoms = write_novelty(bulk("XeTc", "rocksalt", a=5.2))
    assert atoms.info["novelty"] == NEW_CRYSTAL
    assert atoms.info["prototype"]


def test_atoms_anywhere_are_a_new_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(novelty, "PROTOTYPES", ("prototypes",))
    rng = np.random.default_rng(1)
    cell = np.diag([4.1, 5.3, 6.9]) + rng.uniform(-0.6, 0.6, (3, 3))
    anywhere = Atoms("XeTc3Li4", scaled_positions=rng.random((8, 3)), cell=cell, pbc=True)
    anywhere.info["prototype"] = "of another geometry"
    atoms = write_novelty(anywhere)
    assert atoms.info["novelty"] == NEW_FRAMEWORK
    assert "prototype" not in atoms.info


def test_of_what_cannot_be_judged_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> NoReturn:
        raise ValueError("no primitive cell")

    monkeypatch.setattr(Prototypes, "judge", fails)
    assert not {"novelty", "prototype"} & set(write_novelty(bulk("NaCl", "rocksalt", a=5.6)).info)


def test_a_task_leaves_what_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(novelty, "PROTOTYPES", ("prototypes",))
    given = bulk("NaCl", "rocksalt", a=5.64)
    (result,) = judge_novelty([given]).results
    assert "novelty" not in given.info
    assert result.structures[0].info["novelty"] == KNOWN
