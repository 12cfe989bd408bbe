"""FUSE: CIFs in ``reference_structures``, their order in a table; results in ``structures/``."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import ase.io
from ase import Atoms
from ase.geometry import cell_to_cellpar

from gencsp.errors import StructureFileError
from gencsp.exporters.base import Batch, Rules, SeedExporter
from gencsp.exporters.cells import wrap
from gencsp.exporters.origin import SeedMap
from gencsp.exporters.results import Found, attempt
from gencsp.io.pools import Failure

SEEDS = "reference_structures"

#: FUSE's default dist_cutoff, Å: it deletes the files of structures with shorter distances.
FUSE_SEPARATION = 1.0

#: What FUSE writes where a relaxation failed, eV/atom: 1e20 eV per cell.
_FAILED = 1e10


def _write(batch: Batch, folder: Path) -> list[str]:
    (folder / SEEDS).mkdir()
    files = []
    for seed in batch.seeds:
        name = f"{SEEDS}/{seed.name}.cif"
        (folder / name).write_text(p1_cif(seed.atoms, seed.name))
        files.append(name)
    # FUSE takes seeds in the order of this table; without it in the order of the disk.
    with (folder / SEEDS / "order.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("file", "energy"))
        table.writerows((f"{seed.name}.cif", place) for place, seed in enumerate(batch.seeds))
    (folder / "input.py").write_text(_deck(batch))
    return files


def p1_cif(atoms: Atoms, name: str) -> str:
    """A CIF in P1 with all digits and the occupancies that FUSE looks for."""
    keys = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lengths_and_angles = cell_to_cellpar(atoms.cell.array)
    cell = [f"_cell_{k} {x:.10f}" for k, x in zip(keys, lengths_and_angles, strict=True)]
    sites = [
        f"{symbol} {symbol}{number} 1.0 " + " ".join(f"{x:.10f}" for x in row)
        for number, (symbol, row) in enumerate(
            zip(atoms.symbols, wrap(atoms.get_scaled_positions()), strict=True), start=1
        )
    ]
    lines = [
        f"data_{name}",
        *cell,
        "_symmetry_space_group_name_H-M 'P 1'",
        "_symmetry_Int_Tables_number 1",
        "loop_",
        "_symmetry_equiv_pos_as_xyz",
        "'x, y, z'",
        "loop_",
        "_atom_site_type_symbol",
        "_atom_site_label",
        "_atom_site_occupancy",
        "_atom_site_fract_x",
        "_atom_site_fract_y",
        "_atom_site_fract_z",
        *sites,
    ]
    return "\n".join(lines) + "\n"


def _deck(batch: Batch) -> str:
    composition = dict(batch.composition.counts)
    most = max(len(seed.atoms) for seed in batch.seeds)
    return (
        "# Needs bondtable.npz of FUSE in this folder, and the environment variables GNBOSS_TEMP\n"
        "# and SPP_PATH set to anything.\n"
        "from fuse202.all import *\n"
        "\n"
        "run_fuse(\n"
        f"composition={composition},\n"
        f"max_atoms={most},\n"
        f"imax_atoms={most},\n"
        "restart=False,\n"
        "read_exisiting_structures=True,\n"
        f"path_to_structures='{SEEDS}',\n"
        "pull_random=False,\n"
        "pull_spp_rank=True,\n"
        "ratt_dist=0,\n"
        f"dist_cutoff={FUSE_SEPARATION},\n"
        f"initial_gen={len(batch.seeds)},\n"
        "iterations=50,\n"
        "search_gen_bh=1,\n"
        "ctype='chgnet',\n"
        "rel=StructOptimizer(),\n"
        "n_opts=2,\n"
        "relaxer_opts={'fmax':[0.1,0.05],'steps':[250,750],'verbose':[True,True]},\n"
        "opt_class=['FIRE','BFGSLineSearch'],\n"
        "opt_device='cpu',\n"
        ")\n"
    )


def _find(folder: Path, seeds: SeedMap) -> Iterator[Found | Failure]:
    rows = _read_table(folder)
    # FUSE numbers the initial population from 0, in the order of the table that we wrote, less the
    # seeds that it refused: those it has deleted.
    kept = [r.seed for r in seeds.seeds if (folder / r.file).exists()]
    for name, energy in rows:
        path = folder / "structures" / name
        if energy < _FAILED and path.exists():
            yield from attempt(path, partial(_result, path, energy, kept))


def _result(path: Path, energy: float, kept: Sequence[str]) -> Found:
    kind, _, number = path.stem.partition("-")
    place = int(number)
    seeded = kind == "I" and place < len(kept)
    (atoms,) = ase.io.read(path, index=":")
    return Found(
        atoms=atoms,
        name=path.stem,
        energy=energy * len(atoms),
        seed=kept[place] if seeded else None,
        origin="seed" if seeded else "initial" if kind == "I" else "search",
    )


def _read_table(folder: Path) -> list[tuple[str, float]]:
    """File and energy (eV/atom) of every relaxed structure, from ``graph_output.csv``."""
    for path in (folder / "graph_output.csv", folder / "restart" / "graph_output.csv"):
        if path.exists():
            with path.open(newline="") as file:
                rows = list(csv.DictReader(file))
            return [(row["structure file name"], float(row["energy"])) for row in rows]
    raise StructureFileError(f"there is no graph_output.csv of FUSE in {folder}.")


class Fuse(SeedExporter):
    """Seeds for FUSE; see :class:`~gencsp.exporters.base.Exporter`."""

    name = "fuse"
    rules = Rules(min_atoms=2, separation=FUSE_SEPARATION)
    takes_pressure = False
    start = (
        "put FUSE's bondtable.npz into the folder, set GNBOSS_TEMP and SPP_PATH, then run "
        "'python input.py' there."
    )

    def write_files(self, batch: Batch, folder: Path) -> list[str]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _write(batch, folder)

    def find_results(self, folder: Path, seeds: SeedMap) -> Iterator[Found | Failure]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _find(folder, seeds)
