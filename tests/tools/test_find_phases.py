"""Known phases are searched in their space group, and only where the table lacks them."""

import json
from pathlib import Path
from typing import Any

import find_phases
import numpy as np
import pytest
from ase import Atoms
from find_phases import TOO_HIGH, search, search_one
from reference_checkpoint import protocol
from reference_sources import FOUND, OQMD_ICSD
from reference_table import ReferenceTable, read_table, write_table

from gencsp.composition import Composition
from gencsp.convex_hull.entries import DEFAULT_MODEL
from gencsp.minimise import Outcome
from gencsp.minimise.result import Relaxed
from gencsp.symmetry.refinement import space_group


def row(formula: str, energy: float, group: int, start: int | None = None) -> dict[str, Any]:
    elements = [e for e, n in Composition.parse(formula).counts for _ in range(n)]
    numbers = Atoms(elements).numbers.tolist()
    cell = [[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0]]
    fractional = [[n / len(numbers), 0, 0] for n in range(len(numbers))]
    return {
        "formula": formula, "energy_per_atom": energy, "space_group": group,
        "space_group_start": start or group, "numbers": numbers, "cell": cell,
        "fractional": fractional,
    }  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    table = ReferenceTable()
    table.add(row("NaCl", -3.4, 225), OQMD_ICSD, "salt")
    table.add(row("KNbO3", -8.05, 221, 160), OQMD_ICSD, "cubic since it was relaxed")
    table.add(row("MgO", -5.9, 194), FOUND, "high")
    write_table(table, tmp_path, protocol())
    return tmp_path


def test_phases_that_the_table_lacks_are_searched_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []
    salt = Atoms("NaCl", scaled_positions=[[0, 0, 0], [0.5] * 3], cell=[3.4] * 3, pbc=True)

    def answer(formula: str, group: int) -> Relaxed | None:
        asked.append((formula, group))
        if formula == "KNbO3":
            return None
        energy = {"NaCl": -3.4 + 2 * TOO_HIGH, "MgO": -5.9 + TOO_HIGH / 2, "LiF": 5.0}[formula]
        return Relaxed(
            index=0, atoms=salt, energy=2 * energy, enthalpy=2 * energy, fmax=0.0,
            stress=np.zeros(6), steps=1, outcome=Outcome.CONVERGED,
        )  # fmt: skip

    monkeypatch.setattr(find_phases, "search_one", answer)
    wanted = [("NaCl", 225), ("NaCl", 221), ("KNbO3", 160), ("KNbO3", 38), ("MgO", 225)]
    checkpoint = tmp_path / "phases.jsonl"
    search(wanted, data, checkpoint)
    search([*wanted, ("LiF", 225), ("MoAl22", 136)], data, checkpoint)  # the last: too many atoms
    assert asked == [("NaCl", 221), ("KNbO3", 38), ("MgO", 225), ("LiF", 225)]
    lines = [json.loads(line) for line in checkpoint.read_text().splitlines()[1:]]
    assert {line["source_id"]: line["accepted"] for line in lines} == {
        "found-NaCl-221": False,  # too far above rock salt
        "found-KNbO3-38": False,  # nothing kept the space group
        "found-MgO-225": True,
        "found-LiF-225": True,  # nothing else is known of it
    }
    assert read_table(data, DEFAULT_MODEL).rows.keys() == {
        "salt", "cubic since it was relaxed", "high"
    }  # fmt: skip


def test_the_lowest_crystal_that_keeps_the_space_group_is_taken() -> None:
    found = search_one("MgO", 225, proposals=2)
    assert found is not None
    assert space_group(found.atoms).number == 225
    assert len(found.atoms) == 2
