"""VASP with the Materials Project's own settings, by pymatgen, under custodian's own handlers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import GPa
from pydantic import Field
from pymatgen.core import SETTINGS

from gencsp.dft.base import (
    Calculation,
    CalculationResult,
    ConfiguredCode,
    settings_digest,
    starting_moments,
)
from gencsp.errors import DftError, ProgramError
from gencsp.io.content import parsing
from gencsp.programs.launch import find_program, program_variables
from gencsp.similarity.matching import as_structure

Preset = Literal["relax", "static", "scan"]
#: pymatgen's sets by the name that the option ``preset`` has for them.
SETS: dict[Preset, str] = {"relax": "MPRelaxSet", "static": "MPStaticSet", "scan": "MPScanRelaxSet"}

#: Level of theory of unchanged sets, as :mod:`gencsp.sources.materials_project` names its hulls.
LEVELS: dict[Preset, str] = {"relax": "mp-GGA_GGA+U", "static": "mp-GGA_GGA+U", "scan": "mp-R2SCAN"}


class Vasp(ConfiguredCode):
    """See :class:`~gencsp.dft.base.Code`.

    Presets are ``relax`` (MPRelaxSet), ``static`` (MPStaticSet, single points of structures that a
    potential relaxed) and ``scan`` (MPScanRelaxSet). Energies of the first two get the Materials
    Project's corrections (MaterialsProject2020Compatibility; Wang et al., Sci. Rep. 11, 15496
    (2021)), so that they may share the hull of its entries; so do no other settings.
    """

    name = "vasp"
    command = ("vasp_std",)
    done = "vasprun.xml"
    main = "preset"

    preset: Preset | None = Field(
        default=None, description="Set of settings; by the kind of calculation if not given."
    )

    def _chosen(self, calculation: Calculation) -> Preset:
        preset = self.preset or calculation.kind
        if (preset == "static") != (calculation.kind == "static"):
            raise DftError(f"the set '{preset}' does not go with '{calculation.kind}'.")
        if calculation.gap is not None and preset != "scan":
            raise DftError(
                f"the set '{preset}' has as many k-points for insulators as for metals: leave out "
                f"the band gap, or choose vasp:scan."
            )
        return preset

    def level(self, structures: Sequence[Atoms], calculation: Calculation) -> str:  # noqa: ARG002
        """The Materials Project's, where its settings are left as they are.

        The band gap does not change it: k-points are those of its own calculations by their rule.
        """
        preset = self._chosen(calculation)
        changes = _changes(calculation)
        if not changes:
            return LEVELS[preset]
        return f"vasp-{preset}-{settings_digest(changes)}"

    def write(self, atoms: Atoms, folder: Path, calculation: Calculation) -> None:
        """INCAR, KPOINTS, POSCAR and POTCAR; ``POTCAR.spec`` where pymatgen knows no POTCARs."""
        from pymatgen.io.vasp import sets

        structure = as_structure(atoms)
        moments = starting_moments(atoms)
        if moments is not None:  # the set starts from its own high-spin values otherwise
            structure.add_site_property("magmom", moments.tolist())
        structure = structure.get_sorted_structure()
        kind: Any = getattr(sets, SETS[self._chosen(calculation)])
        given = {} if calculation.gap is None else {"bandgap": calculation.gap}
        try:
            with warnings.catch_warnings():
                # Of POTCARs that are not there, which is said in other words.
                warnings.simplefilter("ignore")
                made = kind(structure, user_incar_settings=_changes(calculation), **given)
                made.write_input(str(folder), potcar_spec=not SETTINGS.get("PMG_VASP_PSP_DIR"))
        except (ValueError, KeyError, OSError, RuntimeError) as error:
            raise DftError(f"pymatgen cannot write inputs of {atoms.symbols} ({error}).") from error

    def run(self, folder: Path, command: Sequence[str], *, seconds: float, retries: int) -> str:
        """Run VASP with custodian's standard handlers for it.

        Raises:
            DftError: there is no POTCAR.
            ProgramError: there is no VASP.
        """
        from custodian import Custodian
        from custodian.custodian import CustodianError
        from custodian.vasp import handlers
        from custodian.vasp.jobs import VaspJob

        if not (folder / "POTCAR").exists():
            raise DftError(
                f"{folder} has no POTCAR: put it there as POTCAR.spec says, or set "
                f"PMG_VASP_PSP_DIR and write again."
            )
        path = program_variables(None, {}).get("PATH", "")
        words = [find_program(command[0], path), *command[1:]]
        checks = [
            handlers.VaspErrorHandler(),
            handlers.MeshSymmetryErrorHandler(),
            handlers.UnconvergedErrorHandler(),
            handlers.NonConvergingErrorHandler(),
            handlers.PotimErrorHandler(),
            handlers.PositiveEnergyErrorHandler(),
            handlers.FrozenJobErrorHandler(),
            handlers.StdErrHandler(),
            handlers.LargeSigmaHandler(),
            handlers.IncorrectSmearingHandler(),
            handlers.WalltimeHandler(wall_time=int(seconds)),
        ]
        job = VaspJob(words, auto_npar=False, backup=False)
        custodian = Custodian(
            checks,
            [job],
            max_errors=1 + retries,
            polling_time_step=1,
            monitor_freq=10,
            directory=str(folder.absolute()),
        )
        try:
            custodian.run()
        except CustodianError as error:
            return str(error)
        except OSError as error:
            raise ProgramError(f"VASP cannot be run in {folder} ({error}).") from error
        return "" if (folder / self.done).exists() else "left no vasprun.xml"

    def read(self, folder: Path, *, level: str) -> CalculationResult:
        """``vasprun.xml``, with the corrections that the level of theory asks for."""
        from pymatgen.io.vasp.outputs import Vasprun

        path = folder / self.done
        with parsing(str(path)):
            run = Vasprun(str(path), parse_potcar_file=False, parse_dos=False, parse_eigen=False)
            structure = run.final_structure
            energy: float | None = float(run.final_energy)
            if level == LEVELS["relax"]:
                energy = _corrected(run)
            converged = bool(run.converged)
        atoms = Atoms(
            structure.atomic_numbers,
            scaled_positions=structure.frac_coords,
            cell=structure.lattice.matrix,
            pbc=True,
        )
        if energy is None:
            problem = "not computed as the Materials Project would"
            return CalculationResult(atoms=atoms, energy=float("nan"), problem=problem)
        last = run.ionic_steps[-1]
        if "forces" in last and "stress" in last:
            atoms.calc = SinglePointCalculator(
                atoms,
                energy=energy,
                forces=np.array(last["forces"]),
                # VASP's stress is in kbar, and positive under compression.
                stress=full_3x3_to_voigt_6_stress(-0.1 * GPa * np.array(last["stress"])),
            )
        return CalculationResult(
            atoms=atoms, energy=energy, problem="" if converged else "not converged"
        )


def _corrected(run: Any) -> float | None:
    """Energy in eV with the Materials Project's corrections; ``None`` where they do not fit."""
    from pymatgen.entries.compatibility import MaterialsProject2020Compatibility

    # POTCARs are the user's; their symbols stand in vasprun.xml.
    scheme = MaterialsProject2020Compatibility(check_potcar=False)
    entry = scheme.process_entry(run.get_computed_entry(inc_structure=True))
    return None if entry is None else float(entry.energy)


def _changes(calculation: Calculation) -> dict[str, object]:
    """What is changed of a set."""
    changes = dict(calculation.settings)
    if calculation.cutoff is not None:
        changes["ENCUT"] = calculation.cutoff
    if calculation.pressure:
        if calculation.kind == "static":
            raise DftError("a single point has no pressure: relax, or leave it out.")
        changes["PSTRESS"] = 10.0 * calculation.pressure  # kbar
    return changes
