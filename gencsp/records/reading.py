"""What ``Atoms.info`` says of a result; files may write its numbers and booleans as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, Final

from ase import Atoms

from gencsp.composition import Composition
from gencsp.records.keys import (
    DECOMPOSITION_ENERGY,
    DECOMPOSITION_ENTHALPY,
    ENERGY_PER_ATOM,
    ENTHALPY_PER_ATOM,
    HAS_REFERENCE,
    OUTCOME,
    PRESSURE,
    REFERENCE_PHASE,
    STAGE,
)

#: A decomposition energy below this, eV/atom, is not shown as a number where no hull reference has
#: the composition: by so little may a new phase stand out of the hull, by more a missing one does.
NO_REFERENCE_BELOW: Final = -0.005
#: What is shown in its place.
NO_REFERENCE: Final = "no reference"


def number(info: Mapping[str, Any], key: str) -> float | None:
    """A finite number of ``info``; ``None`` where there is none, whatever a file says instead."""
    try:
        value = float(info.get(key, "nan"))
    except (TypeError, ValueError, OverflowError):
        return None
    return value if isfinite(value) else None


def above_hull(info: Mapping[str, Any]) -> float | None:
    """The decomposition energy, or under pressure enthalpy, eV/atom; ``None`` without either."""
    value = number(info, DECOMPOSITION_ENERGY)
    return number(info, DECOMPOSITION_ENTHALPY) if value is None else value


def ranking_energy(info: Mapping[str, Any]) -> float | None:
    """The value by which tables are sorted, eV/atom.

    It is the decomposition energy, or under pressure the decomposition enthalpy; where there is
    none, the enthalpy; or else the energy, which under pressure does not count. The last two
    compare structures of one composition alone. ``None`` where there is none of them.
    """
    value = above_hull(info)
    if value is None:
        value = number(info, ENTHALPY_PER_ATOM)
    if value is None and not number(info, PRESSURE):
        value = number(info, ENERGY_PER_ATOM)
    return value


def stated_pressure(info: Mapping[str, Any]) -> float | None:
    """The pressure that a structure was relaxed, evaluated or proposed at, GPa.

    ``None`` where nothing says so. What another program calls ``pressure``, such as a rest of
    stress in a unit of its own, does not count: structures of gencsp have a ``stage``.
    """
    return number(info, PRESSURE) if STAGE in info else None


def pressures(structures: Iterable[Atoms]) -> set[float]:
    """All pressures of structures, GPa, see :func:`stated_pressure`; 0 where none is stated."""
    return {stated_pressure(atoms.info) or 0.0 for atoms in structures}


def failed(info: Mapping[str, Any]) -> bool:
    """Whether an evaluation ended without a result."""
    return str(info.get(OUTCOME, "converged")) != "converged"


def results_first(atoms: Atoms) -> tuple[bool, bool, bool, str, float]:
    """A key to sort by: the lowest first, then what has no energy, and failures at the end.

    Structures with a decomposition energy come before those with an energy alone, which is no
    energy above a hull: these come composition by composition, and the lowest of each first.
    """
    energy, above = ranking_energy(atoms.info), above_hull(atoms.info)
    alone = above is None and energy is not None
    formula = Composition.of(atoms).formula_key if alone else ""
    return failed(atoms.info), above is None, energy is None, formula, energy or 0.0


def lacks_reference(info: Mapping[str, Any]) -> bool:
    """Whether a decomposition energy or enthalpy is so low because of a missing reference.

    It is below ``NO_REFERENCE_BELOW``, and it is known that no reference has the composition. Where
    one has, a negative energy is a lower polymorph, by the potential.
    """
    energy = above_hull(info)
    if energy is None or energy >= NO_REFERENCE_BELOW or HAS_REFERENCE not in info:
        return False
    return _is_false(info[HAS_REFERENCE])


def shown_decomposition_energy(info: Mapping[str, Any]) -> str:
    """As tables show it: eV/atom to a tenth of a meV, "no reference", or nothing."""
    energy = above_hull(info)
    if lacks_reference(info):
        return NO_REFERENCE
    return "" if energy is None else f"{energy:.4f}"


def shown_reference(info: Mapping[str, Any]) -> str:
    """As tables show it: ``= NAME`` of the reference phase that it is, or whether there is one."""
    if info.get(REFERENCE_PHASE):
        return f"= {info[REFERENCE_PHASE]}"
    if HAS_REFERENCE not in info:
        return ""
    return "none" if _is_false(info[HAS_REFERENCE]) else "yes"


def _is_false(value: object) -> bool:
    """Whether a boolean is false, also as files and databases write it."""
    return str(value).lower() in ("false", "f", "0")
