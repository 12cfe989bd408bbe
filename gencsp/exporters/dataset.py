"""Data sets for training potentials, from structures with energies, forces and stresses.

One folder holds the same structures in the forms that three programs read:

- MACE: ``mace_train.extxyz`` with ``REF_energy`` (eV), ``REF_forces`` (eV/Å) and ``REF_stress``
  (3x3, eV/Å³, positive under tension), the default keys of ``mace_run_train``.
- CHGNet: ``chgnet_train.json`` as its ``parse_vasp_dir`` saves it: ``structure``,
  ``energy_per_atom`` (eV/atom), ``force`` (eV/Å), ``stress`` (3x3 in kbar and VASP's sign, positive
  under compression, which ``StructureData`` multiplies by -0.1), and ``magmom`` (μ_B) where all
  structures have them.
- matgl: ``matgl_train.json`` with ``structures`` and the ``labels`` of its ``MGLDataset``:
  ``energies`` (eV per cell), ``forces`` (eV/Å) and ``stresses`` (3x3 in GPa, positive under
  tension), and ``magmoms`` where all structures have them.

``…_valid`` hold the structures to validate on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import voigt_6_to_full_3x3_stress
from ase.units import GPa
from numpy.typing import NDArray
from pydantic import Field

from gencsp import records
from gencsp.composition import Composition
from gencsp.deck import Fraction, Seed
from gencsp.errors import ExportError
from gencsp.exporters.folder import new_folder
from gencsp.files import write_whole
from gencsp.io.structures import name_of
from gencsp.plugins import Configured
from gencsp.similarity import deduplicate
from gencsp.similarity.matching import as_structure

#: The name under which it is chosen.
NAME = "dataset"
#: What was written, and what of it is what.
ABOUT = "dataset.json"
#: kbar in one GPa.
KBAR = 10.0

Form = Literal["mace", "chgnet", "matgl"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A structure and what a potential said of it.

    Attributes:
        atoms: bare crystal.
        structure_id: in the pool, or its place there.
        energy: eV per cell.
        forces: eV/Å, shape (n, 3).
        stress: eV/Å³, shape (3, 3), positive under tension.
        magmoms: μ_B, shape (n,); ``None`` where there are none.
    """

    atoms: Atoms
    structure_id: str
    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64]
    magmoms: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReport:
    """What was written.

    Attributes:
        folder: where to.
        model: whose energies they are.
        train, valid: how many structures there are to train and to validate on.
        left_out: how many structures are none of them, by reason.
    """

    folder: Path
    model: str
    train: int
    valid: int
    left_out: dict[str, int]


class Dataset(Configured):
    """``dataset``, or ``dataset:validation=0.2,seed=1,unique=true``."""

    kind: ClassVar[str] = "exporter"
    name = NAME

    forms: tuple[Form, ...] = Field(
        default=("mace", "chgnet", "matgl"), description="For which programs."
    )
    validation: Fraction = Field(
        default=0.1, description="Share of the structures to validate on, whole compositions."
    )
    split: Literal["composition", "structure"] = Field(
        default="composition", description="What is either trained or validated on."
    )
    seed: Seed = Field(default=0, description="Of the choice of what to validate on.")
    unique: bool = Field(default=False, description="One structure of each crystal, the lowest.")
    model: str | None = Field(
        default=None, description="Whose energies to take, of a pool with those of several."
    )

    def write(self, pool: Iterable[Atoms], folder: Path | str) -> DatasetReport:
        """Write a data set into a new folder, whole or not at all.

        Structures need energy, forces and stress, and the name of the model that made them.

        Raises:
            ExportError: there are none, or of several models and ``model`` does not choose one.
            StoreError: the folder holds something, cannot be written, or is full.
        """
        labelled, model, left_out = self._chosen(list(pool))
        if self.unique:
            kept = _unique(labelled)
            left_out |= {"the same crystal as another one": len(labelled) - len(kept)}
            labelled = kept
        train, valid = self._parted(labelled)
        target = Path(folder).absolute()
        with new_folder(target) as aside:
            for part, members in (("train", train), ("valid", valid)):
                for form in self.forms if members else ():
                    _WRITERS[form](aside, part, members)
            about = {
                "energy_model": model,
                "options": self.model_dump(mode="json"),
                "train": [one.structure_id for one in train],
                "valid": [one.structure_id for one in valid],
            }
            _write_json(aside / ABOUT, about)
        return DatasetReport(
            folder=Path(folder),
            model=model,
            train=len(train),
            valid=len(valid),
            left_out={reason: n for reason, n in left_out.items() if n},
        )

    def _chosen(self, pool: Sequence[Atoms]) -> tuple[list[Labelled], str, dict[str, int]]:
        """Structures of one model, its name, and how many are left out and why."""
        found: dict[str, list[Labelled]] = {}
        for number, atoms in enumerate(pool):
            one = labelled_of(atoms, name_of(atoms, number))
            if one is not None:
                found.setdefault(_model_of(atoms), []).append(one)
        if not found:
            raise ExportError(
                "none of the structures has energy, forces and stress of a model that is named: "
                "give the folder of a search, or the results of 'gencsp relax'."
            )
        wanted = {name: ones for name, ones in found.items() if self.model in (None, name)}
        if len(wanted) != 1:
            raise ExportError(
                f"the pool holds energies of {', '.join(sorted(found))}, which do not belong "
                f"together: choose one with --to dataset:model=NAME."
            )
        ((model, chosen),) = wanted.items()
        labels = sum(map(len, found.values()))
        left_out = {
            "without energy, forces or stress, or the name of their model": len(pool) - labels,
            "of another model": labels - len(chosen),
        }
        return chosen, model, left_out

    def _parted(self, labelled: list[Labelled]) -> tuple[list[Labelled], list[Labelled]]:
        """Those to train and those to validate on.

        Whole groups in random order are taken to validate on while they fit into the share; at
        least one, where there are two groups, and never all.
        """
        by_formula = self.split == "composition"
        groups: dict[str, list[Labelled]] = {}
        for number, one in enumerate(labelled):
            key = Composition.of(one.atoms).formula_key if by_formula else str(number)
            groups.setdefault(key, []).append(one)
        names = sorted(groups)
        np.random.default_rng(self.seed).shuffle(names)
        room = self.validation * len(labelled)
        chosen: set[str] = set()
        if self.validation > 0 and len(names) > 1:
            for name in names:
                if len(groups[name]) <= room:
                    chosen.add(name)
                    room -= len(groups[name])
            chosen = chosen or {min(names, key=lambda name: len(groups[name]))}
        parts: tuple[list[Labelled], list[Labelled]] = ([], [])
        for name, members in groups.items():
            parts[name in chosen].extend(members)
        return parts


