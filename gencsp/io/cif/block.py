"""A data block of a CIF as gemmi reads it, with one name for each data item."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from gemmi import cif

from gencsp.errors import StructureFileError

#: Names of old dictionaries, and their names today.
_TODAY = {
    "_symmetry_equiv_pos_as_xyz": "_space_group_symop_operation_xyz",
    "_symmetry_space_group_name_h-m": "_space_group_name_h-m_alt",
    "_space_group_name_h-m": "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_hall": "_space_group_name_hall",
    "_symmetry_int_tables_number": "_space_group_it_number",
    "_space_group_magn_symop_operation_xyz": "_space_group_symop_magn_operation_xyz",
    "_atom_site_site_symmetry_multiplicity": "_atom_site_symmetry_multiplicity",
}
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:\((\d*)\))?")


@dataclass(frozen=True, slots=True)
class Block:
    """The data items of one block.

    Attributes:
        where: file and block, for messages.
        items: values by the item's name, in lower case, with "." as "_" (as older dictionaries
            had it); "?" and "." stand for values that are unknown and not applicable.
    """

    where: str
    items: dict[str, tuple[str, ...]]

    def column(self, name: str) -> tuple[str, ...]:
        """The values of a loop; empty where there is none."""
        return self.items.get(name, ())

    def value(self, name: str) -> str:
        """One value, empty where it is missing, unknown or not applicable."""
        values = self.items.get(name, ())
        return "" if not values or is_null(values[0]) else values[0].strip()

    def number(self, name: str) -> float | None:
        """One number; ``None`` where it is missing, unknown or not applicable.

        Raises:
            StructureFileError: it is no number.
        """
        text = self.value(name)
        return as_number(text, f"{name} of {self.where}") if text else None


def is_null(text: str) -> bool:
    """Whether a value is unknown or not applicable."""
    return text.strip() in ("?", ".", "")


def as_number(text: str, what: str) -> float:
    """A number, without its standard uncertainty in brackets.

    Raises:
        StructureFileError: it is no number.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise StructureFileError(f"{what} is '{text[:40]}', which is not a number.")
    return float(found[1])


def from_gemmi(block: cif.Block, where: str) -> Block:
    """The items of a block that gemmi has parsed."""
    items: dict[str, tuple[str, ...]] = {}
    for item in block:
        if item.pair is not None:
            tag, value = cast("tuple[str, str]", item.pair)
            items.setdefault(_name(tag), (_text(value),))
        elif item.loop is not None:
            _add_loop(items, item.loop.tags, item.loop.values)
    return Block(where, items)


def _add_loop(
    items: dict[str, tuple[str, ...]], tags: Sequence[str], values: Sequence[str]
) -> None:
    for place, tag in enumerate(tags):
        column = tuple(_text(value) for value in values[place :: len(tags)])
        items.setdefault(_name(tag), column)


def _name(tag: str) -> str:
    name = tag.lower().replace(".", "_")
    return _TODAY.get(name, name)


def _text(value: str) -> str:
    """A value without quotes; "?" and "." as they are, which gemmi makes empty."""
    return value if cif.is_null(value) else cif.as_string(value)
