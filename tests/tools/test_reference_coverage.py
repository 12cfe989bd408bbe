"""Coverage counts the compounds on the hull of a table, and those of them that have a reference."""

import gzip
from pathlib import Path

import pytest
from reference_coverage import Phases, coverage, draw_stable, read_phases

from gencsp.composition import Composition

# Between Li and Si at zero: LiSi is on the hull, Li2Si2 is the same formula, Li3Si lies above the
# line from Li to LiSi (-0.25 there), Li4Si on it by an energy below, SiO2 alone in its system.
ENERGIES = """\
material_id,formula,e_form_per_atom
1,LiSi,-0.5
2,Li2Si2,-0.4
3,Li3Si,-0.2
4,Li4Si,-0.3
5,SiO2,-3.0
6,Si,0.0
7,PoO2,-1.0
"""
TABLE = """\
# model: chgnet-0.3.0
formula,energy_per_atom,space_group
SiO2,-7.9,152
SiO2,-7.8,92
Li4Si,,
"""


@pytest.fixture
def phases(tmp_path: Path) -> Phases:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(TABLE.encode()))
    return read_phases(path)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_sample_is_what_lies_on_the_hull(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "energies.csv"
    path.write_text(ENERGIES)
    found = {Composition.parse(name).reduced for name in draw_stable(path, 10, seed)}
    assert found == {Composition.parse(name).reduced for name in ("LiSi", "Li4Si", "SiO2")}


def test_the_sample_depends_on_the_seed_alone(tmp_path: Path) -> None:
    first, second = tmp_path / "energies.csv", tmp_path / "reversed.csv"
    header, *rows = ENERGIES.splitlines()
    first.write_text(ENERGIES)
    second.write_text("\n".join([header, *reversed(rows)]))
    samples = {tuple(draw_stable(path, 2, 3)) for path in (first, second)}
    assert len(samples) == 1
    assert len(samples.pop()) == 2


def test_what_did_not_converge_covers_nothing(phases: Phases) -> None:
    sample = [Composition.parse(formula) for formula in ("Li4Si", "O2Si", "LiSi", "LiAlO2")]
    found = coverage(sample, phases)
    assert {group: (s["successes"], s["trials"]) for group, s in found.items()} == {
        "all": (1, 4),
        "2 elements": (1, 3),
        "3 elements": (0, 1),
    }
