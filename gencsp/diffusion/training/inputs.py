"""Inputs and outputs that both models share in training: crystals, formulas, folder, weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ase import Atoms

from gencsp.composition import Composition, read_formula_keys
from gencsp.deck import Count, Workers, check
from gencsp.errors import StoreError, WrongTypeError

if TYPE_CHECKING:
    from gencsp.diffusion.training.state import TrainState

#: Training crystals: an extxyz file, gzipped or not, or structures.
Crystals = Path | str | Iterable[Atoms]
#: Formulas that must not occur among them: a file with one a line, or the formulas.
HeldOut = Path | str | Iterable[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training left.

    Attributes:
        file: the weights.
        digest: short hash of them, 12 hexadecimal digits.
        step: optimiser steps, of earlier sessions too.
    """

    file: Path
    digest: str
    step: int


def stream(data: Crystals) -> Iterator[Atoms]:
    """The crystals, one at a time.

    Raises:
        WrongTypeError: it is neither a file nor structures.
        StructureFileError: the file is missing or a frame cannot be read.
    """
    from gencsp.diffusion.training.data import stream_extxyz

    if isinstance(data, str | Path):
        yield from stream_extxyz(Path(data))
        return
    if isinstance(data, Atoms) or not isinstance(data, Iterable):
        raise WrongTypeError(
            f"training data is a {type(data).__name__}: give an extxyz file, or several ase.Atoms."
        )
    for atoms in data:
        if not isinstance(atoms, Atoms):
            raise WrongTypeError(
                f"the training data holds a {type(atoms).__name__}: give structures as ase.Atoms."
            )
        yield atoms


def first(data: Crystals, n: int) -> Iterator[Atoms]:
    """The first crystals, one at a time; raises as :func:`stream`."""
    check("validation_size", n, Count)
    return islice(stream(data), n)


def formulas(held_out: HeldOut) -> frozenset[str]:
    """Reduced formulas, as :attr:`gencsp.composition.Composition.formula_key` spells them.

    Raises:
        StructureFileError: the file cannot be read.
        CompositionError: one is no formula.
    """
    if isinstance(held_out, str | Path):
        return read_formula_keys(Path(held_out))
    return frozenset(Composition.parse(formula).formula_key for formula in held_out)


@contextmanager
def torch_threads(n: int) -> Iterator[None]:
    """Let torch use so many threads, and as many as before afterwards."""
    import torch

    check("threads", n, Workers)
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def make_folder(folder: Path) -> None:
    """Make the folder of a run.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written ({error.strerror}): name another folder with --out."
        ) from error


def length_of(state: TrainState) -> str:
    """Length of the training, and what it began from, for the weights file."""
    length = f"{state.step} steps, {state.seconds / 3600:.2f} hours"
    return f"{length}, from weights {state.start}" if state.start else length
