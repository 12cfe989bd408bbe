"""DFT: inputs re-read by others than wrote them, runs under custodian, a hull of their own."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import ase.io
import ase.test
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io.vasp import read_vasp_xml
from pymatgen.io.pwscf import PWInput
from pymatgen.io.vasp import Incar, Kpoints, Poscar
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.convex_hull.hull import Hull
from gencsp.dft import code_names, get_code, read_campaign, write_campaign
from gencsp.dft.base import Calculation
from gencsp.dft.espresso import kpoints
from gencsp.errors import (
    DeckError,
    DftError,
    HullReferenceError,
    ProgramError,
    StoreError,
    StructureFileError,
)
from gencsp.io.structures import read_structures, write_extxyz
from gencsp.provenance import Provenance, Stage

RUNNER = CliRunner()
VASPRUN = Path(ase.test.__file__).parent / "testdata" / "vasp" / "vasprun_pstress.xml"


#: As much of one as pymatgen, and so custodian, wants to see.
POTCAR = """  {title}
 2.0
 parameters from PSCTR are:
   TITEL  = {title}
   LEXCH  = PE
   ENMAX  =  400.000; ENMIN  =  300.000 eV
END of PSCTR-controll parameters
 local part
  1.0 2.0 3.0
End of Dataset
"""


def pool() -> list[Atoms]:
    first = bulk("MgO", "rocksalt", a=4.21)
    second = Atoms(
        "OMgOMg",
        scaled_positions=[(0, 0, 0), (0.5, 0.5, 0), (0.5, 0.5, 0.5), (0, 0, 0.5)],
        cell=[3.0, 3.1, 4.4],
        pbc=True,
    )
    second.rattle(0.05, seed=1)
    for n, atoms in enumerate((first, second)):
        Provenance(
            structure_id=f'r{n} "$(x)`; [1]', proposer="score", stage=Stage.RELAXED, model="abc"
        ).write(atoms)
    return [first, second]


@pytest.fixture
def pseudos(tmp_path: Path) -> Path:
    folder = tmp_path / "pseudos of mine"
    folder.mkdir()
    for name in ("Mg.pbe-spn.UPF", "O_pbe.upf", "Os.pbe.UPF"):
        (folder / name).write_text(f"<UPF> {name} </UPF>")
    return folder


def same(one: Atoms, other: Atoms) -> bool:
    order = [np.argsort(a.numbers, kind="stable") for a in (one, other)]
    close = np.allclose(one.positions[order[0]], other.positions[order[1]], atol=1e-6)
    return close and np.allclose(one.cell.array, other.cell.array, atol=1e-6)


def test_espresso_is_re_read(tmp_path: Path, pseudos: Path) -> None:
    """By ASE and by pymatgen; k-points as dense as asked."""
    calculation = Calculation(kind="relax", cutoff=600, pressure=5.0)
    campaign = write_campaign(pool(), tmp_path / "qe", f"espresso:{pseudos}", calculation)
    assert [job.folder for job in campaign.jobs] == ["0001", "0002"]
    assert campaign.code_name == "espresso"
    assert read_campaign(tmp_path / "qe") == campaign
    for job, atoms in zip(campaign.jobs, pool(), strict=True):
        path = tmp_path / "qe" / job.folder / "espresso.pwi"
        assert same(ase.io.read(path, format="espresso-in"), atoms)
        found = PWInput.from_file(path)
        assert found.structure.lattice.matrix == pytest.approx(atoms.cell.array, abs=1e-6)
        assert found.sections["control"]["calculation"] == "vc-relax"
        assert found.sections["control"]["pseudo_dir"] == str(pseudos)
        assert found.sections["cell"]["press"] == pytest.approx(50.0)  # kbar
        assert float(found.sections["system"]["ecutwfc"]) == pytest.approx(
            600 / 13.605693, rel=1e-6
        )
        assert tuple(found.kpoints_grid) == kpoints(atoms, 0.25)
        lengths = 2 * np.pi * np.linalg.norm(np.linalg.inv(atoms.cell.array).T, axis=1)
        assert (lengths / np.array(found.kpoints_grid) <= 0.25 + 1e-9).all()


def test_espresso_needs_one_pseudopotential_of_each(tmp_path: Path, pseudos: Path) -> None:
    with pytest.raises(DftError, match="name their folder, espresso:DIR"):
        write_campaign(pool(), tmp_path / "a", "espresso", Calculation())
    code = get_code(f"espresso:{pseudos}")
    level = code.level(pool(), Calculation())
    assert level == code.level(pool(), Calculation())
    (pseudos / "O_pbe.upf").write_text("another")
    assert level != code.level(pool(), Calculation())
    (pseudos / "O.lda.UPF").touch()
    with pytest.raises(DftError, match=r"one pseudopotential of O, and has O.lda.UPF, O_pbe.upf"):
        write_campaign(pool(), tmp_path / "a", f"espresso:{pseudos}", Calculation())
    assert not (tmp_path / "a").exists()


def test_a_structure_without_pseudopotential_is_left_out_and_named(
    tmp_path: Path, pseudos: Path
) -> None:
    code = f"espresso:{pseudos}"
    alone = write_campaign(pool(), tmp_path / "alone", code, Calculation())
    silicon = bulk("Si")
    silicon.info["structure_id"] = "no-pseudo"
    campaign = write_campaign([silicon, *pool()], tmp_path / "a", code, Calculation())
    ((name, reason),) = campaign.left_out
    assert name == "no-pseudo"
    assert "pseudopotential of Si" in reason
    assert campaign.level == alone.level
    assert [job.folder for job in campaign.jobs] == ["0001", "0002"]
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == sorted(
        p.name for p in (tmp_path / "alone").iterdir()
    )
    with pytest.raises(DftError, match="pseudopotential of Si"):
        write_campaign([silicon], tmp_path / "b", code, Calculation())
    assert not (tmp_path / "b").exists()


def test_inputs_that_cannot_be_written_leave_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a folder would be refused by the next attempt, as one that is not empty."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(get_code("gpaw")), "write", full)
    with pytest.raises(StoreError, match="no space left"):
        write_campaign(pool(), tmp_path / "a", "gpaw", Calculation())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "preset", "functional", "level"),
    [
        ("relax", "", "GGA", "mp-GGA_GGA+U"),
        ("static", "", "GGA", "mp-GGA_GGA+U"),
        ("relax", "scan", "METAGGA", "mp-R2SCAN"),
    ],
)
def test_vasp_is_re_read(
    tmp_path: Path, kind: str, preset: str, functional: str, level: str
) -> None:
    calculation = Calculation(kind=kind)  # type: ignore[arg-type]
    campaign = write_campaign(pool(), tmp_path / "v", f"vasp:{preset}", calculation)
    assert campaign.level == level
    for job, atoms in zip(campaign.jobs, pool(), strict=True):
        place = tmp_path / "v" / job.folder
        incar = Incar.from_file(place / "INCAR")
        assert (incar["NSW"] > 0) == (kind == "relax")
        assert incar.get("METAGGA", "").upper() == ("R2SCAN" if preset == "scan" else "")
        assert functional in ("GGA", "METAGGA")
        if not preset:
            assert incar["ENCUT"] == 520
        back = ase.io.read(place / "POSCAR", format="vasp")
        assert same(back, atoms)
        assert Poscar.from_file(place / "POSCAR").site_symbols == ["Mg", "O"]
        if (place / "KPOINTS").exists():
            assert Kpoints.from_file(place / "KPOINTS").num_kpts == 0  # automatic
        else:
            assert incar["KSPACING"] > 0
        assert (place / "POTCAR").exists() or (place / "POTCAR.spec").exists()


def magnetic() -> Atoms:
    """NiO, antiferromagnetic, its atoms not in VASP's order."""
    atoms = bulk("NiO", "rocksalt", a=4.17, cubic=True)
    moments = np.zeros(len(atoms))
    moments[atoms.symbols == "Ni"] = (2.0, -2.0, 2.0, -2.0)
    atoms.set_initial_magnetic_moments(moments)
    return atoms


