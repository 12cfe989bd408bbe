"""Short searches for formulas that no source holds: what is listed, found, resumed and reported."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from find_references import (
    LIKELIEST,
    Missing,
    Round,
    list_missing,
    read_missing,
    search,
    search_one,
    search_protocol,
    write_missing,
)
from formation_offsets import CLOSE, element_hull, offset_of, read_offsets
from reference_search_record import read_kept, report, write_report

from gencsp.composition import Composition
from gencsp.minimise import RelaxSettings
from gencsp.potentials import get_potential

SALT = bulk("MgO", "rocksalt", a=4.21)
#: Two likely skeletons of each: nothing here calls a network.
QUICK = Round(LIKELIEST, 2)


def energies(path: Path, **table: float) -> Path:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("material_id", "formula", "e_form_per_atom"))
        writer.writerows((f"mp-{n}", formula, e) for n, (formula, e) in enumerate(table.items()))
    return path


def missing(formula: str, energy: float, expected: float | None = None) -> Missing:
    """Without ``expected`` CHGNet is expected to agree with the table."""
    return Missing(Composition.parse(formula), energy, energy if expected is None else expected)


def test_stable_formulas_without_a_row_are_listed(tmp_path: Path) -> None:
    """MgO2 is above the line from MgO to oxygen; Na is an element; LiF has a row, NaCl will."""
    table = energies(
        tmp_path / "e.csv.gz",
        MgO=-3.0,
        MgO2=-1.0,
        NaCl=-2.0,
        LiF=-3.0,
        Cs3Sb=-0.3,
        Na=0.0,
        Na2O=-1.4,
    )
    rows = tmp_path / "rows.csv"
    rows.write_text("formula,energy_per_atom,space_group\nLiF,-4.0,225\nMgO,,225\n")
    queue = tmp_path / "queue.jsonl.gz"
    queue.write_bytes(gzip.compress(b'{"formula":"Na4Cl4"}\n'))
    with gzip.open(tmp_path / "rows.csv.gz", "wt") as file:
        file.write(rows.read_text())
    found = list_missing(table, [tmp_path / "rows.csv.gz"], queue)
    assert [(m.formula.formula, m.energy) for m in found] == [
        ("MgO", -3.0), ("Na2O", -1.4), ("Cs3Sb", -0.3)
    ]  # fmt: skip
    offsets = read_offsets()
    assert [m.expected - m.energy for m in found] == pytest.approx(
        [offset_of(m.formula, offsets) for m in found]
    )
    write_missing(tmp_path / "missing.csv", found)
    again = read_missing(tmp_path / "missing.csv")
    assert [(m.formula, m.energy) for m in again] == [(m.formula, m.energy) for m in found]
    assert [m.expected for m in again] == pytest.approx([m.expected for m in found], abs=1e-6)


def test_either_energy_may_be_reached_but_no_hole() -> None:
    """Chlorides, say: CHGNet is expected to lie 0.05 eV/atom above the table."""
    item = missing("NaCl", -2.0, expected=-1.95)
    assert [item.criterion(e) for e in (-2.2, -1.981, -1.979, -1.931, -1.929)] == [
        "table", "table", "expected", "expected", None
    ]  # fmt: skip
    assert item.criterion(-2.31) is None
    # Where CHGNet is expected to lie below, the table's own energy still counts.
    assert missing("NaCl", -2.0, expected=-2.05).criterion(-1.99) == "table"


def test_a_hole_of_the_potential_is_not_found() -> None:
    """As CeYIn2 at -23 eV/atom: whatever lies that far below the table is passed over."""
    line = search_one(missing("MgO", -1.0), QUICK, element_hull(), seed=0)
    assert (line["accepted"], line["energy_per_atom"]) == (False, None)


@pytest.mark.parametrize(("shift", "accepted"), [(0.0, True), (-0.5, False)])
def test_a_structure_as_good_as_the_table_ends_the_search(shift: float, accepted: bool) -> None:
    """Rock salt, relaxed by hand, gives the formation energy that is to be reached."""
    elements = element_hull()
    potential = get_potential("chgnet")
    (salt,) = potential.relax([SALT], RelaxSettings(fmax=0.05, steps=500))
    wanted = elements.decomposition_energy(Composition.parse("MgO"), salt.energy_per_atom) + shift
    line = search_one(missing("MgO", wanted), QUICK, elements, seed=0, before=4)
    assert (line["accepted"], line["found_at"] is not None) == (accepted, accepted)
    assert line["criterion"] == ("table" if accepted else None)
    assert line["relaxations"] == 4 + 2
    assert line["found_at"] in ((5, 6) if accepted else (None,))
    assert line["formation_energy"] == pytest.approx(wanted - shift, abs=CLOSE)
    atoms = Atoms(line["numbers"], scaled_positions=line["fractional"], cell=line["cell"], pbc=True)
    (again,) = potential.evaluate([atoms])
    assert again.energy / len(atoms) == pytest.approx(line["energy_per_atom"], abs=1e-4)
    assert line["space_group"] == 225


def test_a_search_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("find_references.ROUNDS", (QUICK, QUICK))
    listed = list_missing(energies(tmp_path / "e.csv.gz", MgO=-99.0, NaCl=5.0, LiF=5.0), [], None)
    write_missing(tmp_path / "missing.csv", listed)
    search(tmp_path, until=0.0)
    checkpoint = tmp_path / "found.jsonl"
    assert len(checkpoint.read_text().splitlines()) == 1  # the protocol
    search(tmp_path)
    lines = [json.loads(line) for line in checkpoint.read_text().splitlines()[1:]]
    # Neither a formula that was found nor one on the wrong side of the hull comes again.
    assert [(x["formula"], x["round"], x["accepted"], x["relaxations"]) for x in lines] == [
        ("MgO", 0, False, 2), ("MgO", 1, False, 4)
    ]  # fmt: skip
    whole = checkpoint.read_text()
    checkpoint.write_text(whole[: whole.rindex('"cell"')])  # killed in the middle of a line
    search(tmp_path)
    again = [json.loads(line) for line in checkpoint.read_text().splitlines()[1:]]
    for one, other in zip(again, lines, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


def line(formula: str, number: int, found_at: int | None) -> dict[str, Any]:
    return {
        "formula": formula, "round": number, "accepted": found_at is not None,
        "criterion": {None: None, 1: "table"}.get(found_at, "expected"),
        "found_at": found_at, "relaxations": 8, "seconds": 1800.0, "table": -1.0,
        "formation_energy": -1.01, "space_group": 225, "numbers": [12, 8],
    }  # fmt: skip


LINES = [line("MgO", 0, None), line("NaCl", 0, 1), line("MgO", 1, 7), line("MgAl2O4", 0, None)]


def test_what_was_found_is_counted_once_and_by_the_last_round() -> None:
    facts = report(LINES)
    assert facts == report(LINES[::-1])
    assert (facts["all"]["successes"], facts["all"]["trials"]) == (2, 3)
    assert facts["all"]["median relaxations where found"] == 4
    assert facts["all"]["close to the table itself"] == 1
    assert facts["all"]["within 4 relaxations"] == 1
    low, high = facts["all"]["low"], facts["all"]["high"]
    np.testing.assert_allclose((low, high), (0.208, 0.939), atol=2e-3)  # Wilson, z = 1.96
    two, small = facts["2 elements"], facts["01-05 atoms in the formula"]
    assert two["successes"] == small["successes"] == 2
    assert facts["3 elements"]["successes"] == 0
    assert facts["3 elements"]["median relaxations where found"] is None
    assert facts["processor hours"] == 2.0


def test_what_was_searched_is_kept_without_the_energies_of_the_table(tmp_path: Path) -> None:
    kept, settings = tmp_path / "kept.jsonl.gz", {"close": CLOSE, "max_atoms": 20}
    assert read_kept(kept, settings) == []
    write_report(LINES[:2], settings, kept, tmp_path / "record.json")
    write_report(LINES[2:], settings, kept, tmp_path / "record.json")
    lines = read_kept(kept, settings)
    assert report(lines) == report(LINES)
    assert json.loads((tmp_path / "record.json").read_text())["results"] == report(LINES)
    told = gzip.decompress(kept.read_bytes()).decode()
    assert not [word for word in ('"table":', "formation", "-1.0", "numbers") if word in told]
    with pytest.raises(SystemExit, match="was made with"):
        read_kept(kept, {"close": 0.05})


def test_what_another_machine_has_searched_is_not_searched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("find_references.ROUNDS", (QUICK,))
    write_missing(tmp_path / "missing.csv", [missing("MgO", -99.0)])
    write_report([line("MgO", 0, None)], search_protocol(), tmp_path / "kept", tmp_path / "r.json")
    search(tmp_path, kept=tmp_path / "kept")
    assert len((tmp_path / "found.jsonl").read_text().splitlines()) == 1  # the protocol
