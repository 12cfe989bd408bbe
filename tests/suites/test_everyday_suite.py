"""The suite of everyday compounds, on a little hull and on the one that ships with gencsp."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from shared_data import shared
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.composition import Composition
from gencsp.convex_hull.entries import DEFAULT_MODEL
from gencsp.errors import HullReferenceError, StructureFileError, SuiteError
from gencsp.shipped import shipped_bytes
from gencsp.suites.run import bench
from gencsp.suites.suite import Suite
from gencsp.suites.tasks.everyday import ABOVE_HULL, ABOVE_LOWEST, LOWEST, THERE, read_compounds

#: Formula, energy (eV/atom), space group, that before relaxation, id.
HULL = """# model: little
formula,energy_per_atom,space_group,space_group_start,source_id
Na,-1.0,229,229,a
Cl,-2.0,64,64,b
NaCl,-4.0,225,225,c
NaCl,-3.8,221,221,d
NaCl2,-3.0,12,14,e
NaCl2,-3.1,15,15,f
Na2Cl,-2.0,62,62,g
Na2Cl,-2.0003,63,63,h
"""
COMPOUNDS = """formula,space_group,name
NaCl,225,rock salt
Na2Cl2,221,"high, and written twice"
NaCl2,14,no minimum
Na2Cl,62,as low as another
Na3Cl,225,nowhere
NaCl,1,another phase
"""


@pytest.fixture
def little(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "hull.csv").write_text(HULL)
    (tmp_path / "compounds.csv").write_text(COMPOUNDS)
    return {
        "suite": "everyday",
        "truth": tmp_path / "compounds.csv",
        "hull": tmp_path / "hull.csv",
        "workers": 1,
    }


@pytest.mark.usefixtures("in_this_process")
def test_states_of_compounds_on_a_little_hull(little: dict[str, Any]) -> None:
    outcome = bench(**little)
    rows = outcome.tables["compounds"]
    assert [row["state"] for row in rows] == [
        "lowest",
        "another phase is lower",
        "another phase is lower",
        "lowest",
        "no reference",
        "known phase missing",
    ]
    salt, high, saddle, close, *_ = rows
    # Na and Cl lie at -1 and -2 eV/atom, NaCl 2.5 below half and half of them.
    assert salt["above_hull"] == 0.0
    assert (high["above_hull"], high["above_lowest"], high["lower_space_group"]) == (0.2, 0.2, 225)
    # On the line from NaCl to Cl: two thirds of -4, one third of -2.
    assert saddle["above_hull"] == pytest.approx(-3.0 + (2 * 4 + 2) / 3, abs=1e-5)
    assert (saddle["relaxed_to"], saddle["above_lowest"]) == (12, 0.1)
    assert close["above_hull"] == pytest.approx(-2.0 + (2 * 4 + 1) / 3, abs=1e-5)
    numbers = outcome.numbers()
    assert numbers[THERE]["value"] == pytest.approx(4 / 6)
    assert (numbers[LOWEST]["value"], numbers[LOWEST]["n"]) == (0.5, 4)
    assert numbers[ABOVE_LOWEST]["value"] == pytest.approx((0.2 + 0.1) / 4)
    assert numbers[ABOVE_HULL]["n"] == 4
    assert outcome.tables["counts"]["lowest"] == 2


@pytest.mark.usefixtures("in_this_process")
def test_part_of_the_compounds_from_the_command_line(
    little: dict[str, Any], tmp_path: Path
) -> None:
    given = [word for key in ("truth", "hull") for word in (f"--{key}", str(little[key]))]
    words = ["bench", "everyday", *given, "--compositions", "4", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert THERE in result.stdout
    found = json.loads((tmp_path / "run" / "bench.json").read_text())
    assert found["sample_size"] == {"compounds": 4}
    assert found["protocol"]["run"]["potential"] == "little"
    keys = [f"{row['formula']}-{row['space_group']}" for row in found["results"]["compounds"]]
    assert keys == [row["key"] for row in found["results"]["rows"]]
    every = [f"{one.formula}-{one.space_group}" for one in read_compounds(little["truth"])]
    assert keys == [key for key in every if key in keys]


@pytest.mark.usefixtures("in_this_process")
def test_bad_input(little: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENCSP_TRUTHS", raising=False)
    with pytest.raises(SuiteError, match=r"everyday_compounds\.csv.*your own table"):
        bench(suite="everyday", workers=1)
    for text, says in (
        ("formula,name\nNaCl,salt\n", "needs rows with the columns"),
        ("formula,space_group,name\n", "needs rows"),
        ("formula,space_group,name\nNaCl,231,salt\n", "space_group of row 1"),
        ("formula,space_group,name\nNaCl,225,salt\nNaXx,225,none\n", "row 2 of"),
        ("formula,space_group,name\nNaCl,cubic,salt\n", "row 1 of"),
        ("formula,space_group,name\nNaCl\n", "row 1 of"),
    ):
        (tmp_path / "compounds.csv").write_text(text)
        with pytest.raises(StructureFileError, match=says):
            bench(**little)
    (tmp_path / "compounds.csv").write_text(COMPOUNDS)
    (tmp_path / "hull.csv").write_text(HULL.replace("Cl,-2.0,64,64,b\n", "", 1))
    with pytest.raises(HullReferenceError, match="Cl"):
        bench(**little)


@pytest.mark.usefixtures("in_this_process")
def test_the_shipped_hull_against_its_table_read_by_hand(tmp_path: Path) -> None:
    known = {"NaCl": 225, "CsCl": 221, "SiO2": 154, "TiO2": 136, "C": 194, "CaCO3": 167, "H2O": 194}
    lines = [f"{formula},{group}," for formula, group in known.items()]
    (tmp_path / "some.csv").write_text("\n".join(["formula,space_group,name", *lines]) + "\n")
    outcome = bench(suite="everyday", truth=tmp_path / "some.csv", workers=1)
    text = gzip.decompress(shipped_bytes(f"references_{DEFAULT_MODEL}.csv.gz")).decode()
    wanted = {tuple(sorted(Composition.parse(formula).elements)) for formula in known}
    phases: dict[Composition, list[tuple[float, str, str]]] = defaultdict(list)
    for row in csv.DictReader(line for line in text.splitlines() if line[:1] != "#"):
        if tuple(sorted(re.findall("[A-Z][a-z]?", row["formula"]))) not in wanted:
            continue
        phase = float(row["energy_per_atom"]), row["space_group"], row["space_group_start"]
        phases[Composition.parse(row["formula"]).reduced].append(phase)
    for row in outcome.tables["compounds"]:
        there = sorted(phases[Composition.parse(row["formula"]).reduced])
        group = str(row["space_group"])
        energies = [e for e, after, _ in there if after == group]
        energies = energies or [e for e, _, before in there if before == group]
        if not there or not energies:
            assert row["state"] == ("known phase missing" if there else "no reference")
        elif energies[0] - there[0][0] <= 5e-4:
            assert row["state"] == "lowest"
        else:
            assert row["state"] == "another phase is lower"
            assert row["above_lowest"] == pytest.approx(energies[0] - there[0][0], abs=1e-5)
            assert str(row["lower_space_group"]) == there[0][1]
    assert outcome.tables["compounds"][0]["state"] == "lowest"


def test_the_table_of_compounds_is_whole() -> None:
    compounds = read_compounds(shared("hull/everyday_compounds.csv"))
    truths = Suite.open("everyday").truths
    assert truths is not None
    assert len(compounds) == truths.crystals
    assert len({one.key for one in compounds}) == len(compounds)