@pytest.mark.parametrize("code", ["vasp", "gpaw", "espresso"])
def test_inputs_start_from_the_moments_of_the_structure(
    tmp_path: Path, pseudos: Path, code: str
) -> None:
    (pseudos / "Ni.UPF").touch()
    name = f"espresso:{pseudos}" if code == "espresso" else code
    write_campaign(
        [magnetic(), bulk("NiO", "rocksalt", a=4.17)], tmp_path / "c", name, Calculation()
    )
    place, plain = tmp_path / "c" / "0001", tmp_path / "c" / "0002"
    if code == "vasp":
        back = ase.io.read(place / "POSCAR", format="vasp")
        back.set_initial_magnetic_moments(Incar.from_file(place / "INCAR")["MAGMOM"])
        assert Incar.from_file(plain / "INCAR")["MAGMOM"] == [5.0, 0.6]  # the set's own
    elif code == "gpaw":
        back = ase.io.read(place / "start.extxyz")
        assert not ase.io.read(plain / "start.extxyz").has("initial_magmoms")
    else:
        back = spin_polarised(place / "espresso.pwi")
        assert "nspin" not in PWInput.from_file(plain / "espresso.pwi").sections["system"]
    wanted = magnetic()
    for atom in wanted:
        spot = np.linalg.norm((back.positions - atom.position), axis=1).argmin()
        assert back.symbols[spot] == atom.symbol
        assert back.get_initial_magnetic_moments()[spot] == atom.magmom


