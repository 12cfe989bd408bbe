"""The long computation of hull references: its order, its resumption, the form of its rows."""

import csv
import gzip
from collections import Counter
from collections.abc import Iterable
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from build_references import relax_queue
from reference_checkpoint import open_checkpoint, protocol
from reference_queue import examine, ordered, read_queue, write_queue
from reference_sources import (
    AMCSD,
    FOUND,
    MATERIALS_PROJECT,
    OQMD,
    OQMD_ICSD,
    Candidate,
    from_extxyz,
    primitive,
)
from reference_table import (
    COLUMNS,
    ReferenceTable,
    drop_implausible,
    merge,
    read_failed,
    read_table,
    write_failed,
    write_table,
)

from gencsp.composition import Composition
from gencsp.convex_hull.entries import DEFAULT_MODEL as MODEL
from gencsp.convex_hull.entries import read_references
from gencsp.potentials.chgnet.select import get_engine
from gencsp.runs.relaxing import relax
from gencsp.symmetry.refinement import space_group

SALT = bulk("NaCl", "rocksalt", a=5.5)
CSCL_LIKE = bulk("NaCl", "cesiumchloride", a=3.4)
MAGNESIA = bulk("MgO", "rocksalt", a=4.3)


def candidates(*rows: tuple[str, str, Atoms, float | None]) -> list[Candidate]:
    return [Candidate(source, name, atoms, stability) for source, name, atoms, stability in rows]


def order(
    found: Iterable[Candidate],
    *,
    known: Iterable[tuple[Composition, int]] = (),
    first: Iterable[str] = (),
) -> list[str]:
    queue = ordered(
        examine(found, 200),
        known=known,
        first=frozenset(Composition.parse(f).reduced for f in first),
    )
    return [item.candidate.source_id for item in queue]


def written(checkpoint: Path, folder: Path) -> dict[str, str]:
    """Writes table and crystals of a checkpoint; returns what failed."""
    table = ReferenceTable()
    failed = merge(table, open_checkpoint(checkpoint, protocol()), [])
    write_table(table, folder, protocol())
    return failed


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    found = candidates(
        (OQMD_ICSD, "salt", SALT, 0.0),
        (MATERIALS_PROJECT, "magnesia", MAGNESIA, 0.0),
        (AMCSD, "caesium chloride form", CSCL_LIKE, None),
    )
    path = tmp_path / "queue.jsonl.gz"
    write_queue(path, ordered(examine(found, 200), known=(), first=frozenset()))
    return path


def test_everyday_then_stable_then_the_others_then_repeats() -> None:
    salt = Composition.parse("NaCl").reduced
    found = candidates(
        (OQMD_ICSD, "repeats a reference", SALT, -0.1),
        (OQMD_ICSD, "other form of a reference", CSCL_LIKE, -0.1),
        (OQMD_ICSD, "above its hull", bulk("LiF", "rocksalt", a=4.1), 0.03),
        (OQMD_ICSD, "larger, on its hull", bulk("KF", "rocksalt", a=5.4) * (2, 1, 1), 0.0),
        (OQMD_ICSD, "on its hull", bulk("KCl", "rocksalt", a=6.4), 0.0),
        (OQMD_ICSD, "element", bulk("Cu"), 0.0),
        (OQMD_ICSD, "everyday", MAGNESIA, 0.04),
    )
    assert order(found, known=[(salt, 225)], first=["OMg"]) == [
        "everyday",
        "element",
        "on its hull",
        "larger, on its hull",
        "above its hull",
        "other form of a reference",
        "repeats a reference",
    ]


def test_of_one_formula_the_most_stable_crystal_is_first_whatever_the_order_of_the_sources() -> (
    None
):
    found = candidates(
        (OQMD_ICSD, "higher", CSCL_LIKE, 0.04),
        (MATERIALS_PROJECT, "lowest", SALT, 0.0),
        (AMCSD, "the lowest again", SALT, None),
        (OQMD_ICSD, "other formula", MAGNESIA, 0.02),
    )
    expected = ["lowest", "other formula", "higher", "the lowest again"]
    assert {tuple(order(given)) for given in permutations(found)} == {tuple(expected)}


def test_cells_beyond_the_limit_are_left_out() -> None:
    found = candidates((OQMD_ICSD, "large", SALT * (2, 2, 2), 0.0), (OQMD_ICSD, "small", SALT, 0.0))
    assert [item.candidate.source_id for item in examine(found, 15)] == ["small"]


