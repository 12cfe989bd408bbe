"""Units by the names or files that users give."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from gencsp.errors import UnitError
from gencsp.units.builtin import ALIASES, builtin_names, builtin_unit
from gencsp.units.files import ENDINGS, read_unit
from gencsp.units.unit import RigidUnit


def get_unit(name: str | Path) -> RigidUnit:
    """A built-in unit by its name, or one from a file.

    Args:
        name: such as ``NH2`` or ``benzene``, or the path of a file, which ends with ``.xyz``,
            ``.mol`` or ``.cif``.

    Raises:
        UnitError: no such unit, or a file that holds none; see
            :func:`~gencsp.units.files.read_unit`.
    """
    text = str(name).strip()
    if text.lower().endswith(ENDINGS):
        path = Path(text)
        stamp = path.stat().st_mtime_ns if path.is_file() else 0
        return _from_file(path, stamp)
    found = builtin_unit(text)
    if found is None:
        raise UnitError(
            f"there is no unit '{text}': known are {', '.join(builtin_names())} and "
            f"{', '.join(ALIASES)}; others come from files such as {text or 'ND'}.xyz."
        )
    return found


def get_units(names: str | Sequence[str | Path | RigidUnit]) -> tuple[RigidUnit, ...]:
    """Several units, each once, as a text with commas (``NH2,ND.xyz``) or one by one.

    Raises:
        UnitError: as :func:`get_unit`, or two units of the same name that are not the same.
    """
    given = names.split(",") if isinstance(names, str) else names
    found: dict[str, RigidUnit] = {}
    for one in given:
        if isinstance(one, str) and not one.strip():
            continue
        unit = one if isinstance(one, RigidUnit) else get_unit(one)
        if found.setdefault(unit.name, unit) is not unit:
            raise UnitError(f"two units are named '{unit.name}': rename the file of one of them.")
    return tuple(found.values())


@lru_cache(maxsize=64)
def _from_file(path: Path, stamp: int) -> RigidUnit:  # noqa: ARG001 - a changed file is another
    return read_unit(path)
