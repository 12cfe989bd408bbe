"""XtalOpt: POSCARs named in ``xtalopt.in``; results in one folder for each structure."""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from functools import partial
from itertools import combinations_with_replacement
from pathlib import Path

from gencsp.errors import StructureFileError
from gencsp.exporters.base import Batch, Rules, SeedExporter
from gencsp.exporters.origin import SeedMap
from gencsp.exporters.poscar import read_poscars, write_poscar
from gencsp.exporters.results import Found, attempt
from gencsp.io.pools import Failure

#: Optimised, similar to another one, and kept by an objective: the states of finished structures.
FINISHED = (0, 10, 14)

#: Share of the shortest distances of the pool that XtalOpt's own structures must keep.
KEPT = 0.7

_INCAR = "PREC = Normal\nENCUT = 400\nIBRION = 2\nISIF = 3\nNSW = 60\nEDIFF = 1e-5\nISMEAR = 0\n"
_KPOINTS = "Automatic mesh\n0\nAuto\n20\n"


def _write(batch: Batch, folder: Path) -> list[str]:
    (folder / "seeds").mkdir()
    (folder / "templates").mkdir()
    # In kbar.
    pressure = f"PSTRESS = {10 * batch.pressure:g}\n" if batch.pressure else ""
    (folder / "templates" / "incar1").write_text(_INCAR + pressure)
    (folder / "templates" / "kpoints1").write_text(_KPOINTS)
    files = []
    for seed in batch.seeds:
        name = f"seeds/{seed.name}"
        (folder / name).write_text(write_poscar(seed.atoms, seed.name))
        files.append(name)
    (folder / "xtalopt.in").write_text(_deck(batch, files))
    return files


def _deck(batch: Batch, files: list[str]) -> str:
    formulas = ", ".join(
        "".join(f"{symbol}{n * units}" for symbol, n in batch.composition.counts)
        for units in batch.units
    )
    per_atom = batch.volume_per_unit / batch.composition.size
    potcars = "".join(f"potcarFile {e} = /path/to/POTCAR_{e}\n" for e in batch.composition.elements)
    most = max(20, len(batch.seeds))
    least = batch.least_distances(KEPT)
    pairs = combinations_with_replacement(batch.composition.elements, 2)
    distances = "".join(
        f"customIAD {number} = {one}, {other}, {least[one, other]:.2f}\n"
        for number, (one, other) in enumerate(pairs, start=1)
    )
    return (
        f"chemicalFormulas = {formulas}\n"
        f"maxAtoms = {max(len(seed.atoms) for seed in batch.seeds)}\n"
        # Relative to the folder in which it is started, so that the folder may be moved.
        f"seedStructures = {' , '.join(files)}\n"
        f"numInitial = {most}\n"
        "parentsPoolSize = 20\n"
        "continuousStructures = 2\n"
        f"maxNumStructures = {10 * most}\n"
        f"minVolume = {0.5 * per_atom:.3f}\n"
        f"maxVolume = {2.0 * per_atom:.3f}\n"
        "usingRadiiInteratomicDistanceLimit = false\n"
        "usingCustomIADs = true\n"
        f"{distances}"
        "templatesDirectory = ./templates\n"
        "localWorkingDirectory = ./run\n"
        "queueInterface = local\n"
        "numOptimizationSteps = 1\n"
        "optimizer = vasp\n"
        "exeLocation = vasp\n"
        "incarTemplates = incar1\n"
        "kpointsTemplates = kpoints1\n"
        f"{potcars}"
    )


def _find(folder: Path, seeds: SeedMap) -> Iterator[Found | Failure]:
    for state in sorted(folder.glob("**/structure.state")):
        yield from attempt(state, partial(_read_structure, state, seeds))


def _read_structure(state: Path, seeds: SeedMap) -> Found | None:
    settings = _read_state(state)
    if int(settings.get("status", "-1")) not in FINISHED:
        return None
    path = state.parent / "CONTCAR"
    if not path.exists():
        raise StructureFileError(f"{state.parent} has no CONTCAR.")
    _, atoms = next(read_poscars(_head(path.read_text()), where=str(path)))
    parents = settings.get("parents", "")
    seeded, _, source = parents.partition("Seeded: ")
    energy = settings.get(r"current\enthalpy", settings.get(r"current\energy"))
    return Found(
        atoms=atoms,
        name=state.parent.name,
        energy=None if energy is None else float(energy),
        seed=seeds.of_file(source) if source and not seeded else None,
        origin="Seeded" if source else parents,
    )


def _read_state(path: Path) -> dict[str, str]:
    """The group [structure] of a file in the format of Qt's settings."""
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=(";",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(path.read_text())
        return {key: value.strip('"') for key, value in parser.items("structure")}
    except configparser.Error as error:
        raise StructureFileError(f"{path} cannot be read as a state of XtalOpt.") from error


def _head(text: str) -> str:
    """The structure of a CONTCAR, without the velocities after it."""
    lines = text.splitlines()
    counts = lines[6] if lines[5].split()[0].isalpha() else lines[5]
    start = 8 if lines[5].split()[0].isalpha() else 7
    return "\n".join(lines[: start + sum(map(int, counts.split()))])


class Xtalopt(SeedExporter):
    """Seeds for XtalOpt; see :class:`~gencsp.exporters.base.Exporter`."""

    name = "xtalopt"
    gives_enthalpies = True
    rules = Rules()
    start = (
        "set the POTCAR files and the command of VASP in xtalopt.in, then run 'xtalopt --cli' "
        "in the folder: paths in it are relative to it."
    )

    def write_files(self, batch: Batch, folder: Path) -> list[str]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _write(batch, folder)

    def find_results(self, folder: Path, seeds: SeedMap) -> Iterator[Found | Failure]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _find(folder, seeds)