def test_a_queue_reads_back_as_it_was_written(queue: Path) -> None:
    first, *_ = items = list(read_queue(queue))
    assert Counter(item.formula.formula for item in items) == {"NaCl": 2, "MgO": 1}
    assert (first.candidate.source_id, first.space_group) == ("magnesia", 225)
    read = first.candidate.atoms
    np.testing.assert_allclose(read.cell.array, MAGNESIA.cell.array, atol=1e-7)
    np.testing.assert_allclose(
        read.get_scaled_positions(), MAGNESIA.get_scaled_positions(), atol=1e-7
    )
    copy = queue.with_name("copy.jsonl.gz")
    write_queue(copy, items)
    assert copy.read_bytes() == queue.read_bytes()


def test_a_cell_becomes_primitive_and_stays_the_same_crystal() -> None:
    cubic = bulk("NaCl", "rocksalt", a=5.5, cubic=True)
    smaller = primitive(cubic)
    assert (len(cubic), len(smaller)) == (8, 2)
    assert space_group(smaller).number == 225
    first, second = get_engine().evaluate([cubic, smaller])
    assert first.energy / 8 == pytest.approx(second.energy / 2, abs=1e-5)
    assert primitive(smaller) is smaller


def test_extxyz_rows_carry_source_and_stability(tmp_path: Path) -> None:
    path = tmp_path / "rows.extxyz"
    facts = [
        {"source": "Materials Project", "material_id": "mp-1", "energy_above_hull": 0.02},
        {"source": "OQMD", "material_id": "oqmd-2", "energy_above_hull": 0.0, "oqmd_stability": -1},
    ]
    for info in facts:
        atoms = SALT.copy()
        atoms.info = info
        atoms.write(path, append=True)
    found = [(c.source, c.source_id, c.stability) for c in from_extxyz(path)]
    assert found == [("Materials Project", "mp-1", 0.02), ("OQMD", "oqmd-2", -1.0)]


