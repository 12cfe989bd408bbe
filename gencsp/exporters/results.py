"""Results of another code as Atoms with provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from gencsp import records
from gencsp.errors import StructureFileError
from gencsp.exporters.origin import SeedMap, read_map
from gencsp.io.structures import READING_ERRORS
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
    folder: Path, *, code: str, find: Callable[[Path, SeedMap], Iterator[Found]]
) -> Iterator[Atoms]:
    """Structures that ``find`` finds in a folder, with provenance.

    ``structure_id`` is the code and the code's own name; ``parents`` the id of the seed, where it
    is known; ``proposer`` and ``model`` those of the seed, else the code; ``origin`` what the code
    says.

    Raises:
        StructureFileError: there are no results, or they cannot be read.
    """
    if not folder.is_dir():
        raise StructureFileError(f"there is no folder {folder}.")
    seeds = read_map(folder)
    if seeds.code not in ("", code):
        raise StructureFileError(
            f"{folder} is an export for {seeds.code}: read it with --from {seeds.code}."
        )
    count = 0
    try:
        for found in find(folder, seeds):
            count += 1
            yield _with_provenance(found, code, seeds)
    except StructureFileError:
        raise
    except READING_ERRORS as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise StructureFileError(
            f"the results of {code} in {folder} cannot be read ({reason})."
        ) from error
    if count == 0:
        raise StructureFileError(f"{folder} holds no results of {code}: has it been run there?")


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
