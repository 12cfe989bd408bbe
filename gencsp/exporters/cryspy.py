"""CrySPY: POSCARs, a program that makes CrySPY's own pickle of them, ``cryspy.in``; ``data/``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gencsp.errors import StructureFileError
from gencsp.exporters.base import Batch, Rules, SeedExporter
from gencsp.exporters.origin import SeedMap
from gencsp.exporters.poscar import read_poscars, write_poscar
from gencsp.exporters.programs import program
from gencsp.exporters.results import Found

#: Share of the shortest distances of the pool that CrySPY's offspring must keep.
KEPT = 0.7

_JOB = """#!/bin/sh
python3 ase_in.py > out.log 2>&1
sed -i -e '3 s/^.*$/done/' stat_job
"""


def _write(batch: Batch, folder: Path) -> list[str]:
    (folder / "seeds").mkdir()
    (folder / "calc_in").mkdir()
    files = []
    for number, seed in enumerate(batch.seeds):
        name = f"seeds/POSCAR_{number:04d}"
        (folder / name).write_text(write_poscar(seed.atoms, f"ID_{number}"))
        files.append(name)
    (folder / "load_seeds.py").write_text(program("load_seeds.py"))
    (folder / "calc_in" / "ase_in.py").write_text(program("ase_in.py", pressure=batch.pressure))
    (folder / "calc_in" / "job_cryspy").write_text(_JOB)
    (folder / "cryspy.in").write_text(_deck(batch))
    return files


def _deck(batch: Batch) -> str:
    elements = batch.composition.elements
    least = batch.least_distances(KEPT)
    distances = "".join(
        f"mindist_{number} = {' '.join(f'{least[one, other]:.2f}' for other in elements)}\n"
        for number, one in enumerate(elements, start=1)
    )
    return (
        "[basic]\n"
        "algo = RS\n"
        "calc_code = ASE\n"
        f"tot_struc = {len(batch.seeds)}\n"
        "nstage = 1\n"
        "njob = 1\n"
        "jobcmd = sh\n"
        "jobfile = job_cryspy\n"
        "\n"
        "[structure]\n"
        f"atype = {' '.join(batch.composition.elements)}\n"
        f"nat = {' '.join(map(str, batch.atom_counts))}\n"
        f"{distances}"
        "\n"
        "[ASE]\n"
        "ase_python = ase_in.py\n"
        "\n"
        "[option]\n"
        "load_struc_flag = True\n"
    )


def _find(folder: Path, seeds: SeedMap) -> Iterator[Found]:
    path = folder / "data" / "opt_POSCARS"
    if not path.exists():
        raise StructureFileError(f"there is no file {path}: CrySPY has relaxed nothing yet.")
    energies = _read_energies(folder / "data" / "cryspy_rslt")
    for title, atoms in read_poscars(path.read_text(), where=str(path)):
        number = int(title.removeprefix("ID_"))
        per_atom = energies.get(number)
        seed = seeds.at(number)
        yield Found(
            atoms=atoms,
            name=str(number),
            energy=None if per_atom is None else per_atom * len(atoms),
            seed=seed,
            # CrySPY itself calls every structure of the first population random.
            origin="seed" if seed else "",
        )


def _read_energies(path: Path) -> dict[int, float]:
    """eV/atom by ID, from the table that pandas wrote as text."""
    if not path.exists():
        return {}
    header, *rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    column = header.index("E_eV_atom")
    # The ID stands in the index, which has no heading.
    return {int(row[0]): float(row[1 + column]) for row in rows if len(row) == len(header) + 1}


class Cryspy(SeedExporter):
    """Seeds for CrySPY; see :class:`~gencsp.exporters.base.Exporter`."""

    name = "cryspy"
    gives_enthalpies = True
    rules = Rules(same_size=True)
    start = (
        "pip install chgnet in CrySPY's environment, or put another calculator into "
        "calc_in/ase_in.py; then run 'python load_seeds.py' in the folder with CrySPY's own "
        "Python, and 'cryspy' again and again until it is done."
    )

    def write_files(self, batch: Batch, folder: Path) -> list[str]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _write(batch, folder)

    def find_results(self, folder: Path, seeds: SeedMap) -> Iterator[Found]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _find(folder, seeds)
