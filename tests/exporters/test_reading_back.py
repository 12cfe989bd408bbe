"""Results come back with their energies, and seeds with the structures that they were."""

from __future__ import annotations

import shutil
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.units import GPa
from finished_runs import RUNS, calypso, relaxed, uspex, vasp5
from pools import NAMES, alloys, same_crystal
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.errors import StructureFileError, UnreadableResultWarning
from gencsp.exporters import exporter_names, get_exporter
from gencsp.exporters.origin import MAP
from gencsp.io.structures import read_structures, write_extxyz
from gencsp.provenance import Provenance, Stage
from gencsp.testing import check_exporter

RUNNER = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_every_exporter_reads_back() -> None:
    assert set(RUNS) == set(exporter_names())


@pytest.mark.parametrize("code", sorted(RUNS))
def test_read_back(code: str, folder: Path) -> None:
    exporter = get_exporter(code)
    exporter.write(alloys(3), folder)
    expected = {f"{code}-{one.name}": one for one in RUNS[code](folder)}
    found = list(exporter.read_results(folder))
    assert sorted(a.info["structure_id"] for a in found) == sorted(expected)
    for atoms in found:
        one = expected[atoms.info["structure_id"]]
        assert same_crystal(atoms, one.atoms)
        provenance = Provenance.read(atoms)
        assert provenance is not None
        assert provenance.stage is Stage.RELAXED
        if one.seed is None:
            assert (provenance.parents, provenance.proposer) == ("", code)
        else:
            assert provenance.parents == NAMES[one.seed]
            assert (provenance.proposer, provenance.model) == ("score", "abc123")
            assert provenance.seed == 7
        if one.energy is None:
            assert atoms.calc is None
        else:
            assert atoms.get_potential_energy() == pytest.approx(one.energy)


@pytest.mark.parametrize("code", sorted(RUNS))
def test_without_the_map_origins_are_unknown(code: str, folder: Path) -> None:
    get_exporter(code).write(alloys(3), folder)
    expected = RUNS[code](folder)
    (folder / MAP).unlink()
    found = list(get_exporter(code).read_results(folder))
    assert len(found) == len(expected)
    assert not any("parents" in atoms.info for atoms in found)


@pytest.mark.parametrize("code", sorted(RUNS))
def test_no_results_yet(code: str, folder: Path) -> None:
    get_exporter(code).write(alloys(3), folder)
    with pytest.raises(StructureFileError) as caught:
        list(get_exporter(code).read_results(folder))
    assert "\n" not in str(caught.value)


DAMAGED = {
    "agox": "db0.db",
    "airss": "good_castep/AuCu-seed0001.res",
    "ase-ga": "gadb.db",
    "calypso": "results/pso_opt_1",
    "cryspy": "data/opt_POSCARS",
    "fuse": "graph_output.csv",
    "gasp": "garun/POSCAR.3",
    "magus": "results/good.traj",
    "uspex": "results1/gatheredPOSCARS",
    "xtalopt": "run/00001x00001/structure.state",
}


@pytest.mark.parametrize("code", sorted(RUNS))
@pytest.mark.parametrize("noise", [b"\x00\xff\xfe garbage\n" * 40, b"1 2 3\nwords\n"])
def test_damaged_results(code: str, noise: bytes, folder: Path) -> None:
    get_exporter(code).write(alloys(3), folder)
    RUNS[code](folder)
    (folder / DAMAGED[code]).write_bytes(noise)
    out = folder.parent / "imported"
    result = RUNNER.invoke(app, ["import", str(folder), "--from", code, "--out", str(out)])
    assert "Traceback" not in result.stderr
    if code in ONE_FILE_EACH:
        # The damaged one is named, the others are there.
        assert result.exit_code == 3, result.output
        assert DAMAGED[code] in result.stderr
        assert ase.io.read(out / "imported.extxyz", index=":")
    else:
        assert result.exit_code == 2, result.output
        assert result.stderr.count("\n") == 1


#: Codes that write a file for each result: a damaged one is no fault of the others.
ONE_FILE_EACH = ("airss", "gasp", "xtalopt")


def test_packed_results_are_all_imported_and_a_bad_one_is_named(folder: Path) -> None:
    get_exporter("airss").write(alloys(3), folder)
    RUNS["airss"](folder)
    good = sorted((folder / "good_castep").glob("*.res"))
    packed = "".join(path.read_text() for path in good)
    for path in good:
        path.unlink()
    (folder / "good_castep" / "packed.res").write_text(packed)
    first = packed.partition("END")[0] + "END\n"
    words = first.splitlines()[0].split()
    stars = first.replace(" ".join(words[:5]), " ".join([*words[:4], "********"]), 1)
    assert stars != first
    (folder / "good_castep" / "stars.res").write_text(stars)
    with pytest.warns(UnreadableResultWarning, match=r"stars\.res is '\*+', no number") as said:
        found = list(get_exporter("airss").read_results(folder))
    assert len(found) == len(good)
    assert len(said) == 1


