"""MAGUS: ``Seeds/seeds_1.traj`` and ``input.yaml``; results in ``results/good.traj``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import pi
from pathlib import Path

import ase.io
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from gencsp.errors import StructureFileError
from gencsp.exporters.base import Batch, Rules, SeedExporter
from gencsp.exporters.origin import SeedMap
from gencsp.exporters.results import Found

POPULATION = 20

#: Share of the shortest distances of the pool that MAGUS keeps.
KEPT = 0.7

_SEEDS = "Seeds/seeds_1.traj"
_SEED = re.compile(r"seed1-(\d+)")


def _write(batch: Batch, folder: Path) -> list[str]:
    (folder / "Seeds").mkdir()
    (folder / "inputFold" / "CHGNet").mkdir(parents=True)
    # A trajectory, as MAGUS takes any path with "traj" in it for one, and POSCARS for none.
    ase.io.write(folder / _SEEDS, [seed.atoms for seed in batch.seeds], format="traj")
    (folder / "input.yaml").write_text(_deck(batch))
    return [_SEEDS] * len(batch.seeds)


def _deck(batch: Batch) -> str:
    sizes = [len(seed.atoms) for seed in batch.seeds]
    symbols = ", ".join(f"'{element}'" for element in batch.composition.elements)
    counts = ", ".join(str(n) for _, n in batch.composition.counts)
    elements = batch.composition.elements
    least = batch.least_distances(KEPT)
    rows = ", ".join(
        "[" + ", ".join(f"{least[a, b]:.2f}" for b in elements) + "]" for a in elements
    )
    return (
        "formulaType: fix\n"
        "structureType: bulk\n"
        f"pressure: {batch.pressure:g}\n"
        f"initSize: {POPULATION}\n"
        f"popSize: {max(POPULATION, len(sizes))}\n"
        "numGen: 10\n"
        "saveGood: 4\n"
        f"symbols: [{symbols}]\n"
        f"formula: [{counts}]\n"
        f"min_n_atoms: {min(sizes)}\n"
        f"max_n_atoms: {max(sizes)}\n"
        "spacegroup: [2-230]\n"
        # Å: d_ratio, one share of radii for all pairs, would be left out of account.
        f"distance_matrix: [{rows}]\n"
        f"volume_ratio: {_volume_ratio(batch):.2f}\n"
        "rand_ratio: 0.4\n"
        "MainCalculator:\n"
        " calculator: 'chgnet'\n"
        " jobPrefix: ['CHGNet']\n"
        " eps: 0.05\n"
        " maxStep: 200\n"
        " optimizer: fire\n"
    )


def _volume_ratio(batch: Batch) -> float:
    """The pool's volume over that of balls with covalent radii: MAGUS draws volumes around it."""
    balls = sum(
        n * 4 / 3 * pi * covalent_radii[atomic_numbers[e]] ** 3 for e, n in batch.composition.counts
    )
    return float(batch.volume_per_unit / balls)


def _find(folder: Path, seeds: SeedMap) -> Iterator[Found]:
    path = folder / "results" / "good.traj"
    if not path.exists():
        raise StructureFileError(f"there is no file {path}.")
    for atoms in _every_generation(folder / "results"):
        identity = str(atoms.info.get("identity", ""))
        number = _SEED.fullmatch(identity)
        energy = atoms.info.get("energy")
        yield Found(
            atoms=atoms,
            name=identity,
            energy=None if energy is None else float(energy),
            seed=None if number is None else seeds.at(int(number[1])),
            origin=str(atoms.info.get("origin", "")),
        )


def _every_generation(results: Path) -> Iterator[Atoms]:
    """All good structures, those of early generations too, each once by its identity."""
    seen = set()
    generations = sorted(results.glob("gen*.traj"), key=lambda p: int(p.stem[3:] or 0))
    for path in (*generations, results / "good.traj"):
        for atoms in ase.io.read(path, index=":", format="traj"):
            identity = atoms.info.get("identity")
            if identity is None or identity not in seen:
                seen.add(identity)
                yield atoms


class Magus(SeedExporter):
    """Seeds for MAGUS; see :class:`~gencsp.exporters.base.Exporter`."""

    name = "magus"
    rules = Rules()
    start = (
        "run 'magus search -i input.yaml' in the folder: the first generation takes the seeds "
        "in beside its random structures."
    )

    def write_files(self, batch: Batch, folder: Path) -> list[str]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _write(batch, folder)

    def find_results(self, folder: Path, seeds: SeedMap) -> Iterator[Found]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _find(folder, seeds)
