"""GASP (GASP-python): ``POSCAR.*`` in a folder and ``ga_input.yaml``; results in ``garun*/``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import combinations_with_replacement
from pathlib import Path

from gencsp.errors import StructureFileError
from gencsp.exporters.base import Batch, Rules, SeedExporter
from gencsp.exporters.origin import SeedMap
from gencsp.exporters.poscar import read_poscars, write_poscar
from gencsp.exporters.results import Found, attempt
from gencsp.io.pools import Failure

#: Structures in the first population of GASP's own default.
FIRST_POPULATION = 28

#: GASP's defaults for lengths (Å) and angles (degrees) of cells; the deck widens them for seeds.
LENGTHS, ANGLES = (0.5, 20.0), (40.0, 140.0)

#: Share of the shortest distances of the pool that GASP's organisms must keep.
KEPT = 0.7

_MADE = re.compile(r"Making organism (\d+) from file: (\S+)")


def _write(batch: Batch, folder: Path) -> list[str]:
    (folder / "seeds").mkdir()
    files = []
    for seed in batch.seeds:
        name = f"seeds/POSCAR.{seed.name}"
        (folder / name).write_text(write_poscar(seed.atoms, seed.name))
        files.append(name)
    (folder / "ga_input.yaml").write_text(_deck(batch))
    return files


def _deck(batch: Batch) -> str:
    sizes = [len(seed.atoms) for seed in batch.seeds]
    lengths = [float(x) for seed in batch.seeds for x in seed.atoms.cell.lengths()]
    angles = [float(x) for seed in batch.seeds for x in seed.atoms.cell.angles()]
    potcars = "".join(
        f"            {element}: /path/to/POTCAR_{element}\n"
        for element in batch.composition.elements
    )
    more = FIRST_POPULATION - len(sizes)
    random = f"    random:\n        number: {more}\n" if more > 0 else ""
    least = batch.least_distances(KEPT)
    pairs = combinations_with_replacement(batch.composition.elements, 2)
    distances = "".join(f"        {a} {b}: {least[a, b]:.2f}\n" for a, b in pairs)
    return (
        f"CompositionSpace:\n    - {batch.composition}\n\n"
        "EnergyCode:\n    vasp:\n        incar: /path/to/INCAR\n        kpoints: /path/to/KPOINTS\n"
        f"        potcars:\n{potcars}\n"
        "InitialPopulation:\n    from_files:\n"
        # GASP changes its folder while it runs; JSON strings are YAML strings, whatever they hold.
        f"        path_to_folder: {json.dumps(str(batch.home / 'seeds'))}\n{random}\n"
        "Constraints:\n"
        f"    min_num_atoms: {min(2, *sizes)}\n"
        f"    max_num_atoms: {max(30, *sizes)}\n"
        f"    min_lattice_length: {min(LENGTHS[0], *lengths):.3f}\n"
        f"    max_lattice_length: {max(LENGTHS[1], *(x + 0.1 for x in lengths)):.3f}\n"
        f"    min_lattice_angle: {min(ANGLES[0], *(x - 1 for x in angles)):.1f}\n"
        f"    max_lattice_angle: {max(ANGLES[1], *(x + 1 for x in angles)):.1f}\n"
        f"    per_species_mids:\n{distances}"
    )


def _find(folder: Path, seeds: SeedMap) -> Iterator[Found | Failure]:
    runs = [path for path in sorted(folder.glob("garun*")) if (path / "run_data").exists()]
    if not runs:
        raise StructureFileError(f"there is no folder garun with a file run_data in {folder}.")
    run = runs[-1]
    energies = _read_energies(run / "run_data")
    sources = _read_sources(folder)
    for number, energy in energies.items():
        path = run / f"POSCAR.{number}"
        if path.exists():
            yield from attempt(path, partial(_result, path, number, energy, sources, seeds))


def _result(
    path: Path, number: int, energy: float, sources: Mapping[int, str], seeds: SeedMap
) -> Found:
    _, atoms = next(read_poscars(path.read_text(), where=str(path)))
    source = sources.get(number)
    return Found(
        atoms=atoms,
        name=str(number),
        energy=energy,
        seed=None if source is None else seeds.of_file(source),
        origin="" if source is None else "file",
    )


def _read_energies(path: Path) -> dict[int, float]:
    """Total energy (eV) by organism."""
    found = {}
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) == 6 and words[0].isdigit():
            found[int(words[0])] = float(words[2])
    return found


def _read_sources(folder: Path) -> dict[int, str]:
    """Which file each organism was made from: GASP says so on the screen alone."""
    path = folder / "ga_output"
    if not path.exists():
        return {}
    return {int(number): name for number, name in _MADE.findall(path.read_text())}


class Gasp(SeedExporter):
    """Seeds for GASP; see :class:`~gencsp.exporters.base.Exporter`."""

    name = "gasp"
    rules = Rules()
    start = (
        "set the paths of VASP's files in ga_input.yaml, then run 'run.py ga_input.yaml 2>&1 | "
        "tee ga_output' in the folder: only that output says which organism came from which seed."
    )

    def next_step(self, batch: Batch) -> str:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        if not batch.pressure:
            return self.start
        return f"{self.start} Set PSTRESS = {10 * batch.pressure:g} in the INCAR."

    def write_files(self, batch: Batch, folder: Path) -> list[str]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _write(batch, folder)

    def find_results(self, folder: Path, seeds: SeedMap) -> Iterator[Found | Failure]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _find(folder, seeds)