def test_killed_in_the_middle_of_a_line_it_goes_on_to_the_same_table(
    queue: Path, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    relax_queue(queue, whole)
    protocol, *lines = whole.read_text().splitlines(keepends=True)
    assert len(lines) == 3
    cut.write_text(protocol + lines[0] + lines[1][:40])
    relax_queue(queue, cut, workers=2)
    assert cut.read_text().startswith(protocol + lines[0])
    assert sorted(cut.read_text().splitlines()) == sorted(whole.read_text().splitlines())
    for checkpoint, name in ((whole, "a"), (cut, "b")):
        (tmp_path / name).mkdir()
        written(checkpoint, tmp_path / name)
    for file in (f"references_{MODEL}.csv.gz", f"hull_phases_{MODEL}.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    before = cut.read_bytes()
    relax_queue(queue, cut)
    assert cut.read_bytes() == before


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.jsonl"
    open_checkpoint(path, {"fmax": 0.05})
    with pytest.raises(SystemExit, match=r"0\.05"):
        open_checkpoint(path, {"fmax": 0.1})


def test_rows_say_what_was_relaxed_and_where_it_went(queue: Path, tmp_path: Path) -> None:
    broken = Candidate(OQMD_ICSD, "atoms far apart", Atoms("Ar", cell=[30] * 3, pbc=True), 0.0)
    write_queue(queue, [*read_queue(queue), *examine([broken], 200)])
    checkpoint = tmp_path / "relaxed.jsonl"
    relax_queue(queue, checkpoint)
    failed = written(checkpoint, tmp_path)
    assert failed == {"atoms far apart": "isolated atoms"}
    write_failed(tmp_path / "failed.json", failed)
    assert read_failed(tmp_path / "failed.json") == failed
    text = gzip.decompress((tmp_path / f"references_{MODEL}.csv.gz").read_bytes()).decode()
    assert f"# licence of {AMCSD}: " in text
    assert f"# licence of {OQMD}: " not in text
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    assert tuple(rows[0]) == COLUMNS
    assert {row["source_id"] for row in rows} == {"salt", "magnesia", "caesium chloride form"}
    row = next(row for row in rows if row["source_id"] == "salt")
    (salt,) = relax([SALT], fmax=0.05, steps=500)
    assert float(row["energy_per_atom"]) == pytest.approx(salt.energy_per_atom, abs=1e-6)
    assert float(row["volume_per_atom"]) == pytest.approx(salt.atoms.get_volume() / 2, abs=1e-3)
    assert (row["formula"], row["space_group"], row["n_atoms"]) == ("NaCl", "225", "2")


def test_crystals_of_sources_that_allow_it_are_passed_on_and_no_others(
    queue: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "relaxed.jsonl"
    relax_queue(queue, checkpoint)
    written(checkpoint, tmp_path)
    table = read_table(tmp_path, MODEL)
    assert table.crystals.keys() == {"salt"}
    (salt,) = relax([SALT], fmax=0.05, steps=500)
    (again,) = get_engine().evaluate([table.crystals["salt"]])
    assert again.energy / 2 == pytest.approx(salt.energy_per_atom, abs=1e-4)
    # What may not be passed on needs no second relaxation for its crystal's sake.
    assert set(table.whole()) == table.rows.keys()


def test_a_table_grows_by_what_is_new_and_keeps_what_it_has(queue: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "relaxed.jsonl"
    relax_queue(queue, checkpoint)
    written(checkpoint, tmp_path)
    table = read_table(tmp_path, MODEL)
    relaxed = {"numbers": [12, 8], "cell": [[3, 0, 0], [0, 3, 0], [0, 0, 3]]}
    relaxed |= {"fractional": [[0, 0, 0], [0.5, 0.5, 0.5]], "energy_per_atom": -5.5}
    found = {"formula": "OMg", "space_group": 221, "accepted": True} | relaxed
    merge(table, [], [found, found | {"formula": "OCa", "accepted": False}])
    write_table(table, tmp_path, protocol())
    grown = read_table(tmp_path, MODEL)
    assert grown.rows.keys() == {"salt", "magnesia", "caesium chloride form", "found-OMg"}
    assert grown.rows["found-OMg"]["source"] == FOUND
    assert grown.rows["found-OMg"]["formula"] == "MgO"
    assert grown.crystals.keys() == {"salt", "found-OMg"}
    assert grown.crystals["found-OMg"].get_volume() == pytest.approx(27)
    # Of two relaxations of one crystal the lower counts, whichever was first.
    merge(grown, [], [found | {"energy_per_atom": -5.4}])
    assert grown.rows["found-OMg"]["energy_per_atom"] == "-5.500000"
    merge(grown, [], [found | {"energy_per_atom": -5.6}])
    assert grown.rows["found-OMg"]["energy_per_atom"] == "-5.600000"


def test_an_energy_without_its_crystal_is_relaxed_again_and_last() -> None:
    found = candidates(
        (OQMD_ICSD, "salt", SALT, 0.0),
        (OQMD_ICSD, "other form", CSCL_LIKE, 0.0),
        (OQMD_ICSD, "salt again", SALT, 0.0),
    )
    salt = Composition.parse("NaCl").reduced
    order = ordered(
        examine(found, 200), known=[(salt, 225)], first=frozenset(), have_row={"salt": None}
    )
    assert [q.candidate.source_id for q in order] == ["other form", "salt again", "salt"]


def test_the_table_of_what_converged_is_one_that_the_hull_reads(
    queue: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "relaxed.jsonl"
    relax_queue(queue, checkpoint)
    written(checkpoint, tmp_path)
    found = read_references(tmp_path / f"references_{MODEL}.csv.gz")
    assert (found.model, found.weights) == (MODEL, protocol()["digest"])
    assert {str(entry.composition) for entry in found.entries} == {"NaCl", "MgO"}


def test_what_lies_beyond_all_compounds_is_no_reference() -> None:
    table = ReferenceTable()
    atoms = {"numbers": [11, 17], "cell": np.eye(3) * 4, "fractional": [[0, 0, 0], [0.5] * 3]}
    for name, formula, energy in (
        ("sodium", "Na", -1.3), ("chlorine", "Cl", -1.8), ("higher chlorine", "Cl", -0.9),
        ("salt", "NaCl", -3.3), ("hole", "NaCl", -7.6), ("hill", "NaCl", -0.5),
        ("of an element that is not there", "LiF", -99.0),
    ):  # fmt: skip
        line = {"formula": formula, "energy_per_atom": energy, "space_group": 1, **atoms}
        table.add(line, OQMD_ICSD, name)
    dropped = drop_implausible(table)
    assert dropped == dict.fromkeys(("hole", "hill"), "implausible formation energy")
    assert not dropped.keys() & (table.rows.keys() | table.crystals.keys())
    assert len(table.rows) == len(table.crystals) == 5