def spin_polarised(path: Path) -> Atoms:
    """A structure with its moments: ASE reads but one species for each element."""
    text = path.read_text()
    assert re.search(r"nspin\s*=\s*2\b", text)
    values = re.findall(r"starting_magnetization\(\d+\) = (\S+)", text)
    labels = re.findall(r"^(\w+) +[\d.]+ +\S+\.(?:UPF|upf)$", text, re.MULTILINE)
    moments = dict(zip(labels, map(float, values), strict=True))
    atoms = ase.io.read(path, format="espresso-in")
    sites = re.findall(r"^(\w+) +\S+ +\S+ +\S+ *$", text.split("ATOMIC_POSITIONS")[1], re.MULTILINE)
    atoms.set_initial_magnetic_moments([moments[label] for label in sites])
    return atoms


def test_moments_that_are_vectors_are_refused(tmp_path: Path) -> None:
    atoms = bulk("NiO", "rocksalt", a=4.17)
    atoms.set_initial_magnetic_moments(np.ones((2, 3)))
    with pytest.raises(DftError, match="collinear"):
        write_campaign([atoms], tmp_path / "c", "vasp", Calculation())


def test_changed_settings_are_another_level() -> None:
    vasp = get_code("vasp")
    plain = vasp.level(pool(), Calculation(kind="relax"))
    denser = vasp.level(pool(), Calculation(kind="relax", cutoff=700))
    assert plain == "mp-GGA_GGA+U"
    assert denser.startswith("vasp-relax-")
    gpaw = get_code("gpaw")
    levels = {gpaw.level(pool(), Calculation(cutoff=c)) for c in (400, 500)}
    assert len(levels) == 2


def test_gpaw_is_re_read(tmp_path: Path) -> None:
    write_campaign(pool(), tmp_path / "g", "gpaw", Calculation(cutoff=400))
    place = tmp_path / "g" / "0002"
    assert same(ase.io.read(place / "start.extxyz"), pool()[1])
    compile((place / "run_gpaw.py").read_text(), "run_gpaw.py", "exec")
    settings = json.loads((place / "settings.json").read_text())
    assert (settings["cutoff"], tuple(settings["kpoints"])) == (400, kpoints(pool()[1], 0.25))


