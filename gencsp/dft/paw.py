"""GPAW in an environment of its own: a short program in each folder, run by its Python."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from gencsp.dft.base import (
    Calculation,
    CalculationResult,
    ConfiguredCode,
    bare_crystal,
    settings_digest,
)
from gencsp.dft.espresso import kpoints
from gencsp.dft.running import run_folder
from gencsp.errors import DftError
from gencsp.io.content import parsing

PROGRAM = "run_gpaw.py"

#: Default plane-wave cutoff, eV.
CUTOFF = 500.0

_TEMPLATE = Path(__file__).parent / "templates" / f"{PROGRAM}.txt"


class Gpaw(ConfiguredCode):
    """See :class:`~gencsp.dft.base.Code`."""

    name = "gpaw"
    command = ("python", PROGRAM)
    done = "result.json"

    def level(self, structures: Sequence[Atoms], calculation: Calculation) -> str:  # noqa: ARG002
        """Named after functional, cutoff, k-points and settings."""
        settings = _settings(calculation)
        digest = settings_digest(
            settings["cutoff"], settings["width"], calculation.kpoint_spacing, settings["more"]
        )
        return f"gpaw-{settings['xc']}-{digest}"

    def write(self, atoms: Atoms, folder: Path, calculation: Calculation) -> None:
        """The structure, ``settings.json`` and the program."""
        if calculation.kind == "static" and calculation.pressure:
            raise DftError("a single point has no pressure: relax, or leave it out.")
        settings = _settings(calculation) | {"kpoints": kpoints(atoms, calculation.kpoint_spacing)}
        ase.io.write(folder / "start.extxyz", bare_crystal(atoms))
        text = json.dumps(settings, indent=1)
        (folder / "settings.json").write_text(text + "\n", encoding="utf-8")
        (folder / PROGRAM).write_text(_TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")

    def run(self, folder: Path, command: Sequence[str], *, seconds: float, retries: int) -> str:
        """Run the program of a folder.

        Raises:
            DftError: another program stands in its place, and nobody named it as the command.
        """
        own = _TEMPLATE.read_text(encoding="utf-8")
        if tuple(command) == self.command and _text(folder / PROGRAM) != own:
            raise DftError(
                f"{folder / PROGRAM} is not the program that gencsp writes: read it, and run it "
                f"with --command 'python ./{PROGRAM}'."
            )
        return run_folder(
            folder,
            command,
            seconds=seconds,
            retries=retries,
            is_done=(folder / self.done).exists,
            variables={"OMP_NUM_THREADS": "1"},
        )

    def read(self, folder: Path, *, level: str) -> CalculationResult:  # noqa: ARG002
        """What the program wrote."""
        path = folder / self.done
        with parsing(str(path)):
            left = json.loads(path.read_text(encoding="utf-8"))
            atoms = ase.io.read(folder / "end.extxyz")
            energy = float(left["energy"])
            atoms.calc = SinglePointCalculator(
                atoms,
                energy=energy,
                forces=np.array(left["forces"]),
                stress=np.array(left["stress"]),
            )
            return CalculationResult(atoms=atoms, energy=energy, problem=str(left["problem"]))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DftError(f"{path} cannot be read ({error}): write the folder again.") from error


def _settings(calculation: Calculation) -> dict[str, object]:
    own = dict(calculation.settings)
    return {
        "kind": calculation.kind,
        "xc": own.pop("xc", "PBE"),
        "cutoff": calculation.cutoff or CUTOFF,
        "width": own.pop("width", 0.05),
        "fmax": own.pop("fmax", 0.03),
        "steps": own.pop("steps", 100),
        "pressure": calculation.pressure,
        "more": own,
    }
