"""Folders as each code leaves them after a run from three seeds, in the code's own forms.

Each function fills the folder of an export and returns what a reader must find: the code's name
of a structure, which seed it comes from, its energy in eV per cell, and the structure.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import ase.db
import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from pools import alloys


class Expected(NamedTuple):
    name: str
    seed: int | None
    energy: float | None
    atoms: Atoms


def relaxed(number: int) -> Atoms:
    """What a code could have made of a seed: sorted by species, another cell."""
    atoms = alloys(number + 1)[number]
    atoms = atoms[np.argsort(-atoms.numbers, kind="stable")]
    atoms.set_cell(atoms.cell * 1.02, scale_atoms=True)
    atoms.info, atoms.calc = {}, None
    return atoms


def vasp4(atoms: Atoms) -> str:
    """Title to coordinates, without a line of symbols, as CALYPSO writes."""
    rows = [" ".join(f"{x:14.9f}" for x in row) for row in atoms.cell.array]
    rows += ["2 2", "Direct"]
    rows += [" ".join(f"{x:12.8f}" for x in row) for row in atoms.get_scaled_positions()]
    return "\n".join(["title", "1.0", *rows]) + "\n"


def vasp5(atoms: Atoms, title: str, ending: str = "") -> str:
    lines = vasp4(atoms).split("\n")
    lines[0] = title
    lines.insert(5, "Au Cu")
    return "\n".join(f"{line}{ending if n > 7 and line else ''}" for n, line in enumerate(lines))


def airss(folder: Path) -> list[Expected]:
    (folder / "good_castep").mkdir()
    (folder / "bad_castep").mkdir()
    found = []
    for name, seed in (("AuCu-1234-5678-1", None), ("AuCu-seed0001", 0), ("AuCu-seed0003", 2)):
        atoms, energy = relaxed(seed or 1), -100.5 - (seed or 1)
        cell = " ".join(f"{x:.6f}" for x in atoms.cell.cellpar())
        lines = [
            f"TITL {name} -0.02 {atoms.cell.volume:.4f} {energy:.6f} 0.00 0.00 4 (P1) n - 1",
            "REM Run in /home/x",
            f"CELL 1.54180 {cell}",
            "LATT -1",
            "SFAC Au Cu",
        ]
        for symbol, row in zip(atoms.symbols, atoms.get_scaled_positions(), strict=True):
            place = " ".join(f"{x:.9f}" for x in row)
            lines.append(f"{symbol} {1 if symbol == 'Au' else 2} {place} 1.0 0.10")
        (folder / "good_castep" / f"{name}.res").write_text("\n".join([*lines, "END", ""]))
        found.append(Expected(name, seed, energy, atoms))
    (folder / "bad_castep" / "AuCu-seed0002.res").write_text("TITL broken\n")
    return found


def uspex(folder: Path) -> list[Expected]:
    results = folder / "results1"
    results.mkdir()
    rows = [
        "Gen   ID    Origin   Composition    Enthalpy   Volume  Density   Fitness   KPOINTS  SYMM"
    ]
    rows += ["                                  (eV)     (A^3)  (g/cm^3)"]
    stream, found = "", []
    origins = ("Random", "Seeds", "Seeds", "Seeds", "Heredity")
    for number, origin in enumerate(origins, start=1):
        seed = number - 2 if origin == "Seeds" else None
        atoms, energy = relaxed(number % 3), -13.25 - number
        rows.append(
            f"  1 {number:4d} {origin:>10} [   2   2    ] {energy:9.4f} {atoms.cell.volume:9.3f} "
            f"  8.123   {energy:9.4f} [ 3  3  3] 1 0.1 0.2"
        )
        stream += vasp5(atoms, f"EA{number} 3.9 3.9 3.9 90.0 90.0 90.0 Sym.group: 1")
        found.append(Expected(f"EA{number}", seed, energy, atoms))
    (results / "Individuals").write_text("\n".join(rows) + "\n")
    (results / "gatheredPOSCARS").write_text(stream)
    return found


def calypso(folder: Path) -> list[Expected]:
    (folder / "results").mkdir()
    text, found = "", []
    for number in range(3):
        per_atom = 610612509.0 if number == 1 else -3.125 - number
        text += f"   {per_atom:.6f}\n{vasp4(relaxed(number))}"
        energy = None if number == 1 else 4 * per_atom
        found.append(Expected(f"1.{number + 1}", number, energy, relaxed(number)))
    (folder / "results" / "pso_opt_1").write_text(text)
    (folder / "results" / "pso_ini_1").write_text("not a result\n")
    (folder / "results" / "pso_opt_2").write_text(f"  -3.5\n{vasp4(relaxed(1))}")
    return [*found, Expected("2.1", None, -14.0, relaxed(1))]


def xtalopt(folder: Path) -> list[Expected]:
    found = []
    parents = (
        f"Seeded: {folder.absolute()}/seeds/seed0001",
        "Randomly generated",
        f"Seeded: {folder.absolute()}/seeds/seed0003",
        "Crossover: 1x1 (50%) + 1x3 (50%)",
    )
    for number, parent in enumerate(parents, start=1):
        place = folder / "run" / f"00001x{number:05d}"
        place.mkdir(parents=True)
        atoms, energy = relaxed(number % 3), -13.5 - number
        status = 8 if number == 2 else 0  # killed
        (place / "structure.state").write_text(
            "[structure]\nsaveSuccessful=true\nversion=4\ngeneration=1\n"
            f"id={number}\nparents={parent}\nstatus={status}\n"
            f"current\\enthalpy={energy}\ncurrent\\energy={energy - 1}\ncurrent\\PV=1\n"
            "\n[xtal]\nparents=not these\n"
        )
        (place / "CONTCAR").write_text(vasp5(atoms, "title") + "\n" + "  0.0 0.0 0.0\n" * 4)
        seed = {1: 0, 3: 2}.get(number)
        if status == 0:
            found.append(Expected(place.name, seed, energy, atoms))
    (folder / "run" / "results.txt").write_text("Rank Struct\n")
    return found


def cryspy(folder: Path) -> list[Expected]:
    (folder / "data").mkdir()
    table = "   Spg_num Spg_sym  Spg_num_opt Spg_sym_opt  E_eV_atom  Magmom   Opt\n"
    stream, found = "", []
    for number in (2, 0, 3):  # in the order in which they finish; 3 is the code's own
        per_atom = -3.0 - number / 8
        table += (
            f"{number}        1      P1           25        Pmm2  {per_atom:.6f}     NaN  done\n"
        )
        # pymatgen's coordinate lines end in the symbol
        stream += vasp5(relaxed(number), f"ID_{number}", " Au").replace("Direct Au", "direct")
        seed = number if number < 3 else None
        found.append(Expected(str(number), seed, 4 * per_atom, relaxed(number)))
    table += "1        1      P1            0        None        NaN     NaN  no_file\n"
    (folder / "data" / "cryspy_rslt").write_text(table)
    (folder / "data" / "opt_POSCARS").write_text(stream)
    return found


def fuse(folder: Path) -> list[Expected]:
    (folder / "structures").mkdir()
    (folder / "reference_structures" / "seed0001.cif").unlink()  # as FUSE does with rejected ones
    (folder / "reference_structures" / "temp.cif").write_text("left behind by FUSE\n")
    head = "move,type,step,energy,temperature,current energy,global minimum energy,"
    rows = [head + "structure file name,accepted?"]
    found = []
    plan = (("I", 0, 1, -3.5), ("I", 1, 2, 2.5e19), ("I", 2, None, -3.25), ("S", 1, None, -3.75))
    for kind, number, seed, per_atom in plan:
        name = f"{kind}-{number:07d}"
        atoms = relaxed(number)
        ase.io.write(folder / "structures" / f"{name}.cif", atoms)
        rows.append(f"initial,{kind},{number},{per_atom},0.02,0.0,0.0,{name}.cif,-")
        if per_atom < 0:
            found.append(Expected(name, seed, 4 * per_atom, atoms))
    (folder / "graph_output.csv").write_text("\n".join(rows) + "\n")
    return found


def agox(folder: Path) -> list[Expected]:
    """With the statements of AGOX 3.11.1."""
    db = sqlite3.connect(folder / "db0.db")
    db.execute(
        "create table structures (id integer primary key autoincrement, ctime real, positions "
        "blob, energy real, type blob, cell blob, forces blob, pbc blob, template_indices blob, "
        "iteration int, cache_key text)"
    )
    for kind, sql in (("text", "TEXT"), ("int", "INTEGER"), ("other", "BLOB")):
        db.execute(f"CREATE TABLE {kind}_key_values (key TEXT, value {sql}, id INTEGER)")
    found = []
    for number in (1, 2, 3):
        atoms, energy = relaxed(number % 3), -12.5 - number
        seed = number - 1 if number < 3 else None
        arrays = [
            np.ascontiguousarray(a, dtype=float)
            for a in (atoms.positions, atoms.numbers, atoms.cell.array)
        ]
        db.execute(
            "insert into structures values (NULL, 26.9, ?, ?, ?, ?, NULL, NULL, NULL, ?, 'k')",
            (arrays[0], energy, arrays[1], arrays[2], number),
        )
        pairs = [("generator", "SeedGenerator" if seed is not None else "RattleGenerator")]
        if seed is not None:
            pairs.append(("gencsp_seed", f"seed{number:04d}"))
        db.executemany(
            "INSERT INTO text_key_values VALUES (?, ?, ?)", [(*p, number) for p in pairs]
        )
        # AGOX pickles the rest; this one would raise if anyone unpickled it.
        db.execute("INSERT INTO other_key_values VALUES ('x', ?, ?)", (b"not a pickle", number))
        db.execute("INSERT INTO int_key_values VALUES ('final', 1, ?)", (number,))
        found.append(Expected(f"db0-{number}", seed, energy, atoms))
    db.execute(
        "insert into structures select 4, ctime, positions, energy, type, cell, forces, "
        "pbc, template_indices, iteration, cache_key from structures where id = 3"
    )
    db.execute("INSERT INTO int_key_values VALUES ('final', 0, 4)")  # a step on the way
    db.commit()
    db.close()
    return found


def ase_ga(folder: Path) -> list[Expected]:
    """Relaxed steps and one offspring, in the rows that ase_ga.data writes."""
    db = ase.db.connect(folder / "gadb.db")
    found = []
    for number in (1, 0):
        atoms, energy = relaxed(number), -12.0 - number
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
        row = db.write(
            atoms, relaxed=1, gaid=number + 2, raw_score=-energy, generation=0, extinct=0,
            origin="StartingCandidateUnrelaxed", source=f"seed{number + 1:04d}",
        )  # fmt: skip
        found.append(Expected(str(row), number, energy, atoms))
    row = db.write(
        relaxed(2), relaxed=1, gaid=9, raw_score=12.5, generation=1, extinct=0,
        origin="CutAndSplicePairing", source="seed0001",
    )  # fmt: skip
    return [*found, Expected(str(row), None, -12.5, relaxed(2))]


def gasp(folder: Path) -> list[Expected]:
    run = folder / "garun"
    (run / "temp").mkdir(parents=True)
    text = "Composition space endpoints:  CuAu\n\n"
    text += "id\t\t composition\t total energy\t\t epa\t\t\t num calcs\t best value\n\n"
    log, found = "", []
    for number, seed in ((3, 2), (1, None), (7, 0)):
        atoms, energy = relaxed(number % 3), -13.0 - number
        text += f"{number}\t\t Cu2Au2\t\t {energy:.6f}\t\t {energy / 4:.6f}\t\t 5\t\t None\n"
        (run / f"POSCAR.{number}").write_text(
            vasp5(atoms, "Cu2 Au2", " Cu").replace("Direct Cu", "direct")
        )
        if seed is not None:
            log += f"Making organism {number} from file: POSCAR.seed{seed + 1:04d} \n"
        found.append(Expected(str(number), seed, energy, atoms))
    (run / "run_data").write_text(text)
    (folder / "ga_output").write_text(f"Organisms left: 2\n{log}")
    return found


def magus(folder: Path) -> list[Expected]:
    results = folder / "results"
    results.mkdir()
    found = []
    for number, identity in enumerate(("seed1-2", "init1-0", "seed1-0")):
        atoms = relaxed(number)
        energy = -11.0 - number
        origin = identity[:4] if identity.startswith("seed") else "random"
        atoms.info |= {
            "identity": identity,
            "energy": energy,
            "enthalpy": energy / 4,
            "origin": origin,
            "fitness": {"Enthalpy": 1.0},
        }
        seed = int(identity[-1]) if origin == "seed" else None
        found.append(Expected(identity, seed, energy, atoms))
    ase.io.write(results / "gen1.traj", [one.atoms for one in found[:2]])
    ase.io.write(results / "good.traj", [found[0].atoms, found[2].atoms])
    return found


RUNS: dict[str, Callable[[Path], list[Expected]]] = {
    "agox": agox,
    "airss": airss,
    "ase-ga": ase_ga,
    "calypso": calypso,
    "cryspy": cryspy,
    "fuse": fuse,
    "gasp": gasp,
    "magus": magus,
    "uspex": uspex,
    "xtalopt": xtalopt,
}
