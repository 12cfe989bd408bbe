"""Codes by name: ours and third parties', through the entry points ``gencsp.dft``.

An entry point names a :class:`~gencsp.dft.base.Code`.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING

from gencsp.errors import DftError

if TYPE_CHECKING:
    from gencsp.dft.base import Code

GROUP = "gencsp.dft"


def code_names() -> tuple[str, ...]:
    """Names of all codes, sorted."""
    return tuple(sorted(_registered()))


def get_code(name: str) -> Code:
    """A code.

    Raises:
        DftError: none has this name.
    """
    if name not in _registered():
        raise DftError(f"there is no code '{name}': choose from {', '.join(code_names())}.")
    code: Code = _registered()[name].load()
    return code


@cache
def _registered() -> MappingProxyType[str, EntryPoint]:
    return MappingProxyType({point.name: point for point in entry_points(group=GROUP)})
