"""Weights in safetensors files as arrays, checked by cards and digests. Imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from gencsp.errors import WeightsError
from gencsp.shipped import check_card

SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """The content of a weights file.

    Attributes:
        arrays: by their names in the state dictionary.
        metadata: what the file says.
        digest: short hash of the arrays.
    """

    arrays: Mapping[str, NDArray[Any]]
    metadata: Mapping[str, str]
    digest: str


def shipped_weights() -> tuple[str, ...]:
    """Names of the weights that ship with gencsp; each may be given in place of a file."""
    found = (file.name for file in (files("gencsp") / "weights").iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX)))


def has_weights(path: Path) -> bool:
    """Whether a path is the name of weights that ship with gencsp, or a file."""
    return str(path) in shipped_weights() or path.is_file()


@contextmanager
def stored_weights(path: Path, *, what: str, needed: str, command: str) -> Iterator[StoredWeights]:
    """The weights of a file, as a context in which the caller reads the metadata.

    Args:
        path: the file, or one of :func:`shipped_weights`, such as ``pigen``.
        what: what the file holds, for the message where there is none.
        needed: an entry of the metadata that only files of the right kind have.
        command: what makes those, for the messages.

    Raises:
        WeightsError: there is no file, it cannot be read, its weights are not those of its digest,
            it is not as the card beside it says, or it holds another kind of model; also where
            reading the metadata fails.
    """
    with _file(path) as file:
        if not file.is_file():
            raise WeightsError(
                f"there are no {what} at {file}: train your own with '{command}', and name their "
                f"file as 'weights'. Those that ship with gencsp have names: "
                f"{', '.join(shipped_weights())}."
            )
        check_card(file)
        try:
            yield _read(file, needed=needed, command=command)
        except WeightsError:
            raise
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise WeightsError(
                f"{file} is not a readable weights file of gencsp ({error}): fetch it again."
            ) from error


@contextmanager
def _file(path: Path) -> Iterator[Path]:
    if str(path) not in shipped_weights():
        yield path
        return
    with as_file(files("gencsp") / "weights" / f"{path}{SUFFIX}") as found:
        yield found


def _read(path: Path, *, needed: str, command: str) -> StoredWeights:
    with safe_open(path, framework="np") as file:
        metadata = file.metadata() or {}
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    if "architecture" in metadata and needed not in metadata:
        raise WeightsError(
            f"{path} holds another kind of model ('{metadata['architecture']}'): give weights "
            f"that '{command}' made."
        )
    found, said = digest_of(arrays), metadata["digest"]
    if found != said:
        raise WeightsError(
            f"the weights in {path} were changed: their digest is {found}, and the file says "
            f"{said}: fetch it again."
        )
    return StoredWeights(arrays, metadata, found)


def digest_of(arrays: Mapping[str, Any]) -> str:
    """First 12 hexadecimal digits of the SHA-256 of names and values; tensors count as arrays."""
    sha = hashlib.sha256()
    for key in sorted(arrays):
        sha.update(key.encode())
        sha.update(np.asarray(arrays[key]).tobytes())
    return sha.hexdigest()[:12]
