"""Training crystals: read as a stream, held compactly, checked against held-out formulas."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import IO, Literal

import ase.io
import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray

from gencsp.composition import ELEMENTS, Composition
from gencsp.diffusion.batch import CrystalBatch
from gencsp.errors import StructureFileError, TrainingDataError


def stream_extxyz(path: Path) -> Iterator[Atoms]:
    """Structures of an extxyz file, gzipped or not, one at a time and in one pass.

    ASE seeks back for every frame, which in a gzipped file costs time quadratic in its length.

    Raises:
        StructureFileError: the file is missing or a frame cannot be read.
    """
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as file:
            while frame := _next_frame(file):
                atoms = ase.io.read(io.StringIO(frame), format="extxyz")
                assert isinstance(atoms, Atoms)
                yield atoms
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise StructureFileError(
            f"{path} cannot be read as extxyz ({error}): give a file written by ase.io.write."
        ) from error


def _next_frame(file: IO[str]) -> str:
    head = file.readline()
    if not head.strip():
        return ""
    lines = [head] + [file.readline() for _ in range(int(head) + 1)]
    if not lines[-1]:
        raise EOFError("the last frame is cut off")
    return "".join(lines)


@dataclass(frozen=True, slots=True)
class CrystalSet:
    """Crystals packed into three arrays, so that millions of atoms fit in little memory.

    Attributes:
        numbers: atomic numbers, shape (n,), int8.
        frac: fractional coordinates, shape (n, 3), float64.
        cells: Å, shape (b, 3, 3), float64.
        offsets: first atom of each crystal and one past the last, shape (b + 1,).
        digest: short hash of the structures as they were given, in their order, 12 hexadecimal
            digits.
        labels: properties that a network is conditioned on, shape (b, k), NaN where unknown.
    """

    numbers: NDArray[np.int8]
    frac: NDArray[np.float64]
    cells: NDArray[np.float64]
    offsets: NDArray[np.int64]
    digest: str
    labels: NDArray[np.float64] | None = None

    @classmethod
    def gather(cls, structures: Iterator[Atoms], *, held_out: frozenset[str]) -> CrystalSet:
        """Pack a stream of structures.

        Args:
            structures: fully periodic crystals.
            held_out: reduced formulas (elements in alphabetical order) that must not occur.

        Raises:
            TrainingDataError: a held-out formula or an unknown element occurs, or nothing does.
        """
        numbers, frac, cells, sizes = [], [], [], []
        # Of what was given: fractional coordinates differ in their last bits between processors.
        digest = sha256()
        for atoms in structures:
            _refuse_held_out(atoms, held_out)
            numbers.append(atoms.numbers.astype(np.int8))
            frac.append(atoms.get_scaled_positions(wrap=True))
            cells.append(atoms.cell.array)
            sizes.append(len(atoms))
            digest.update(len(atoms).to_bytes(8, "little"))
            digest.update(atoms.numbers.astype("<i8").tobytes())
            digest.update(atoms.positions.astype("<f8").tobytes())
            digest.update(atoms.cell.array.astype("<f8").tobytes())
        if not sizes:
            raise TrainingDataError("the training data holds no structures.")
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return cls(
            np.concatenate(numbers),
            np.concatenate(frac),
            np.stack(cells),
            offsets,
            digest.hexdigest()[:12],
        )

    def reduced(self, *, angles: Literal["acute", "niggli"] = "niggli") -> CrystalSet:
        """The same crystals in Niggli-reduced cells, which lattice models are trained on.

        Args:
            angles: ``acute`` chooses the signs of their vectors by
                :func:`~gencsp.similarity.cells.acute`.

        Raises:
            TrainingDataError: a cell cannot be reduced.
        """
        import spglib

        from gencsp.similarity.cells import acute
        from gencsp.symmetry.answers import answer

        cells, frac = np.empty_like(self.cells), np.empty_like(self.frac)
        for i, cell in enumerate(self.cells):
            niggli = answer(spglib.niggli_reduce, cell)
            if niggli is None:
                raise TrainingDataError(f"the cell of crystal {i} cannot be reduced: {cell}.")
            atoms = slice(self.offsets[i], self.offsets[i + 1])
            cells[i] = acute(niggli) if angles == "acute" else niggli
            frac[atoms] = (self.frac[atoms] @ cell @ np.linalg.inv(cells[i])) % 1.0
        return replace(self, cells=cells, frac=frac)

    def __len__(self) -> int:
        return len(self.cells)

    def batch(self, indices: Sequence[int] | NDArray[np.int64]) -> CrystalBatch:
        """The crystals of the given indices, in float64 on the CPU."""
        spans = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in indices]
        rows = np.concatenate(spans)
        owner = np.repeat(np.arange(len(spans)), [len(s) for s in spans])
        cells = torch.as_tensor(self.cells[np.asarray(indices)])
        index = torch.as_tensor(owner)
        frac = torch.as_tensor(self.frac[rows])
        positions = (frac[:, None] @ cells[index])[:, 0]
        numbers = torch.as_tensor(self.numbers[rows].astype(np.int64))
        return CrystalBatch(numbers, positions, cells, index)


def _refuse_held_out(atoms: Atoms, held_out: frozenset[str]) -> None:
    composition = Composition.of(atoms)
    unknown = [symbol for symbol in composition.elements if symbol not in ELEMENTS]
    if unknown:
        raise TrainingDataError(
            f"{composition} holds {', '.join(unknown)}, which the network has no room for: "
            f"take such structures out."
        )
    if composition.formula_key in held_out:
        raise TrainingDataError(
            f"{composition} is on the list of held-out formulas: remove it from the training data."
        )
