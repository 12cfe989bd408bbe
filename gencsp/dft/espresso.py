"""Quantum ESPRESSO's ``pw.x``, its files by ASE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import ceil, tau
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.units import Rydberg
from pydantic import Field

from gencsp.dft.base import (
    Calculation,
    CalculationResult,
    ConfiguredCode,
    bare_crystal,
    file_digest,
    settings_digest,
)
from gencsp.dft.running import run_folder
from gencsp.errors import DftError
from gencsp.io.content import parsing

INPUT, OUTPUT = "espresso.pwi", "espresso.pwo"

#: Default plane-wave cutoff, eV: enough for most norm-conserving pseudopotentials.
CUTOFF = 80 * Rydberg

_SMEARING = 0.01  # Ry

_FUNCTIONAL = re.compile(r"Exchange-correlation\s*=\s*(.+)")


class Espresso(ConfiguredCode):
    """See :class:`~gencsp.dft.base.Code`."""

    name = "espresso"
    command = ("pw.x", "-in", INPUT)
    done = OUTPUT
    main = "pseudos"

    pseudos: Path | None = Field(
        default=None, description="Folder of pseudopotentials; needed to write inputs."
    )

    def level(self, structures: Sequence[Atoms], calculation: Calculation) -> str:
        """Named after cutoff, k-points, settings and the files of the pseudopotentials."""
        species = sorted({symbol for atoms in structures for symbol in atoms.symbols})
        files = find_pseudos(species, self.pseudos)
        hashes = {symbol: file_digest(path) for symbol, path in files.items()}
        digest = settings_digest(
            calculation.cutoff or CUTOFF,
            calculation.kpoint_spacing,
            dict(calculation.settings),
            hashes,
        )
        return f"espresso-{digest}"

    def write(self, atoms: Atoms, folder: Path, calculation: Calculation) -> None:
        """``espresso.pwi``, with k-points by the spacing; spin-polarised where it has moments.

        Moments are written in μ_B, as ``pw.x`` takes them from 7.3 on; before, it took shares of
        the valence electrons.
        """
        species = sorted(set(atoms.symbols))
        files = find_pseudos(species, self.pseudos)
        assert self.pseudos is not None, "found above"
        relax = calculation.kind == "relax"
        cutoff = (calculation.cutoff or CUTOFF) / Rydberg
        data: dict[str, object] = {
            "calculation": "vc-relax" if relax else "scf",
            "restart_mode": "from_scratch",
            "prefix": "gencsp",
            "outdir": "./scratch",
            "pseudo_dir": str(self.pseudos.absolute()),
            "tprnfor": True,
            "tstress": True,
            "ecutwfc": round(cutoff, 6),
            "occupations": "smearing",
            "smearing": "marzari-vanderbilt",
            "degauss": _SMEARING,
            "conv_thr": 1e-8 * len(atoms),
        }
        if relax:
            data |= {"press": calculation.pressure * 10.0, "press_conv_thr": 0.5}
        elif calculation.pressure:
            raise DftError("a single point has no pressure: relax, or leave it out.")
        data |= dict(calculation.settings)
        with (folder / INPUT).open("w", encoding="utf-8") as file:
            ase.io.write(
                file,
                bare_crystal(atoms),
                format="espresso-in",
                input_data=data,
                pseudopotentials={symbol: path.name for symbol, path in files.items()},
                kpts=kpoints(atoms, calculation.kpoint_spacing),
                koffset=(0, 0, 0),
            )

    def run(self, folder: Path, command: Sequence[str], *, seconds: float, retries: int) -> str:
        """Run ``pw.x``; its standard output is kept as ``espresso.pwo``."""
        fault = run_folder(
            folder,
            command,
            seconds=seconds,
            retries=retries,
            is_done=lambda: "JOB DONE" in _said(folder),
            variables={"OMP_NUM_THREADS": "1"},
        )
        (folder / OUTPUT).write_text(_said(folder), encoding="utf-8")
        return fault

    def read(self, folder: Path, *, level: str) -> CalculationResult:  # noqa: ARG002
        """Of a relaxation the last structure; not converged ones say so."""
        path = folder / OUTPUT
        with parsing(str(path)):
            text = path.read_text(encoding="utf-8", errors="replace")
            atoms = ase.io.read(path, format="espresso-out", index=-1)
            energy = float(atoms.get_potential_energy())
        problem = ""
        if "convergence NOT achieved" in text:
            problem = "the electrons did not converge"
        elif "The maximum number of steps has been reached" in text:
            problem = "step limit reached"
        elif "JOB DONE" not in text:
            problem = "not finished"
        return CalculationResult(atoms=atoms, energy=energy, problem=problem)


def find_pseudos(species: Iterable[str], folder: Path | None) -> dict[str, Path]:
    """The pseudopotential of each element: the file whose name begins with it.

    Raises:
        DftError: no folder is named, or one of them is missing or not unique.
    """
    if folder is None or not folder.is_dir():
        raise DftError("Quantum ESPRESSO needs pseudopotentials: name their folder, espresso:DIR.")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".upf")
    found = {}
    for symbol in species:
        fitting = [p for p in files if re.match(rf"{symbol}(?![a-z])", p.name, re.IGNORECASE)]
        if len(fitting) != 1:
            names = ", ".join(path.name for path in fitting) or "none"
            raise DftError(f"{folder} must hold one pseudopotential of {symbol}, and has {names}.")
        found[symbol] = fitting[0]
    return found


def kpoints(atoms: Atoms, spacing: float) -> tuple[int, int, int]:
    """Monkhorst-Pack divisions with at most this spacing, 1/Å (2π included)."""
    lengths = tau * np.linalg.norm(atoms.cell.reciprocal().array, axis=1)
    a, b, c = (max(1, ceil(length / spacing - 1e-9)) for length in lengths)
    return (a, b, c)


def functional(text: str) -> str:
    """What ``pw.x`` says of its functional."""
    found = _FUNCTIONAL.search(text)
    return found[1].strip() if found else ""


def _said(folder: Path) -> str:
    from gencsp.programs.launch import STDOUT

    path = folder / STDOUT
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