def test_uspex_that_dropped_a_seed_leaves_origins_open(folder: Path) -> None:
    get_exporter("uspex").write(alloys(3), folder)
    uspex(folder)
    path = folder / "results1" / "Individuals"
    path.write_text(path.read_text().replace("Seeds", "  Top", 1))
    found = list(get_exporter("uspex").read_results(folder))
    assert [a.info["origin"] for a in found].count("Seeds") == 2
    assert not any("parents" in atoms.info for atoms in found)


def test_uspex_reads_its_latest_results(folder: Path) -> None:
    get_exporter("uspex").write(alloys(3), folder)
    uspex(folder)
    shutil.copytree(folder / "results1", folder / "results10")
    shutil.copytree(folder / "results1", folder / "results2")
    last = folder / "results10" / "gatheredPOSCARS"
    last.write_text(vasp5(relaxed(0), "EA1 x"))
    assert len(list(get_exporter("uspex").read_results(folder))) == 1


def test_calypso_with_a_species_missing_in_no_one(folder: Path) -> None:
    """Without NameOfAtoms nobody can tell the elements."""
    get_exporter("calypso").write(alloys(3), folder)
    calypso(folder)
    (folder / "input.dat").write_text("PopSize = 3\n")
    with pytest.raises(StructureFileError, match="NameOfAtoms"):
        list(get_exporter("calypso").read_results(folder))


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    get_exporter("airss").write(alloys(3), tmp_path / "run")
    RUNS["airss"](tmp_path / "run")
    (tmp_path / "entries.csv").write_text(
        "# model: chgnet-0.3.0\nformula,energy_per_atom\nCu,-4.0\nAu,-3.0\n"
    )
    return tmp_path


def test_import(finished: Path) -> None:
    result = RUNNER.invoke(app, ["import", "run", "--from", "airss"])
    assert result.exit_code == 0, result.output
    assert "2 of 3 structures come from seeds" in result.stdout
    assert "name it with --model" in result.stderr
    by_text = ase.io.read(finished / "imported" / "imported.extxyz", ":")
    by_database = read_structures([finished / "imported" / "imported.db"])
    assert len(by_text) == len(by_database) == 3
    for one, other in zip(by_text, by_database, strict=True):
        assert one.info["structure_id"] == other.info["structure_id"]
        assert "decomposition_energy" not in one.info
        np.testing.assert_allclose(one.positions, other.positions, atol=1e-7)
    rows = list(ase.db.connect(finished / "imported" / "imported.db").select("stage=relaxed"))
    assert len(rows) == 3
    again = RUNNER.invoke(app, ["import", "run", "--from", "airss"])
    assert again.stdout == result.stdout


def test_import_with_a_model_gives_hull_distances(finished: Path) -> None:
    options = ["--hull", "entries.csv", "--out", "judged"]
    result = RUNNER.invoke(
        app, ["import", "run", "--from", "airss", "--model", "chgnet-0.3.0", *options]
    )
    assert result.exit_code == 0, result.output
    for atoms in ase.io.read(finished / "judged" / "imported.extxyz", ":"):
        above = atoms.get_potential_energy() / 4 + 3.5
        assert atoms.info["decomposition_energy"] == pytest.approx(above)
        assert atoms.info["energy_model"] == "chgnet-0.3.0"
    refused = RUNNER.invoke(app, ["import", "run", "--from", "airss", "--model", "pbe", *options])
    assert refused.exit_code == 1
    assert "made with chgnet-0.3.0 and the energies with pbe" in refused.stderr


