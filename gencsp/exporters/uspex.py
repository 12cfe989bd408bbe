"""USPEX: ``Seeds/POSCARS_1`` and INPUT.txt; results in ``results1/`` (or the latest of them)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ase.geometry import cell_to_cellpar

from gencsp.errors import StructureFileError
from gencsp.exporters.base import Batch, Rules, SeedExporter, SeedStructure
from gencsp.exporters.origin import SeedMap
from gencsp.exporters.poscar import read_poscars, write_poscar
from gencsp.exporters.results import Found
from gencsp.symmetry.refinement import space_group
from gencsp.symmetry.tolerances import ANGLE_TOLERANCE, SYMPREC

GENERATIONS = 20

#: Share of the shortest distances of the pool below which USPEX discards structures.
KEPT = 0.7

_SEEDS = "Seeds/POSCARS_1"
_TITLE = re.compile(r"EA(\d+)")


def _write(batch: Batch, folder: Path) -> list[str]:
    (folder / "Seeds").mkdir()
    stream = "".join(
        write_poscar(seed.atoms, _title(number, seed))
        for number, seed in enumerate(batch.seeds, start=1)
    )
    (folder / _SEEDS).write_text(stream)
    if len(batch.units) > 1:
        rows = "".join(f"{units:4d}\n" for units in batch.units)
        (folder / "Seeds" / "compositions").write_text(rows)
    (folder / "INPUT.txt").write_text(_deck(batch))
    return [_SEEDS] * len(batch.seeds)


def _title(number: int, seed: SeedStructure) -> str:
    """As USPEX titles its own; it goes through a shell, so nothing of the pool is in it."""
    lengths_and_angles = " ".join(f"{x:.3f}" for x in cell_to_cellpar(seed.atoms.cell.array))
    group = space_group(seed.atoms, symprec=SYMPREC, angle_tolerance=ANGLE_TOLERANCE)
    return f"EA{number} {lengths_and_angles} Sym.group: {group.number}"


def _deck(batch: Batch) -> str:
    """One size of cell: fixed composition (300). Several: formula units vary (301)."""
    varied = len(batch.units) > 1
    counts = [n for _, n in batch.composition.counts] if varied else batch.atom_counts
    size = batch.composition.size
    limits = (
        f"{batch.units[0] * size} : minAt\n{batch.units[-1] * size} : maxAt\n" if varied else ""
    )
    least = batch.least_distances(KEPT)
    elements = batch.composition.elements
    rows = [
        " ".join(f"{least[a, b]:.2f}" if j >= i else "0.00" for j, b in enumerate(elements))
        for i, a in enumerate(elements)
    ]
    distances = "\n".join(rows)
    valences = batch.valences()
    charges = f"% valences\n{' '.join(map(str, valences))}\n% EndValences\n" if valences else ""
    # With formula units that vary USPEX estimates volumes by itself.
    volume = batch.volume_per_unit * batch.units[0]
    cell = "" if varied else f"% Latticevalues\n{volume:.2f}\n% Endvalues\n"
    return (
        "PARAMETERS EVOLUTIONARY ALGORITHM\n"
        "USPEX : calculationMethod\n"
        f"{301 if varied else 300} : calculationType\n"
        f"% atomType\n{' '.join(batch.composition.elements)}\n% EndAtomType\n"
        f"% numSpecies\n{' '.join(map(str, counts))}\n% EndNumSpecies\n"
        f"{limits}"
        f"{charges}"
        f"% IonDistances\n{distances}\n% EndDistances\n"
        f"{cell}"
        f"{batch.pressure:g} : ExternalPressure\n"
        f"{max(20, len(batch.seeds))} : populationSize\n"
        f"{max(20, len(batch.seeds))} : initialPopSize\n"
        f"{GENERATIONS} : numGenerations\n"
        f"{GENERATIONS} : stopCrit\n"
        "% abinitioCode\n1 1 1\n% ENDabinit\n"
        "% KresolStart\n0.14 0.10 0.08\n% Kresolend\n"
    )


def _find(folder: Path, seeds: SeedMap) -> Iterator[Found]:
    results = _latest_results(folder)
    individuals = _read_individuals(results / "Individuals")
    seeded = [number for number, (origin, _) in individuals.items() if origin == "Seeds"]
    # USPEX names no seed: in their order they are known, unless it dropped some.
    names = dict(zip(seeded, (r.seed for r in seeds.seeds), strict=False))
    if len(seeded) != len(seeds.seeds):
        names = {}
    path = results / "gatheredPOSCARS"
    for title, atoms in read_poscars(path.read_text(), where=str(path)):
        number = _TITLE.match(title)
        if number is None or int(number[1]) not in individuals:
            raise StructureFileError(f"{path} has a structure '{title}' that Individuals lacks.")
        origin, enthalpy = individuals[int(number[1])]
        yield Found(
            atoms=atoms,
            name=f"EA{number[1]}",
            energy=enthalpy,
            seed=names.get(int(number[1])),
            origin=origin,
        )


def _latest_results(folder: Path) -> Path:
    found = [path for path in folder.glob("results*") if path.is_dir() and path.name[7:].isdigit()]
    if not found:
        raise StructureFileError(f"there is no folder results1 of USPEX in {folder}.")
    return max(found, key=lambda path: int(path.name[7:]))


def _read_individuals(path: Path) -> dict[int, tuple[str, float]]:
    """Origin and enthalpy (eV per cell) by ID, in the order of the file."""
    if not path.exists():
        raise StructureFileError(f"there is no file {path}.")
    found = {}
    for line in path.read_text().splitlines()[2:]:
        if not line.strip():
            continue
        # The composition stands in brackets and has blanks of its own.
        before, _, after = line.partition("[")
        _, number, origin = before.split()[:3]
        enthalpy = after.partition("]")[2].split()[0]
        found[int(number)] = (origin, float(enthalpy))
    return found


class Uspex(SeedExporter):
    """Seeds for USPEX; see :class:`~gencsp.exporters.base.Exporter`."""

    name = "uspex"
    gives_enthalpies = True
    rules = Rules()
    start = (
        "add your Specific/ folder and the commands of your machine to INPUT.txt, then start "
        "USPEX in the folder: the first generation takes the seeds in."
    )

    def write_files(self, batch: Batch, folder: Path) -> list[str]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _write(batch, folder)

    def find_results(self, folder: Path, seeds: SeedMap) -> Iterator[Found]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _find(folder, seeds)