def test_what_is_refused(tmp_path: Path) -> None:
    for code in code_names():
        with pytest.raises(DftError, match="no structure"):
            write_campaign([], tmp_path / "x", code, Calculation())
    with pytest.raises(DftError, match="no code 'qe': choose from espresso, gpaw, vasp"):
        get_code("qe")
    with pytest.raises(DeckError, match="option 'preset' of the code 'vasp' is 'hse'"):
        write_campaign(pool(), tmp_path / "x", "vasp:hse", Calculation())
    with pytest.raises(DftError, match="'scan' does not go with 'static'"):
        write_campaign(pool(), tmp_path / "x", "vasp:scan", Calculation())
    with pytest.raises(DftError, match="a single point has no pressure"):
        write_campaign(pool(), tmp_path / "x", "vasp", Calculation(pressure=1.0))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(StoreError, match="is not empty"):
        write_campaign(pool(), tmp_path / "full", "gpaw", Calculation())
    with pytest.raises(StructureFileError, match="holds no calculations of gencsp"):
        read_campaign(tmp_path)


def gpaw_stand_in(place: Path, text: str) -> str:
    """A ``python`` that is none: it leaves what our program for GPAW leaves."""
    path = place / "gpaw-python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return f"{path} run_gpaw.py"


LEAVES = """cp start.extxyz end.extxyz
cat > result.json <<END
{"energy": -24.5, "forces": [[0,0,0],[0,0,0]], "stress": [0,0,0,0,0,0], "problem": "$PROBLEM"}
END"""


def test_from_a_search_to_a_hull_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_extxyz("best.extxyz", pool()[:1])
    command = ["dft", "write", "best.extxyz", "runs", "--code", "gpaw", "--cutoff", "400"]
    assert RUNNER.invoke(app, command).exit_code == 0
    nothing = RUNNER.invoke(app, ["dft", "read", "runs"])
    assert "not run" in nothing.stderr
    how = gpaw_stand_in(tmp_path, LEAVES)
    ran = RUNNER.invoke(app, ["dft", "run", "runs", "--command", how])
    assert ran.exit_code == 0, ran.output
    assert "1 of 1 calculations ran" in ran.stdout
    again = RUNNER.invoke(app, ["dft", "run", "runs", "--command", "no-such-program"])
    assert "0 of 0 calculations ran" in again.stdout  # what is done is not done again
    read = RUNNER.invoke(app, ["dft", "read", "runs", "--out", "dft"])
    assert read.exit_code == 0, read.output
    (atoms,) = read_structures(["dft/dft.extxyz"])
    level = read_campaign(Path("runs")).level
    assert atoms.info["energy_per_atom"] == pytest.approx(-12.25)
    assert atoms.info["energy_model"] == level
    assert (atoms.info["parents"], atoms.info["proposer"]) == (
        pool()[0].info["structure_id"],
        "score",
    )
    from gencsp.convex_hull.entries import read_references

    assert read_references(Path("dft/entries.csv")).model == level
    with pytest.raises(HullReferenceError):
        Hull.load(None).require_model(level)
    refused = RUNNER.invoke(
        app, ["dft", "read", "runs", "--hull", _chgnet_hull(tmp_path), "--out", "x"]
    )
    assert refused.exit_code == 1
    assert "energies with gpaw-PBE" in " ".join(refused.stderr.split())


def _chgnet_hull(place: Path) -> str:
    text = "# model: chgnet-0.3.0\nformula,energy_per_atom\nMg,-1.5\nO,-5.0\nMgO,-6.0\n"
    (place / "hull.csv").write_text(text)
    return str(place / "hull.csv")


def test_runs_that_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_campaign(pool()[:1], Path("runs"), "gpaw", Calculation())
    campaign = read_campaign(Path("runs"))
    with pytest.raises(ProgramError, match="no program 'no-such-program'"):
        list(campaign.run(command=["no-such-program"]))
    for text, seconds, problem in (
        ("echo no setup for Mg >&2; exit 3", 60.0, "ended with status 3 (no setup for Mg)"),
        ("exit 0", 60.0, "left no output"),
        ("sleep 100", 1.0, "not done after 1 s"),
    ):
        how = gpaw_stand_in(tmp_path, text).split()
        ((_, fault),) = campaign.run(command=how, seconds=seconds, retries=0)
        assert problem in fault
    monkeypatch.setenv("PROBLEM", "step limit reached")
    list(campaign.run(command=gpaw_stand_in(tmp_path, LEAVES).split()))
    ((_, result),) = campaign.results()
    assert result == "step limit reached"
    (tmp_path / "runs" / "0001" / "result.json").write_text("{half")
    ((_, result),) = campaign.results()
    assert "cannot be read" in str(result)