@pytest.mark.parametrize("code", sorted(RUNS))
def test_results_under_pressure_tell_energy_and_enthalpy_apart(tmp_path: Path, code: str) -> None:
    def energies(pressure: float) -> dict[str, Atoms]:
        folder = tmp_path / f"at{pressure:g}"
        get_exporter(code).write(alloys(3), folder, pressure=pressure)
        RUNS[code](folder)
        return {a.info["structure_id"]: a for a in get_exporter(code).read_results(folder)}

    at_none, pressed = energies(0.0), energies(16.0)
    assert at_none.keys() == pressed.keys()
    gives_energies = code in ("ase-ga", "gasp", "magus")
    for name, atoms in pressed.items():
        assert "pressure" not in at_none[name].info
        if at_none[name].calc is None or code in ("agox", "fuse"):  # these relax at none
            assert atoms.info.get("pressure", 0.0) == (0.0 if code in ("agox", "fuse") else 16.0)
            continue
        said = at_none[name].get_potential_energy()
        work = 16.0 * GPa * atoms.cell.volume
        energy = said if gives_energies else said - work
        assert atoms.get_potential_energy() == pytest.approx(energy)
        assert atoms.info["enthalpy_per_atom"] * len(atoms) == pytest.approx(energy + work)
        assert atoms.info["volume_per_atom"] == pytest.approx(atoms.cell.volume / len(atoms))
        assert atoms.info["pressure"] == 16.0


def test_import_under_pressure_needs_references_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    get_exporter("airss").write(alloys(3), tmp_path / "run", pressure=16.0)
    RUNS["airss"](tmp_path / "run")
    command = ["import", "run", "--from", "airss", "--model", "chgnet-0.3.0"]
    without = RUNNER.invoke(app, command)
    assert without.exit_code == 0, without.output
    assert "no decomposition enthalpies: give references at the pressure" in without.stderr
    entries = tmp_path / "entries.csv"
    entries.write_text("# model: chgnet-0.3.0\nformula,energy_per_atom\nCu,-4.0\nAu,-3.0\n")
    refused = RUNNER.invoke(app, [*command, "--hull", "entries.csv"])
    assert "references are at 0 GPa and the structures at 16 GPa" in refused.stderr
    entries.write_text(
        "# model: chgnet-0.3.0\n# pressure: 16\nformula,enthalpy_per_atom\nCu,-3.0\nAu,-2.0\n"
    )
    told = RUNNER.invoke(app, [*command, "--hull", "entries.csv"])
    assert told.exit_code == 0, told.output
    for atoms in ase.io.read("imported/imported.extxyz", ":"):
        above = atoms.info["enthalpy_per_atom"] + 2.5
        assert atoms.info["decomposition_enthalpy"] == pytest.approx(above)
        assert "decomposition_energy" not in atoms.info


def test_import_refuses(finished: Path) -> None:
    def says(*arguments: str) -> str:
        result = RUNNER.invoke(app, ["import", *arguments, "--out", "none"])
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert not (finished / "none").exists()
        return result.stderr

    assert "there is no folder nowhere" in says("nowhere", "--from", "airss")
    assert "is an export for airss" in says("run", "--from", "uspex")
    assert "no exporter 'vasp'" in says("run", "--from", "vasp")
    (finished / "run" / MAP).write_text('{"seeds": 3}')
    assert "cannot be read as the map of an export" in says("run", "--from", "airss")


@pytest.mark.parametrize("code", sorted(RUNS))
def test_exporters_pass_the_check(code: str, folder: Path) -> None:
    check_exporter(get_exporter(code), alloys(3), folder, RUNS[code])


@pytest.mark.parametrize("columns", ["20", "80", "200"])
def test_the_table_shows_ranks_and_whole_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """However narrow the terminal: the rank is that of the file and of the CIFs."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.chdir(tmp_path)
    get_exporter("airss").write(alloys(3), tmp_path / "out")
    RUNS["airss"](tmp_path / "out")
    done = RUNNER.invoke(app, ["import", "out", "--from", "airss"])
    assert done.exit_code == 0, done.output
    ranked = [a.info["structure_id"] for a in ase.io.read("imported/imported.extxyz", ":")]
    lines = done.stdout.splitlines()[1 : 1 + len(ranked)]
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    for line, name in zip(lines, ranked, strict=True):
        assert name in line.split()
    cifs = sorted(path.name for path in (tmp_path / "imported" / "cif").iterdir())
    assert cifs == [f"{n:03d}-{name}.cif" for n, name in enumerate(ranked, start=1)]
    rows = ase.db.connect("imported/imported.db").select(sort="id")
    assert [row.structure_id for row in rows] == ranked
    assert "…" not in done.stdout


def test_what_is_left_out_is_named_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    pool = alloys(2)
    pool[0].info["structure_id"] = name = f"a[/b]-{'long-' * 20}"
    pool[0].positions[1] = pool[0].positions[0] + 0.1
    write_extxyz(tmp_path / "pool.extxyz", pool)
    command = ["export", str(tmp_path / "pool.extxyz"), str(tmp_path / "out"), "--to", "uspex"]
    done = RUNNER.invoke(app, command)
    assert done.exit_code == 0, done.output
    assert name in done.stdout
    assert "apart" in done.stdout
