"""Short searches for formulas that no source holds: what is listed, found, resumed and reported."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from find_references import (
    CLOSE,
    LIKELIEST,
    Block,
    element_hull,
    list_missing,
    report,
    search,
    search_one,
    write_missing,
)

from gencsp.composition import Composition
from gencsp.minimise import RelaxSettings
from gencsp.potentials import get_potential

SALT = bulk("MgO", "rocksalt", a=4.21)
#: Two likely skeletons of each: nothing here calls a network.
QUICK = (Block(LIKELIEST, 2),)


def energies(path: Path, **table: float) -> Path:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("material_id", "formula", "e_form_per_atom"))
        writer.writerows((f"mp-{n}", formula, e) for n, (formula, e) in enumerate(table.items()))
    return path


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


@pytest.mark.parametrize(("shift", "accepted"), [(0.0, True), (-0.5, False)])
def test_a_structure_as_good_as_the_table_ends_the_search(shift: float, accepted: bool) -> None:
    """Rock salt, relaxed by hand, gives the formation energy that is to be reached."""
    elements = element_hull()
    potential = get_potential("chgnet")
    (salt,) = potential.relax([SALT], RelaxSettings(fmax=0.05, steps=500))
    wanted = elements.decomposition_energy(Composition.parse("MgO"), salt.energy_per_atom) + shift
    line = search_one("MgO", wanted, QUICK, elements, seed=0)
    assert (line["accepted"], line["found_at"] is not None) == (accepted, accepted)
    assert line["relaxations"] == 2
    assert line["formation_energy"] == pytest.approx(wanted - shift, abs=CLOSE)
    atoms = Atoms(line["numbers"], scaled_positions=line["fractional"], cell=line["cell"], pbc=True)
    (again,) = potential.evaluate([atoms])
    assert again.energy / len(atoms) == pytest.approx(line["energy_per_atom"], abs=1e-4)
    assert line["space_group"] == 225


def test_a_search_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("find_references.ROUNDS", (QUICK, QUICK))
    missing = list_missing(energies(tmp_path / "e.csv.gz", MgO=-99.0, NaCl=5.0, LiF=5.0), [], None)
    write_missing(tmp_path / "missing.csv", missing)
    search(tmp_path, until=0.0)
    checkpoint = tmp_path / "found.jsonl"
    assert len(checkpoint.read_text().splitlines()) == 1  # the protocol
    search(tmp_path)
    lines = [json.loads(line) for line in checkpoint.read_text().splitlines()[1:]]
    # Neither a formula that was found nor one on the wrong side of the hull comes again.
    assert [(line["formula"], line["round"], line["accepted"]) for line in lines] == [
        ("MgO", 0, False), ("MgO", 1, False)
    ]  # fmt: skip
    whole = checkpoint.read_text()
    checkpoint.write_text(whole[: whole.rindex('"cell"')])  # killed in the middle of a line
    search(tmp_path)
    again = [json.loads(line) for line in checkpoint.read_text().splitlines()[1:]]
    for one, other in zip(again, lines, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_what_was_found_is_counted_once_and_by_the_last_round() -> None:
    def line(
        formula: str, number: int, found_at: int | None, energy: float = -1.0
    ) -> dict[str, object]:
        return {
            "formula": formula, "round": number, "accepted": found_at is not None,
            "found_at": found_at, "relaxations": 4, "seconds": 1800.0, "table": -1.0,
            "formation_energy": energy,
        }  # fmt: skip

    facts = report(
        [
            line("MgO", 0, None),
            line("NaCl", 0, 1),
            line("MgO", 1, 7, -1.2),
            line("MgAl2O4", 0, None),
        ]
    )
    assert (facts["all"]["found"], facts["all"]["of"]) == (2, 3)
    assert facts["all"]["median relaxations where found"] == 4
    low, high = facts["all"]["interval"]
    np.testing.assert_allclose((low, high), (0.208, 0.939), atol=2e-3)  # Wilson, z = 1.96
    assert facts["2 elements"]["found"] == facts["01-05 atoms in the formula"]["found"] == 2
    assert facts["3 elements"] == {
        "found": 0, "of": 1, "interval": [0.0, 0.793], "median relaxations where found": None
    }  # fmt: skip
    assert facts["suspect"] == ["MgO"]
    assert facts["processor hours"] == 1.5
