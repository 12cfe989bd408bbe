"""Offsets by element, and what they tell of a formation energy: against made differences."""

import json
from pathlib import Path

import numpy as np
import pytest
from formation_offsets import (
    FOLDS,
    Known,
    element_hull,
    fit_offsets,
    judge,
    known_compounds,
    offset_of,
    read_offsets,
)

from gencsp.composition import Composition

#: eV per atom of the element.
TRUE = {"Li": -0.04, "O": 0.03, "Cl": 0.1}
FORMULAS = ("LiO", "Li2O", "LiCl", "Cl2O", "LiClO", "LiClO3", "Li3O", "Cl2O7")


def made(repeats: int = 400) -> list[Known]:
    compositions = [Composition.parse(formula) for formula in FORMULAS] * repeats
    return [Known(c, -1.0, (-1.0 + offset_of(c, TRUE),)) for c in compositions]


def test_offsets_that_made_the_differences_are_found() -> None:
    """Of many compounds the ridge takes little away."""
    found = fit_offsets(made())
    assert found == pytest.approx(TRUE, abs=1e-3)


def test_an_offset_is_weighed_by_the_share_of_atoms() -> None:
    assert offset_of(Composition.parse("Li2O"), TRUE) == pytest.approx((-0.08 + 0.03) / 3)
    assert offset_of(Composition.parse("LiXe"), TRUE) == pytest.approx(-0.02)


def test_an_element_of_one_compound_stays_near_zero() -> None:
    lone = Known(Composition.parse("LiXe"), 0.0, (5.0,))
    assert abs(fit_offsets([*made(), lone])["Xe"]) < 5.0 * 2


def test_each_rule_is_counted_on_parts_that_were_left_out() -> None:
    """The known crystal of chlorides is above the table by more than 20 meV/atom; another is 40
    meV/atom higher still and belongs to neither rule.
    """
    known = [Known(k.composition, k.table, (*k.energies, k.energies[0] + 0.04)) for k in made(5)]
    facts = judge(known, seed=3)
    true = facts["accepted"]["0 the known crystal"]
    chlorine_rich = sum(offset_of(k.composition, TRUE) > 0.02 for k in known)
    assert true["close to the table"]["successes"] == len(known) - chlorine_rich
    assert true["close to what is expected"]["successes"] == len(known)
    assert true["either"]["trials"] == len(known)
    other = facts["accepted"]["2 another, 20-50 meV/atom higher"]
    assert other["close to what is expected"]["successes"] == 0
    below = sum(offset_of(k.composition, TRUE) + 0.04 <= 0.02 for k in known)
    assert other["either"]["successes"] == other["close to the table"]["successes"] == below > 0
    assert facts["mean absolute difference without the offset, eV/atom"] < 0.002
    assert len(known) >= FOLDS


def test_known_compounds_are_those_of_sources_with_energies_of_formation(tmp_path: Path) -> None:
    energies = tmp_path / "e.csv"
    energies.write_text("material_id,formula,e_form_per_atom\nmp-1,MgO,-3.0\nmp-2,Mg2O2,-2.9\n")
    rows = tmp_path / "rows.csv"
    rows.write_text(
        "# model: chgnet\nformula,energy_per_atom,source\n"
        "MgO,-6.0,OQMD\nMgO,-6.2,AMCSD\nMgO,-7.0,found by gencsp\nMg,-1.0,OQMD\nMgO,,OQMD\n"
    )
    (known,) = known_compounds(energies, rows)
    formation = [
        element_hull().decomposition_energy(Composition.parse("MgO"), e) for e in (-6.2, -6.0)
    ]
    assert known.table == -3.0
    np.testing.assert_allclose(known.energies, formation)
    assert known.difference == pytest.approx(formation[0] + 3.0)


def test_the_offsets_that_are_kept_are_small_and_of_elements(tmp_path: Path) -> None:
    """They are read from the file that the searches use."""
    offsets = read_offsets()
    assert len(offsets) > 80
    assert max(map(abs, offsets.values())) < 0.5
    path = tmp_path / "offsets.json"
    path.write_text(json.dumps(TRUE))
    assert read_offsets(path) == TRUE
