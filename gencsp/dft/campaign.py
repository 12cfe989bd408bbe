"""A folder of calculations: a sub-folder for each structure, and a file about all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.entries import HullEntry
from gencsp.deck import Natural, Seconds, check
from gencsp.dft.base import CODES, Calculation, CalculationResult, Code
from gencsp.errors import DftError, StructureFileError
from gencsp.files import new_folder
from gencsp.io.structures import name_of
from gencsp.plugins import Choice
from gencsp.provenance import Provenance, Stage
from gencsp.store.base import portable_results

MANIFEST = "gencsp-dft.json"

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCalculation:
    """One structure.

    Attributes:
        folder: relative to the campaign.
        structure_id: of the structure in the pool, or its place there.
        provenance: as the pool had it.
        magnetic_order: from which it starts; empty where none was asked for.
    """

    folder: str
    structure_id: str
    provenance: Mapping[str, Any] | None = None
    magnetic_order: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """All calculations of a folder.

    Attributes:
        root: the folder.
        code: the code with its options, as text.
        level: of theory; the model of the energies.
        kind: "static" or "relax".
        jobs: one for each structure.
        left_out: ids of structures that the code cannot compute, and why.
        pressure: at which structures are relaxed, GPa.
    """

    root: Path
    code: str
    level: str
    kind: str
    jobs: tuple[PreparedCalculation, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    pressure: float = 0.0

    @property
    def code_name(self) -> str:
        """Name of the code, without its options."""
        return Choice.read(self.code).name

    def is_done(self, job: PreparedCalculation) -> bool:
        """Whether the code has run there."""
        return (self.root / job.folder / CODES.make(self.code).done).exists()

    def run(
        self,
        *,
        command: Sequence[str] = (),
        seconds: float = 24 * 3600.0,
        retries: int = 2,
    ) -> Iterator[tuple[PreparedCalculation, str]]:
        """Run what has not been run, one after another; yields what went wrong, if anything.

        Args:
            command: how the code is run; empty for its usual command.
            seconds: wall time for each structure.
            retries: starts again after a failure.

        Raises:
            ProgramError: there is no such program.
            DftError: the limits are invalid, or a folder lacks what the code needs.
        """
        check("seconds", seconds, Seconds, DftError)
        check("retries", retries, Natural, DftError)
        code = CODES.make(self.code)
        for job in self.jobs:
            if self.is_done(job):
                continue
            place = self.root / job.folder
            fault = code.run(
                place, tuple(command) or code.command, seconds=seconds, retries=retries
            )
            yield job, fault

    def results(self) -> Iterator[tuple[PreparedCalculation, CalculationResult | str]]:
        """The result of each calculation, or the reason why there is none."""
        code = CODES.make(self.code)
        for job in self.jobs:
            place = self.root / job.folder
            if not self.is_done(job):
                yield job, "not run"
                continue
            try:
                result = code.read(place, level=self.level)
            except StructureFileError as error:
                yield job, str(error)
                continue
            yield job, result.problem or result

    def structures(self) -> Iterator[Atoms]:
        """Results as structures: energy, its model, and provenance that names the one computed."""
        for job, result in self.results():
            if isinstance(result, CalculationResult):
                yield _with_provenance(job, result, self)


def write_campaign(
    structures: Sequence[Atoms], folder: Path, code_text: str, calculation: Calculation
) -> Campaign:
    """Write the inputs of a code for each structure, in a folder made whole or not at all.

    A structure that the code cannot compute, such as one with an element of which there is no
    pseudopotential, is left out.

    Args:
        structures: what is to be computed.
        folder: new or empty.
        code_text: a code by name, with options where it has some, such as ``vasp:scan``.
        calculation: what is to be computed of each.

    Raises:
        DftError: no such code, nothing to compute, or the code lacks something for all of them.
        DeckError: an option that the code does not have, or out of its range.
        StoreError: the folder holds something, or cannot be written.
    """
    code = CODES.make(code_text)
    if not structures:
        raise DftError("there is no structure to compute.")
    ids = [name_of(atoms, number) for number, atoms in enumerate(structures)]
    jobs: list[PreparedCalculation] = []
    with new_folder(folder) as aside:
        level, reasons = _level(code, structures, calculation)
        for number, atoms in enumerate(structures):
            if number in reasons:
                continue
            # Names of a pool may hold anything; folders are numbered.
            job = PreparedCalculation(
                folder=f"{len(jobs) + 1:04d}",
                structure_id=ids[number],
                provenance=_provenance(atoms),
                magnetic_order=str(atoms.info.get(records.MAGNETIC_ORDER, "")),
            )
            place = aside / job.folder
            place.mkdir(parents=True)
            code.write(atoms, place, calculation)
            jobs.append(job)
        campaign = Campaign(
            root=folder,
            code=code_text,
            level=level,
            kind=calculation.kind,
            jobs=tuple(jobs),
            left_out=tuple((ids[number], reason) for number, reason in reasons.items()),
            pressure=calculation.pressure,
        )
        content = {"format": _FORMAT} | asdict(campaign) | {"root": None}
        (aside / MANIFEST).write_text(
            json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    return campaign


def _level(
    code: Code, structures: Sequence[Atoms], calculation: Calculation
) -> tuple[str, dict[int, str]]:
    """Level of theory, and by number the structures for which the code lacks something.

    Raises:
        DftError: it lacks something for all of them.
    """
    try:
        return code.level(structures, calculation), {}
    except DftError as error:
        reasons: dict[int, str] = {}
        for number, atoms in enumerate(structures):
            try:
                code.level([atoms], calculation)
            except DftError as alone:
                reasons[number] = str(alone)
        if len(reasons) in (0, len(structures)):
            raise error from None
    left = [atoms for number, atoms in enumerate(structures) if number not in reasons]
    return code.level(left, calculation), reasons


def read_campaign(folder: Path) -> Campaign:
    """The campaign in a folder.

    Raises:
        StructureFileError: there is none, or it cannot be read.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Campaign(
            root=folder,
            code=content["code"],
            level=content["level"],
            kind=content["kind"],
            jobs=tuple(PreparedCalculation(**job) for job in content["jobs"]),
            pressure=float(content["pressure"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StructureFileError(
            f"{folder} holds no calculations of gencsp ({error!r}): write them with 'gencsp dft "
            f"write'."
        ) from error


def entries(structures: Sequence[Atoms]) -> list[HullEntry]:
    """Results as entries of a hull of their own level of theory; of enthalpies under pressure."""
    return [
        HullEntry(
            composition=Composition.of(atoms),
            energy_per_atom=atoms.info[records.ENTHALPY_PER_ATOM],
            model=atoms.info[records.ENERGY_MODEL],
            entry_id=str(atoms.info[records.STRUCTURE_ID]),
            pressure=atoms.info[records.PRESSURE],
            volume_per_atom=atoms.info[records.VOLUME_PER_ATOM],
        )
        for atoms in structures
    ]


def _provenance(atoms: Atoms) -> dict[str, Any] | None:
    found = Provenance.read(atoms)
    if found is None:
        return None
    values = asdict(found) | {"stage": str(found.stage)}
    # Files of structures turn numbers into numpy's own.
    return {key: v.item() if isinstance(v, np.generic) else v for key, v in values.items()}


def _with_provenance(
    job: PreparedCalculation, result: CalculationResult, campaign: Campaign
) -> Atoms:
    found = result.atoms
    atoms = Atoms(found.numbers, found.positions, cell=found.cell, pbc=True)
    before = dict(job.provenance or {})
    Provenance(
        structure_id=f"{campaign.code_name}-{job.structure_id}",
        proposer=str(before.get("proposer", "files")),
        model=str(before.get("model", "")),
        seed=int(before.get("seed", -1)),
        parents=job.structure_id,
        stage=Stage.RELAXED,
    ).write(atoms)
    records.write_energy(atoms, result.energy, model=campaign.level)
    enthalpy = result.energy + campaign.pressure * GPa * atoms.cell.volume
    records.write_enthalpy(atoms, enthalpy, pressure=campaign.pressure)
    if job.magnetic_order:
        atoms.info[records.MAGNETIC_ORDER] = job.magnetic_order
    # Its energy may be corrected; forces and stress of a composition do not feel that.
    said = {k: v for k, v in portable_results(found).items() if k != "energy"}
    atoms.calc = SinglePointCalculator(atoms, energy=result.energy, **said)
    return atoms
