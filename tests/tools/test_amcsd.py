"""The mineral database is read into crystals, and what is no whole crystal is left out."""

import base64
import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import amcsd
import numpy as np
import pytest
from ase.spacegroup import Spacegroup, crystal
from numpy.typing import ArrayLike, NDArray
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core.operations import SymmOp
from pymatgen.io.ase import AseAtomsAdaptor

from gencsp.composition import Composition

#: formula, cell parameters, space group, labels, places, occupancies (all 1 where ``None``)
Entry = tuple[
    str, Sequence[float], int, list[str], Sequence[Sequence[float]], Sequence[float] | None
]


def stored(numbers: ArrayLike) -> str:
    return base64.b64encode(np.round(np.array(numbers) * 4e6).astype("<i4").tobytes()).decode()


def as_text(rotation: NDArray[np.int64], shift: NDArray[np.float64]) -> str:
    rows = []
    for row, t in zip(rotation, shift, strict=True):
        letters = "".join(
            f"{'+' if n > 0 else '-'}{x}" for n, x in zip(row, "xyz", strict=True) if n
        )
        rows.append((f"{round(12 * t)}/12" if t else "") + letters)
    return ",".join(rows)


def operations(group: int) -> str:
    return json.dumps([as_text(*operation) for operation in Spacegroup(group).get_symop()])


def made(path: Path, *entries: Entry) -> Path:
    """A database of entries (formula, cell parameters, group, labels, places, occupancies)."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE spacegroups (id INTEGER, symmetry_xyz TEXT)")
        db.execute(
            "CREATE TABLE cif (id, spacegroup_id, formula, a, b, c, alpha, beta, gamma,"
            " atoms_sites, atoms_x, atoms_y, atoms_z, atoms_occupancy)"
        )
        for n, (formula, cell, group, labels, places, occupancies) in enumerate(entries, start=1):
            db.execute("INSERT INTO spacegroups VALUES (?, ?)", (n, operations(group)))
            columns = [stored(column) for column in np.transpose(places)]
            occupancy = "0" if occupancies is None else stored(occupancies)
            row = (n, n, formula, *map(str, cell), json.dumps(labels), *columns, occupancy)
            db.execute(f"INSERT INTO cif VALUES ({','.join('?' * len(row))})", row)
    return path


QUARTZ = (4.913, 4.913, 5.405, 90, 90, 120)
SITES = [(0.4697, 0, 1 / 3), (0.4135, 0.2669, 0.4524)]
PORTLANDITE = (3.589, 3.589, 4.911, 90, 90, 120)


def read(path: Path) -> tuple[list[amcsd.Mineral], Counter[str]]:
    left_out: Counter[str] = Counter()
    return list(amcsd.minerals(path, left_out)), left_out


def test_quartz_is_what_ase_builds_of_the_same_sites(tmp_path: Path) -> None:
    entry = ("Si O2", QUARTZ, 152, ["SiT1", "O"], SITES, [1, 1])
    (mineral,), left_out = read(made(tmp_path / "minerals.db", entry))
    expected = crystal(["Si", "O"], SITES, spacegroup=152, cellpar=QUARTZ)
    assert mineral.amcsd_id == "amcsd-0000001"
    assert Composition.of(mineral.atoms) == Composition.parse("SiO2")
    assert len(mineral.atoms) == 9
    assert not left_out
    matcher = StructureMatcher(stol=0.01, scale=False, primitive_cell=False)
    assert matcher.fit(*map(AseAtomsAdaptor.get_structure, (mineral.atoms, expected)))


def test_deuterium_counts_as_hydrogen(tmp_path: Path) -> None:
    places = [(0, 0, 0), (1 / 3, 2 / 3, 0.234), (1 / 3, 2 / 3, 0.426)]
    entry = ("Ca (O H)2", PORTLANDITE, 164, ["Ca", "O", "D"], places, None)
    (mineral,), _ = read(made(tmp_path / "minerals.db", entry))
    assert mineral.atoms.get_chemical_symbols().count("H") == 2


def test_what_is_no_whole_crystal_is_counted_by_its_reason(tmp_path: Path) -> None:
    ca, oxygen = (0, 0, 0), (1 / 3, 2 / 3, 0.234)
    unusable = made(
        tmp_path / "minerals.db",
        ("Ca (O H)2", PORTLANDITE, 164, ["Ca", "O-H"], [ca, oxygen], None),
        ("Ca O2 H4", PORTLANDITE, 164, ["Ca", "Wat"], [ca, oxygen], None),
        ("Ca O2", PORTLANDITE, 164, ["Ca", "O"], [ca, oxygen], [1, 0.5]),
        ("Ca O3", PORTLANDITE, 164, ["Ca", "O"], [ca, oxygen], None),
        ("Ca Mg O2", PORTLANDITE, 164, ["Ca", "Mg", "O"], [ca, ca, oxygen], None),
    )
    usable, left_out = read(unusable)
    assert usable == []
    assert left_out == {
        "hydrogen missing": 2,
        "sites that are partly occupied": 1,
        "sites that do not add up to the formula": 1,
        "two sites in one place": 1,
    }


@pytest.mark.parametrize("text", ["x,y,z", "1/2+x,-y,x-z", "-x+y, 0.25-y ,2/3+z", "-y,x-y,z+1/3"])
def test_operations_are_those_that_pymatgen_reads(text: str) -> None:
    rotation, shift = amcsd._operation(text)
    expected = SymmOp.from_xyz_str(text)
    np.testing.assert_allclose(rotation, expected.rotation_matrix)
    np.testing.assert_allclose(shift, expected.translation_vector, atol=1e-12)


@pytest.mark.parametrize("text", ["x,y", "x,y,w", "x,y,2z"])
def test_an_operation_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(amcsd.Unusable):
        amcsd._operation(text)


@pytest.mark.parametrize(
    ("formula", "missing"),
    [
        ("AlO3", True),  # gibbsite
        ("GeN2F6", True),  # an ammonium salt
        ("Be2BO4", True),  # hambergite
        ("CaAlO2F2", True),
        ("AlH3O3", False),
        ("SiO2", False),
        ("Fe3O4", False),
        ("NaNO3", False),
        ("TiN", False),
        ("FeS2", False),
        ("Au", False),
    ],
)
def test_formulas_whose_hydrogen_must_be_missing(formula: str, missing: bool) -> None:
    assert amcsd.lacks_hydrogen(Composition.parse(formula)) is missing


def test_a_mineral_without_its_hydrogen_even_in_the_formula_is_counted(tmp_path: Path) -> None:
    sites = [(0, 0, 0), (0.25, 0.25, 0.25), (0.75, 0.75, 0.75), (0.5, 0, 0)]
    entry: Entry = ("Al O3", (4.0, 4.0, 4.0, 90, 90, 90), 1, ["Al", "O1", "O2", "O3"], sites, None)
    left_out: Counter[str] = Counter()
    assert list(amcsd.minerals(made(tmp_path / "amcsd.db", entry), left_out)) == []
    assert left_out == {"hydrogen missing from sites and formula": 1}
