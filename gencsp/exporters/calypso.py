"""CALYPSO: ``POSCAR_1`` ... in split mode; results in ``results/``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ase import Atoms

from gencsp.errors import StructureFileError
from gencsp.exporters.base import Batch, Rules, SeedExporter
from gencsp.exporters.origin import SeedMap
from gencsp.exporters.poscar import read_poscars, write_poscar
from gencsp.exporters.programs import CALCULATOR, program
from gencsp.exporters.results import Found

#: Share of the shortest distances of the pool that CALYPSO's structures must keep.
KEPT = 0.7

_OPTIMISED = re.compile(r"pso_opt_(\d+)")
_NAMES = re.compile(r"^\s*NameOfAtoms\s*=\s*(.+?)\s*$", re.MULTILINE)


def _write(batch: Batch, folder: Path) -> list[str]:
    (folder / "input.dat").write_text(_deck(batch))
    (folder / "calculator.py").write_text(CALCULATOR)
    (folder / "relax_seeds.py").write_text(program("relax_seeds.py", pressure=batch.pressure))
    files = []
    for number, seed in enumerate(batch.seeds, start=1):
        name = f"POSCAR_{number}"
        (folder / name).write_text(write_poscar(seed.atoms, f"seed {number}"))
        files.append(name)
    return files


def _deck(batch: Batch) -> str:
    elements = batch.composition.elements
    least = batch.least_distances(KEPT)
    rows = "\n".join(" ".join(f"{least[a, b]:.2f}" for b in elements) for a in elements)
    return (
        f"SystemName = {batch.composition}\n"
        f"NumberOfSpecies = {len(elements)}\n"
        f"NameOfAtoms = {' '.join(elements)}\n"
        f"NumberOfAtoms = {' '.join(str(n) for _, n in batch.composition.counts)}\n"
        f"NumberOfFormula = {batch.units[0]} {batch.units[-1]}\n"
        f"Volume = {batch.volume_per_unit:.2f}\n"
        f"@DistanceOfIon\n{rows}\n@End\n"
        "Ialgo = 2\n"
        "PsoRatio = 0.6\n"
        f"PopSize = {len(batch.seeds)}\n"
        "ICode = 1\n"
        "NumberOfLocalOptim = 3\n"
        "MaxStep = 20\n"
        "PickUp = F\n"
        "Split = T\n"
    )


def _find(folder: Path, seeds: SeedMap) -> Iterator[Found]:
    species = _species(folder)
    numbered = [
        (int(match[1]), path)
        for path in (folder / "results").glob("pso_opt_*")
        if (match := _OPTIMISED.fullmatch(path.name))
    ]
    for generation, path in sorted(numbered):
        structures = _read_optimised(path, species)
        for place, (enthalpy, atoms) in enumerate(structures):
            yield Found(
                atoms=atoms,
                name=f"{generation}.{place + 1}",
                energy=None if enthalpy is None else enthalpy * len(atoms),
                # The first generation is POSCAR_1, POSCAR_2, ... in their order.
                seed=seeds.at(place) if generation == 1 else None,
                origin=f"generation {generation}",
            )


def _species(folder: Path) -> list[str]:
    """NameOfAtoms of the deck: the results name no elements."""
    deck = folder / "input.dat"
    if not deck.exists():
        raise StructureFileError(f"there is no input.dat in {folder}, which names the elements.")
    names = _NAMES.search(deck.read_text())
    if names is None:
        raise StructureFileError(f"{deck} has no line NameOfAtoms.")
    return names[1].split()


def _read_optimised(path: Path, species: list[str]) -> Iterator[tuple[float | None, Atoms]]:
    """Enthalpy (eV/atom; ``None`` where the relaxation failed) and structure, one by one.

    Each is a POSCAR without elements after a line with the enthalpy.
    """
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    at = 0
    while at < len(lines):
        enthalpy = float(lines[at].split()[0])
        counts = [int(n) for n in lines[at + 6].split()]
        end = at + 8 + sum(counts)
        present = [s for s, n in zip(species, counts, strict=True) if n]
        lines[at + 6] = " ".join(str(n) for n in counts if n)
        _, atoms = next(read_poscars("\n".join(lines[at + 1 : end]), present, where=str(path)))
        # CALYPSO marks failures with energies that nothing has.
        yield (enthalpy if abs(enthalpy) < 1e4 else None), atoms
        at = end


class Calypso(SeedExporter):
    """Seeds for CALYPSO; see :class:`~gencsp.exporters.base.Exporter`."""

    name = "calypso"
    gives_enthalpies = True
    rules = Rules()
    start = (
        "CALYPSO takes no seeds by itself: run 'python relax_seeds.py' in the folder (or relax "
        "POSCAR_i to CONTCAR_i and OUTCAR_i with VASP), start CALYPSO once in split mode "
        "elsewhere, put the three files of every seed over its own, and start it again."
    )

    def next_step(self, batch: Batch) -> str:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        if not batch.pressure:
            return self.start
        return f"{self.start} With VASP, set PSTRESS = {10 * batch.pressure:g} in every INCAR."

    def write_files(self, batch: Batch, folder: Path) -> list[str]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _write(batch, folder)

    def find_results(self, folder: Path, seeds: SeedMap) -> Iterator[Found]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _find(folder, seeds)
