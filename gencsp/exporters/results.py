"""Results of another code as Atoms with provenance."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa

from gencsp import records
from gencsp.errors import StructureFileError, UnreadableResultWarning
from gencsp.exporters.origin import SeedMap, read_map
from gencsp.io.content import parsing
from gencsp.io.crystals import check_crystal
from gencsp.io.pools import Failure
from gencsp.provenance import Provenance, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One structure in the results of a code.

    Attributes:
        atoms: species, positions and cell.
        name: its name in the code.
        energy: eV per cell; ``None`` where the code gives none.
        seed: name of the seed that it was relaxed from; ``None`` for offspring and where unknown.
        origin: its origin in the words of the code.
    """

    atoms: Atoms
    name: str
    energy: float | None = None
    seed: str | None = None
    origin: str = ""


def read_back(
    folder: Path,
    *,
    code: str,
    find: Callable[[Path, SeedMap], Iterator[Found | Failure]],
    takes_pressure: bool = True,
    gives_enthalpies: bool = False,
) -> Iterator[Atoms]:
    """Structures that ``find`` finds in a folder, with provenance.

    ``structure_id`` is the code and the code's own name; ``parents`` the id of the seed, where it
    is known; ``proposer`` and ``model`` those of the seed, else the code; ``origin`` what the code
    says. A result that cannot be read, or is no crystal, is left out with a warning
    (:class:`~gencsp.errors.UnreadableResultWarning`), which names its file.

    Results of an export under pressure have it in ``info`` (``pressure``, GPa), with
    ``enthalpy_per_atom`` and ``volume_per_atom``; their calculator gives the energy.

    Args:
        folder: of the export.
        code: that ran there.
        find: finds its results.
        takes_pressure: it relaxed at the pressure of the export; without, at none.
        gives_enthalpies: its energies under pressure are enthalpies.

    Raises:
        StructureFileError: there are no results, or none that can be read.
    """
    if not folder.is_dir():
        raise StructureFileError(f"there is no folder {folder}.")
    seeds = read_map(folder)
    if seeds.code not in ("", code):
        raise StructureFileError(
            f"{folder} is an export for {seeds.code}: read it with --from {seeds.code}."
        )
    count, failures = 0, list[Failure]()
    for found in _each(find(folder, seeds), code, folder, seeds):
        if isinstance(found, Failure):
            warnings.warn(found.reason, UnreadableResultWarning, stacklevel=2)
            failures.append(found)
            continue
        count += 1
        if takes_pressure and seeds.pressure:
            _write_pressure(found, seeds.pressure, gives_enthalpies=gives_enthalpies)
        yield found
    if count == 0 and failures:
        raise StructureFileError(failures[0].reason)
    if count == 0:
        raise StructureFileError(f"{folder} holds no results of {code}: has it been run there?")


def _each(
    results: Iterator[Found | Failure], code: str, folder: Path, seeds: SeedMap
) -> Iterator[Atoms | Failure]:
    while True:
        with parsing(f"the results of {code} in {folder}"):
            found = next(results, None)
        if found is None:
            return
        if isinstance(found, Failure):
            yield found
            continue
        where = f"result {found.name} of {code} in {folder}"
        try:
            with parsing(where):
                atoms = _with_provenance(found, code, seeds)
                check_crystal(atoms, where)
        except StructureFileError as error:
            yield Failure(where, str(error))
            continue
        yield atoms


def attempt(path: Path, read: Callable[[], Found | None]) -> Iterator[Found | Failure]:
    """The result of one file, or why it cannot be read: other files are read all the same."""
    try:
        with parsing(str(path)):
            found = read()
    except StructureFileError as error:
        yield Failure(str(path), str(error))
        return
    if found is not None:
        yield found


def _write_pressure(atoms: Atoms, pressure: float, *, gives_enthalpies: bool) -> None:
    """Tell energy and enthalpy of a result apart, and set the pressure, GPa, in ``info``."""
    atoms.info[records.PRESSURE] = pressure
    if atoms.calc is None:
        return
    given, work = atoms.calc.results["energy"], pressure * GPa * atoms.cell.volume
    energy = given - work if gives_enthalpies else given
    atoms.calc = SinglePointCalculator(atoms, energy=energy)
    records.write_enthalpy(atoms, energy + work, pressure=pressure)


def _with_provenance(found: Found, code: str, seeds: SeedMap) -> Atoms:
    atoms = Atoms(
        numbers=found.atoms.numbers,
        positions=found.atoms.positions,
        cell=found.atoms.cell,
        pbc=True,
    )
    record = None if found.seed is None else seeds.find(found.seed)
    before = None if record is None else record.provenance
    Provenance(
        structure_id=f"{code}-{found.name}",
        proposer=code if before is None else before.proposer,
        model="" if before is None else before.model,
        seed=-1 if before is None else before.seed,
        parents="" if record is None else record.structure_id,
        stage=Stage.RELAXED,
    ).write(atoms)
    if found.origin:
        atoms.info[records.ORIGIN] = found.origin
    if found.energy is not None and isfinite(found.energy):
        atoms.calc = SinglePointCalculator(atoms, energy=found.energy)
    return atoms
