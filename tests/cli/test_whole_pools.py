"""Commands over pools: outputs replaced as a whole, text of others shown as it is, and every
structure with its result or its reason.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixCartesian
from typer.testing import CliRunner, Result

from gencsp.cli import app
from gencsp.cli.console import PARTLY

pytestmark = pytest.mark.usefixtures("in_this_process", "empty_figures")
EMT = "from ase.calculators.emt import EMT\n\n\ndef calculator():\n    return EMT()\n"
#: Commands that take a pool, with what else they need here.
ON_POOLS = [
    ("relax", "--potential", "emt.py", "--workers", "1"),
    ("hull", "--potential", "emt.py", "--hull", "emt.csv"),
    ("dedup",),
    ("analyse",),
    ("filter", "--filters", "distances", "--workers", "1", "--no-plots"),
    ("export", "seeds", "--to", "airss"),
]
#: A crystal whose only site is half occupied.
DISORDERED = """data_x
_cell_length_a 3.6
_cell_length_b 3.6
_cell_length_c 3.6
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cu1 Cu 0 0 0 0.5
"""
#: Of one worker, in the folder ``run``; no test looks at its page.
SMALL_SEARCH = ("--atoms", "4", "--workers", "1", "--out", "run", "--no-report")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("emt.py").write_text(EMT)
    return tmp_path


def run(*words: str) -> Result:
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def copper(**info: object) -> Atoms:
    atoms = bulk("Cu")
    atoms.info.update(info)
    return atoms


def cifs(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder, "cif").iterdir())


def test_a_larger_search_leaves_no_files_of_the_smaller_one() -> None:
    ase.io.write("copper.cif", bulk("Cu"))
    made = run("references", "Cu", "--no-shipped", "--also", "copper.cif", "--potential", "emt.py")
    assert made.exit_code == 0, made.output
    words = ("search", "Cu", "--no-seeds", *SMALL_SEARCH)
    parts = ("--potential", "emt.py", "--hull", "references.csv", "--seed", "1")
    for budget in ("3", "8"):
        done = run(*words, *parts, "--budget", budget)
        assert done.exit_code == 0, done.output
        Path("run/cif/mine.txt").write_text("mine")
    ranked = ase.io.read("run/ranked.extxyz", ":")
    distinct = [a for a in ranked if "duplicate_of" not in a.info]
    assert f"wrote {len(distinct)} symmetrised CIF files" in done.stdout
    assert len(cifs("run")) == len(distinct) + 1
    assert Path("run/cif/mine.txt").read_text() == "mine"
    _each_crystal_stands_once(done.stdout, ranked)
    whole = run(*words, *parts, "--budget", "8", "--all").stdout
    copies = [atoms for atoms in ranked if "duplicate_of" in atoms.info]
    assert all(f"= {atoms.info['duplicate_of']}" in whole for atoms in copies)


def test_relaxed_copies_are_one_crystal() -> None:
    copper = bulk("Cu", cubic=True)
    copy = copper.copy()
    copy.rattle(0.05, rng=np.random.default_rng(2))
    ase.io.write("pool.extxyz", [copper, copy])
    words = ("relax", "pool.extxyz", "--potential", "emt.py", "--workers", "1")
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert "1 crystal in 2 structures (--all shows the duplicates)" in done.stdout
    assert len(cifs("relaxed")) == 1
    first, second = ase.io.read("relaxed/relaxed.extxyz", ":")
    assert first.info["copies"] == 2
    assert second.info["duplicate_of"]


def _each_crystal_stands_once(table: str, ranked: list[Atoms]) -> None:
    """In the table with how often it was found; the copies are marked in the store."""
    copies = {
        a.info["structure_id"]: a.info["duplicate_of"] for a in ranked if "duplicate_of" in a.info
    }
    distinct = [atoms for atoms in ranked if "duplicate_of" not in atoms.info]
    assert copies
    assert f"{len(distinct)} crystals in {len(ranked)} structures (--all shows" in table
    for atoms in distinct:
        (line,) = [
            line for line in table.splitlines() if f" {atoms.info['structure_id']} " in f"{line} "
        ]
        assert line.split()[2] == str(atoms.info["copies"])
    assert not any(f" {name} " in f"{line} " for name in copies for line in table.splitlines())
    stored = ase.db.connect("run/run.db").select("duplicate_of")
    assert {row.structure_id: row.duplicate_of for row in stored} == copies


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (("relax", "--potential", "emt.py", "--workers", "1"), "relaxed"),
        (("hull", "--potential", "emt.py", "--hull", "emt.csv"), "hull"),
        (("dedup",), "deduplicated"),
        (("filter", "--filters", "distances", "--workers", "1"), "filtered"),
    ],
    ids=lambda words: words[0],
)
def test_a_smaller_pool_leaves_nothing_of_a_larger_one(words: tuple[str, ...], out: str) -> None:
    ase.io.write("copper.cif", bulk("Cu"))
    if "--hull" in words:
        made = ("references", "Cu", "--no-shipped", "--also", "copper.cif", "--potential", "emt.py")
        run(*made, "--out", "emt.csv")
    ase.io.write("large.extxyz", [copper(structure_id=f"large{n}") for n in range(3)])
    ase.io.write("small.extxyz", [copper(structure_id="s")])
    for pool in ("large.extxyz", "small.extxyz"):
        result = run(words[0], pool, *words[1:])
        assert result.exit_code == 0, result.output
    files = [path for path in Path(out).rglob("*") if path.is_file()]
    assert files
    assert not [
        p for p in files if "large0" in p.name or "large0" in p.read_bytes().decode("latin-1")
    ]


def test_a_filter_that_is_killed_leaves_the_former_tables_whole(here: Path) -> None:
    """Not "complete: true" over tables that have just been emptied."""
    ase.io.write("pool.extxyz", [copper(), copper()])
    words = ["filter", "pool.extxyz", "--filters", "distances", "--workers", "1", "--no-plots"]
    assert run(*words).exit_code == 0
    before = {p.name: p.read_bytes() for p in Path("filtered").iterdir() if p.name[0] != "."}
    code = (
        "import os, gencsp.filters.summary as s; from gencsp.cli import app\n"
        "add = s.Summary.add\n"
        "def dies(self, judged):\n    add(self, judged)\n    os._exit(9)\n"
        f"s.Summary.add = dies; app({words!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=here, check=False)
    assert done.returncode == 9
    after = {p.name: p.read_bytes() for p in Path("filtered").iterdir() if p.name[0] != "."}
    assert after == before
    assert json.loads(after["summary.json"])["complete"]
    assert run(*words).exit_code == 0
    assert not [p for p in Path("filtered").iterdir() if p.is_dir()]


ODD = ["[/foo]", "[red]x", "<script>alert(1)</script>", "=1+1", "@x", "a\nb", "a\0b", "x" * 300,
       "../../up", "é\u202e"]  # fmt: skip


@pytest.mark.parametrize(
    "words",
    ON_POOLS,
    ids=lambda words: words[0],
)
def test_ids_of_others_are_text(words: tuple[str, ...]) -> None:
    pool = [copper(structure_id=odd, decomposition_energy="low", parents="[/]") for odd in ODD]
    ase.io.write("pool.traj", pool)
    ase.io.write("copper.cif", bulk("Cu"))
    made = ("references", "Cu", "--no-shipped", "--also", "copper.cif", "--potential", "emt.py")
    run(*made, "--out", "emt.csv")
    everything = ("--all",) if words[0] == "relax" else ()
    result = run(words[0], "pool.traj", *words[1:], *everything)
    assert result.exit_code == 0, result.output
    if words[0] != "filter":
        for said in ("[/foo]", "[red]x", "<script>") if words[0] in ("relax", "hull") else ():
            assert said in result.stdout
    assert "\0" not in result.stdout
    for table in Path().rglob("*.csv"):
        with table.open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [c for c in cells if c.startswith(("=", "+", "@"))]
        assert not [c for c in cells if "\n" in c or "\0" in c]
    assert all(p.resolve().is_relative_to(Path().resolve()) for p in Path().rglob("*"))
    for cif in Path().rglob("cif/*.cif"):
        assert len(cif.name.encode()) < 200
        assert ase.io.read(cif).get_chemical_symbols() == ["Cu"] * 4


def mixed_pool() -> tuple[str, ...]:
    """Good files and one of each kind of bad one."""
    ase.io.write("good.cif", bulk("Cu"))
    ase.io.write("other.cif", bulk("Al"))
    Path("disordered.cif").write_text(DISORDERED)
    Path("empty.cif").write_text("")
    Path("noise.cif").write_text("noise")
    gone = copper()
    gone.cell[0] = float("nan")
    ase.io.write("exploded.extxyz", gone)
    return ("good.cif", "disordered.cif", "empty.cif", "noise.cif", "exploded.extxyz")


UNREAD = ("disordered.cif", "empty.cif", "noise.cif", "exploded.extxyz")


@pytest.mark.parametrize(
    "words",
    [*ON_POOLS, ("dft write", "campaign", "--code", "gpaw")],
    ids=lambda words: words[0],
)
def test_bad_files_do_not_end_the_others(words: tuple[str, ...]) -> None:
    pool = mixed_pool()
    made = ("references", "Cu", "--no-shipped", "--also", "good.cif", "--potential", "emt.py")
    run(*made, "--out", "emt.csv")
    result = run(*words[0].split(), *pool, *words[1:])
    assert result.exit_code == PARTLY, result.output
    said = " ".join(result.output.split())
    for name in UNREAD:
        assert name in said
    results = [p for p in Path().rglob("*") if p.parent != Path() and p.is_file()]
    assert results


def test_a_bad_file_among_seeds_is_named_and_the_others_serve() -> None:
    Path("seeds").mkdir()
    ase.io.write("seeds/good.cif", bulk("Cu"))
    Path("seeds/noise.cif").write_text("noise")
    Path("seeds/.DS_Store").write_bytes(b"\0\0\0\1Bud1")
    made = ("references", "Cu", "--no-shipped", "--also", "seeds/good.cif")
    assert run(*made, "--potential", "emt.py", "--out", "emt.csv").exit_code == 0
    words = ("search", "Cu", "--seeds", "seeds", *SMALL_SEARCH)
    done = run(*words, "--budget", "2", "--potential", "emt.py", "--hull", "emt.csv")
    assert done.exit_code == 0, done.output
    assert "noise.cif" in done.stderr
    assert "DS_Store" not in done.stderr
    assert "1 from seeds" in done.stdout


def test_structures_that_fail_come_last_with_their_reason() -> None:
    """Unknown to the potential, constrained as it cannot hold, and an energy of another run."""
    held = copper(structure_id="held", decomposition_energy=-9.0, energy_per_atom=-9.0)
    held.set_constraint(FixCartesian([0], (True, False, False)))
    magnesium = bulk("Mg")
    magnesium.info |= {"structure_id": "unknown", "decomposition_energy": -9.0}
    good = copper(structure_id="good")
    good.calc = SinglePointCalculator(good, energy=-100.0)
    ase.io.write("pool.traj", [held, magnesium, good])
    result = run("relax", "pool.traj", "--potential", "emt.py", "--workers", "1")
    assert result.exit_code == PARTLY
    relaxed = ase.io.read("relaxed/relaxed.extxyz", ":")
    assert relaxed[0].info["structure_id"] == "good"
    for failed in relaxed[1:]:
        assert {"decomposition_energy", "energy_per_atom"}.isdisjoint(failed.info)
        assert failed.info["reason"]
    assert "No EMT-potential for Mg" in result.stdout
    assert "FixCartesian" in result.stdout
    assert [name[:8] for name in cifs("relaxed")] == ["001-good"]


def test_an_element_without_a_reference_has_its_energy_and_the_reason() -> None:
    ase.io.write("copper.cif", bulk("Cu"))
    ase.io.write("silver.cif", bulk("Ag"))
    made = ("references", "Cu", "--no-shipped", "--also", "copper.cif", "--potential", "emt.py")
    assert run(*made, "--out", "emt.csv").exit_code == 0
    words = ("--potential", "emt.py", "--hull", "emt.csv")
    for command in ("hull", "relax"):
        result = run(command, "silver.cif", "copper.cif", *words, "--out", command)
        name = "hull" if command == "hull" else "relaxed"
        first, last = ase.io.read(f"{command}/{name}.extxyz", ":")
        assert first.info["structure_id"] == "copper.cif"
        assert first.info["decomposition_energy"] == pytest.approx(0, abs=5e-3)
        assert "decomposition_energy" not in last.info
        assert "hold no Ag" in last.info["reason"]
        assert result.exit_code == (PARTLY if command == "hull" else 0)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_these_characters(here: Path, encoding: str) -> None:
    close = bulk("NaCl", "rocksalt", a=5.64)
    close.positions[1] = close.positions[0] + 0.01
    ase.io.write("close.cif", close)
    ase.io.write("salt.cif", bulk("NaCl", "rocksalt", a=5.64))
    code = "from gencsp.cli import app; app()"
    export = ["export", "close.cif", "salt.cif", "seeds", "--to", "airss"]
    # Text of one command, and help: the second encoding differs in the frames of help alone.
    for words in (export, ["relax", "--help"]) if encoding == "ascii" else (["relax", "--help"],):
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=here,
            env={"PYTHONIOENCODING": encoding, **_environment()},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode("latin-1")
        assert b"Traceback" not in done.stderr
    assert Path("seeds").is_dir() is (encoding == "ascii")


def _environment() -> dict[str, str]:
    import os

    return {key: value for key, value in os.environ.items() if key != "PYTHONIOENCODING"}


def test_the_funnel_follows_what_the_pool_is_for() -> None:
    quartz = [copper(structure_id=f"q{n}") for n in range(3)]
    ase.io.write("one.extxyz", [*quartz, bulk("Cu", "bcc", a=2.9)])
    words = ("--workers", "1", "--no-plots")
    csp = run("filter", "one.extxyz", *words)
    assert csp.exit_code == 0, csp.output
    assert "the pool has one composition: filters for csp; choose with --for" in csp.stdout
    assert "2 of 4 structures survive" in csp.stdout
    summary = json.loads(Path("filtered/summary.json").read_text())
    assert summary["deck"]["purpose"] == "csp"
    assert [one["name"] for one in summary["filters"]] == [
        "distances", "pair_separations", "uniqueness",
    ]  # fmt: skip
    novo = run("filter", "one.extxyz", "--for", "de-novo", *words)
    assert "0 of 4 structures survive" in novo.stdout
    assert "nothing survives" in novo.stdout
    assert "--for csp" in novo.stdout
    assert "the pool has" not in novo.stdout
    ase.io.write("two.extxyz", [bulk("Cu"), bulk("Al")])
    assert "filters for de-novo" in run("filter", "two.extxyz", *words).stdout
