"""Lists of structures that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex, overload

from ase import Atoms

from gencsp.records.html import FORMULA, html_table
from gencsp.records.keys import (
    COPIES,
    DECOMPOSITION_ENTHALPY,
    DUPLICATE_OF,
    ENERGY_PER_ATOM,
    ENTHALPY_PER_ATOM,
    OUTCOME,
    REASON,
    SPACE_GROUP,
    SPACE_GROUP_NUMBER,
    STRUCTURE_ID,
)
from gencsp.records.reading import (
    above_hull,
    failed,
    number,
    pressures,
    shown_decomposition_energy,
)


class StructureList(list[Atoms]):
    """A list of structures, which a notebook shows as a table; so does a slice of it."""

    @overload
    def __getitem__(self, place: SupportsIndex, /) -> Atoms: ...

    @overload
    def __getitem__(self, place: slice, /) -> StructureList: ...

    def __getitem__(self, place: SupportsIndex | slice, /) -> Atoms | StructureList:
        """One structure, or several as a list of the same kind."""
        if isinstance(place, slice):
            return StructureList(super().__getitem__(place))
        return super().__getitem__(place)

    def _repr_html_(self) -> str:
        return structures_html(self)


def structures_html(structures: Sequence[Atoms]) -> str:
    """The table of structures: place in the list, formula, energy, space group, id.

    Energies are decomposition energies where there are any, under pressure enthalpies. Structures
    that are the same crystal as another one of the list are counted, and have no row.
    """
    ids = {str(atoms.info.get(STRUCTURE_ID, "")) for atoms in structures} - {""}
    crystals = [
        (place, atoms)
        for place, atoms in enumerate(structures)
        if str(atoms.info.get(DUPLICATE_OF, "")) not in ids
    ]
    energy = _energy_title(structures)
    titles = ("", FORMULA, energy, "found", "space group", "id", "no result")
    rows = [_cells(place, atoms, energy) for place, atoms in crystals]
    caption = f"{len(crystals):,} crystals in {len(structures):,} structures"
    if len(crystals) == len(structures):
        caption = "" if structures else "no structures"
    return html_table(titles, rows, right=("", energy, "found"), caption=caption)


def _energy_title(structures: Sequence[Atoms]) -> str:
    pressed = bool(pressures(structures) - {0.0})
    if any(above_hull(atoms.info) is not None for atoms in structures):
        enthalpies = any(DECOMPOSITION_ENTHALPY in atoms.info for atoms in structures)
        return "H_d (eV/atom)" if pressed and enthalpies else "E_d (eV/atom)"
    return "H (eV/atom)" if pressed else "E (eV/atom)"


def _cells(place: int, atoms: Atoms, energy: str) -> tuple[str, ...]:
    info = atoms.info
    group, group_number = str(info.get(SPACE_GROUP, "")), info.get(SPACE_GROUP_NUMBER)
    reasons = (info[OUTCOME] if failed(info) else "", info.get(REASON, ""))
    return (
        str(place),
        cell_formula(atoms),
        _shown_energy(atoms, energy),
        str(info.get(COPIES, "")),
        f"{group} ({group_number})" if group and group_number else group,
        str(info.get(STRUCTURE_ID, "")),
        ": ".join(str(one) for one in reasons if one),
    )


def _shown_energy(atoms: Atoms, title: str) -> str:
    if "_d" in title:
        return shown_decomposition_energy(atoms.info)
    key = ENTHALPY_PER_ATOM if title.startswith("H") else ENERGY_PER_ATOM
    value = number(atoms.info, key)
    return "" if value is None else f"{value:.4f}"


def cell_formula(atoms: Atoms) -> str:
    """All atoms of a structure, in ASE's order where it holds what is no element or nothing."""
    from gencsp.composition import Composition

    # A table of whatever there is must not fail.
    if not len(atoms) or "X" in atoms.symbols:
        return str(atoms.symbols)
    return Composition.in_cell(atoms).formula