def labelled_of(atoms: Atoms, structure_id: str) -> Labelled | None:
    """A structure with its labels; ``None`` where energy, forces, stress or model are missing."""
    if not isinstance(atoms.calc, SinglePointCalculator) or not _model_of(atoms):
        return None
    results = atoms.calc.results
    needed = [results.get(key) for key in ("energy", "forces", "stress")]
    if any(value is None or not np.isfinite(value).all() for value in needed):
        return None
    energy, forces, stress = (np.asarray(value, dtype=np.float64) for value in needed)
    magmoms = results.get("magmoms")
    return Labelled(
        atoms=Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True),
        structure_id=structure_id,
        energy=float(energy),
        forces=forces,
        stress=voigt_6_to_full_3x3_stress(stress) if stress.shape == (6,) else stress,
        magmoms=None if magmoms is None else np.asarray(magmoms, dtype=np.float64),
    )


def _model_of(atoms: Atoms) -> str:
    return str(atoms.info.get(records.ENERGY_MODEL, ""))


def _unique(labelled: Sequence[Labelled]) -> list[Labelled]:
    ordered = sorted(labelled, key=lambda one: one.energy / len(one.atoms))
    energies = [one.energy / len(one.atoms) for one in ordered]
    groups = deduplicate([one.atoms for one in ordered], energies=energies)
    return [ordered[first] for first, *_ in groups]


def _mace(folder: Path, part: str, members: Sequence[Labelled]) -> None:
    frames = []
    for one in members:
        atoms = one.atoms.copy()
        atoms.info = {
            records.STRUCTURE_ID: one.structure_id,
            "REF_energy": one.energy,
            "REF_stress": one.stress,
        }
        atoms.set_array("REF_forces", one.forces)
        frames.append(atoms)
    path = folder / f"mace_{part}.extxyz"
    write_whole(path, lambda file: ase.io.write(file, frames, format="extxyz"))


def _chgnet(folder: Path, part: str, members: Sequence[Labelled]) -> None:
    content: dict[str, Any] = {
        "structure": [as_structure(one.atoms).as_dict() for one in members],
        "energy_per_atom": [one.energy / len(one.atoms) for one in members],
        "force": [one.forces.tolist() for one in members],
        "stress": [(-KBAR / GPa * one.stress).tolist() for one in members],
    }
    _write_json(folder / f"chgnet_{part}.json", content | _moments("magmom", members))


def _matgl(folder: Path, part: str, members: Sequence[Labelled]) -> None:
    labels: dict[str, Any] = {
        "energies": [one.energy for one in members],
        "forces": [one.forces.tolist() for one in members],
        "stresses": [(one.stress / GPa).tolist() for one in members],
    }
    content = {
        "structures": [as_structure(one.atoms).as_dict() for one in members],
        "labels": labels | _moments("magmoms", members),
    }
    _write_json(folder / f"matgl_{part}.json", content)


def _moments(key: str, members: Sequence[Labelled]) -> dict[str, Any]:
    found = [one.magmoms.tolist() for one in members if one.magmoms is not None]
    return {key: found} if len(found) == len(members) else {}


def _write_json(path: Path, content: object) -> None:
    write_whole(path, lambda file: json.dump(content, file))


_WRITERS: dict[Form, Callable[[Path, str, Sequence[Labelled]], None]] = {
    "mace": _mace,
    "chgnet": _chgnet,
    "matgl": _matgl,
}