def test_vasp_needs_potcars(tmp_path: Path) -> None:
    campaign = write_campaign(pool()[:1], tmp_path / "v", "vasp", Calculation(kind="relax"))
    if (tmp_path / "v" / "0001" / "POTCAR").exists():
        pytest.skip("POTCARs are installed")
    with pytest.raises(DftError, match=r"has no POTCAR: put it there as POTCAR.spec says"):
        list(campaign.run(command=["true"]))


# The POTCARs of this test are no real ones.
@pytest.mark.filterwarnings("ignore:POTCAR data with symbol", "ignore:No POTCAR file")
def test_vasp_under_custodian_and_back(tmp_path: Path) -> None:
    """A stand-in leaves a vasprun.xml of VASP itself, from ASE's own tests."""
    if not VASPRUN.exists():
        pytest.skip("this ASE comes without its test data")
    ((theirs),) = list(read_vasp_xml(VASPRUN, index=-1))
    start = Atoms(theirs.numbers, theirs.positions, cell=theirs.cell, pbc=True)
    campaign = write_campaign(
        [start], tmp_path / "v", "vasp", Calculation(kind="relax", cutoff=400)
    )
    place = tmp_path / "v" / "0001"
    titles = [f"PAW_PBE {symbol} 01Jan2000" for symbol in dict.fromkeys(theirs.symbols)]
    (place / "POTCAR").write_text("".join(POTCAR.format(title=title) for title in titles))
    program = tmp_path / "vasp_std"
    program.write_text(f"#!/bin/sh\ncp '{VASPRUN}' vasprun.xml\ncp POSCAR CONTCAR\n")
    program.chmod(0o755)
    ((_, fault),) = campaign.run(command=[str(program)], retries=0)
    assert fault == ""
    assert (place / "custodian.json").exists()
    ((_, result),) = campaign.results()
    assert not isinstance(result, str), result
    assert result.atoms.get_chemical_formula() == theirs.get_chemical_formula()
    np.testing.assert_allclose(result.atoms.cell.array, theirs.cell.array, atol=1e-6)
    assert result.energy == pytest.approx(theirs.get_potential_energy(), abs=0.05)
    (kept,) = campaign.structures()  # by ASE's own reader of what VASP left
    assert kept.get_potential_energy() == pytest.approx(result.energy)
    np.testing.assert_allclose(kept.get_forces(), theirs.get_forces(), atol=1e-6)
    np.testing.assert_allclose(kept.get_stress(), theirs.get_stress(), atol=1e-6)
    assert np.abs(theirs.get_stress()).max() > 1e-4
    (place / "vasprun.xml").write_text("<modeling><half")
    ((_, result),) = campaign.results()
    assert "cannot be read" in str(result)


def test_folders_take_no_names_from_the_pool(tmp_path: Path) -> None:
    write_campaign(pool(), tmp_path / "g", "gpaw", Calculation())
    assert sorted(os.listdir(tmp_path / "g")) == ["0001", "0002", "gencsp-dft.json"]
    ids = [job.structure_id for job in read_campaign(tmp_path / "g").jobs]
    assert ids == [a.info["structure_id"] for a in pool()]


