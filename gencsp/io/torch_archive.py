"""Arrays from the files that ``torch.save`` writes, without torch.

Since PyTorch 1.6 such a file is a zip archive: ``data.pkl`` is a pickle in which each tensor is a
call of ``torch._utils._rebuild_tensor_v2`` on a storage, and ``data/KEY`` holds the bytes of the
storage KEY (PyTorch, Serialization semantics). Nothing else than these calls and ordered dicts is
executed.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Types of storages, little-endian.
_STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "BoolStorage": "?",
}


#: What a damaged file raises.
READ_ERRORS = (
    ValueError,
    KeyError,
    AttributeError,
    TypeError,
    EOFError,
    StopIteration,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


class UnknownContentError(ValueError):
    """The file holds something that only torch can read."""


def read_archive(path: Path) -> Any:
    """What was saved, tensors as arrays of their own memory.

    Raises:
        FileNotFoundError: there is no file.
        UnknownContentError: it is no zip archive, or holds other objects than tensors, containers,
            texts and numbers, or tensors of another byte order.
        One of :data:`READ_ERRORS`: the file is damaged.
    """
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise UnknownContentError(f"{path} is no zip archive")
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            folder = next(n for n in names if n.endswith("/data.pkl")).removesuffix("data.pkl")
            order = f"{folder}byteorder"
            if order in names and archive.read(order) != b"little":
                raise UnknownContentError(f"{path} has another byte order")
            with archive.open(f"{folder}data.pkl") as pickled:
                return _Unpickler(pickled, lambda key: archive.read(f"{folder}data/{key}")).load()


class _Unpickler(pickle.Unpickler):
    """Executes nothing but what tensors are made of."""

    def __init__(self, file: Any, storage: Callable[[str], bytes]) -> None:
        super().__init__(file)
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuilt
        if module == "torch" and name in _STORAGES:
            return name
        raise UnknownContentError(f"it holds a {module}.{name}")

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        _, kind, key, _, count = pid
        values = np.frombuffer(self._storage(key), _STORAGES[kind])
        if len(values) < count:
            raise pickle.UnpicklingError(f"the storage {key} is too short")
        return values


def _rebuilt(
    storage: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    """As ``torch._utils._rebuild_tensor_v2``; strides count elements."""
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 in size:
        return np.zeros(size, storage.dtype)
    if offset < 0 or min(stride, default=0) < 0 or last >= len(storage):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    view = np.lib.stride_tricks.as_strided(
        storage[offset:], size, [step * storage.itemsize for step in stride], writeable=False
    )
    return view.copy()