def test_a_program_that_somebody_changed_is_not_run(tmp_path: Path) -> None:
    """A folder of calculations may come from somewhere else."""
    campaign = write_campaign(pool()[:1], tmp_path / "g", "gpaw", Calculation(cutoff=400))
    program = tmp_path / "g" / campaign.jobs[0].folder / "run_gpaw.py"
    program.write_text("from pathlib import Path\nPath('executed').touch()\n")
    with pytest.raises(DftError, match=r"not the program that gencsp writes.*--command"):
        list(campaign.run(retries=0))
    assert not program.with_name("executed").exists()
    list(campaign.run(command=["python", "./run_gpaw.py"], retries=0))
    assert program.with_name("executed").exists()


@pytest.mark.parametrize(
    ("gap", "spacing", "smearing"),
    [
        (0.0, 0.22, 2),  # a metal, as Li-Si in the paper
        (2.0, 2 * np.pi * 1.0265 / (25.22 - 2.87 * 2.0 - 1.0183), -5),
        (4.0, 0.44, -5),  # an insulator, as Zn-P-S in the paper
    ],
)
def test_the_band_gap_says_how_far_k_points_are_apart(
    tmp_path: Path, gap: float, spacing: float, smearing: int
) -> None:
    calculation = Calculation(kind="relax", gap=gap)
    assert calculation.kpoint_spacing == pytest.approx(spacing)
    campaign = write_campaign(pool()[:1], tmp_path / "v", "vasp:scan", calculation)
    incar = Incar.from_file(tmp_path / "v" / campaign.jobs[0].folder / "INCAR")
    assert incar["KSPACING"] == pytest.approx(spacing, abs=1e-6)
    assert incar["ISMEAR"] == smearing
    assert campaign.level == "mp-R2SCAN"  # the rule is that of the Materials Project
    write_campaign(pool()[:1], tmp_path / "g", "gpaw", Calculation(gap=gap))
    same_spacing = Calculation(spacing=calculation.kpoint_spacing)
    write_campaign(pool()[:1], tmp_path / "s", "gpaw", same_spacing)
    programs = [next((tmp_path / name).rglob("run_gpaw.py")).read_text() for name in "gs"]
    assert programs[0] == programs[1]


def test_a_band_gap_where_it_decides_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DftError, match="leave out the spacing"):
        Calculation(gap=1.0, spacing=0.3)
    with pytest.raises(DftError, match="gap is -1"):
        Calculation(gap=-1.0)
    with pytest.raises(DftError, match="as many k-points for insulators as for metals"):
        write_campaign(pool(), tmp_path / "x", "vasp", Calculation(gap=1.0))
    assert not (tmp_path / "x").exists()


def test_only_structures_below_a_decomposition_energy_are_written(tmp_path: Path) -> None:
    energies = (0.02, 0.1, 0.1001, None, -0.3)
    structures = []
    for number, energy in enumerate(energies):
        atoms = bulk("MgO", "rocksalt", a=4.2 + 0.1 * number)
        atoms.info["structure_id"] = f"s{number}"
        if energy is not None:
            atoms.info["decomposition_energy"] = energy
        structures.append(atoms)
    write_extxyz(tmp_path / "ranked.extxyz", structures)
    words = ["dft", "write", str(tmp_path / "ranked.extxyz")]
    made = RUNNER.invoke(app, [*words, str(tmp_path / "d"), "--code", "gpaw", "--below", "0.1"])
    assert made.exit_code == 0, made.output
    written = [job.structure_id for job in read_campaign(tmp_path / "d").jobs]
    assert written == ["s0", "s1", "s4"]
    assert "left out: 1 above 0.1 eV/atom" in made.stdout
    assert "left out: 1 without a decomposition energy" in made.stdout
    two = [*words, str(tmp_path / "e"), "--code", "gpaw", "--below", "0.1", "--top", "2"]
    assert RUNNER.invoke(app, two).exit_code == 0
    assert [job.structure_id for job in read_campaign(tmp_path / "e").jobs] == ["s0", "s1"]
    none = RUNNER.invoke(app, [*words, str(tmp_path / "f"), "--code", "gpaw", "--below", "-0.5"])
    assert none.exit_code == 2
    assert "up to -0.5 eV/atom: the lowest has -0.3000" in none.stderr
    assert not (tmp_path / "f").exists()
