"""The symmetry operations of a CIF block: those it lists, or those that its symbol stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from gencsp.errors import StructureFileError
from gencsp.io.cif.block import Block, is_null

Array = NDArray[np.float64]

#: Most operations of a space group, with the centrings of its conventional cell.
MOST = 192
#: By how much an operation may change the metric of the cell, as a share of it.
METRIC = 0.02

_OPERATIONS = "_space_group_symop_operation_xyz"
_MAGNETIC = "_space_group_symop_magn_operation_xyz"
_CENTRINGS = "_space_group_symop_magn_centering_xyz"
_SYMBOLS = ("_space_group_name_h-m_alt", "_space_group_name_h-m_full", "_space_group_name_h-m_ref")


@dataclass(frozen=True, slots=True)
class Operations:
    """Symmetry operations in fractional coordinates.

    Attributes:
        rotations: shape (n, 3, 3).
        translations: shape (n, 3).
        time: 1, or -1 for those that turn magnetic moments around, shape (n,).
        triplets: as text, such as "-x,y+1/2,-z".
        source: where they come from, for messages: "listed", or a symbol.
        plain: whether they come from a symbol of which there is one setting only.
    """

    rotations: Array
    translations: Array
    time: Array
    triplets: tuple[str, ...]
    source: str
    plain: bool = False

    def __len__(self) -> int:
        return len(self.triplets)

    def fit(self, cell: Array) -> bool:
        """Whether the cell (rows are lattice vectors, Å) has the symmetry of the operations."""
        metric = cell @ cell.T
        turned = np.einsum("nij,ik,nkl->njl", self.rotations, metric, self.rotations)
        lengths = np.sqrt(np.diag(metric))
        return bool((np.abs(turned - metric) <= METRIC * np.outer(lengths, lengths)).all())


def possible_operations(block: Block) -> list[Operations]:
    """The sets of operations that the block can mean: one, where it lists them.

    A symbol that stands for two origin choices, or for two descriptions of a rhombohedral lattice,
    gives both where the file does not say which. Without any word of symmetry, every atom is taken
    to be listed, as all readers do.

    Raises:
        StructureFileError: the operations are no group, or what is said cannot be understood.
    """
    if block.column(_MAGNETIC):
        return [_magnetic(block)]
    listed = [text for text in block.column(_OPERATIONS) if not is_null(text)]
    if listed:
        return [_listed(listed, block.where)]
    hall = block.value("_space_group_name_hall")
    if hall and (by_hall := _by_hall(hall)) is not None:
        return [by_hall]
    found = [_of_gemmi(group) for group in _by_name(block)]
    if found:
        return found
    if any(block.value(name) for name in (*_SYMBOLS, "_space_group_it_number")):
        raise StructureFileError(
            f"{block.where} lists no symmetry operations, and its space group "
            f"'{_said(block)}' is in no table: add _space_group_symop_operation_xyz."
        )
    return [_make([gemmi.Op("x,y,z")], [1], "no symmetry")]


def claimed_group(block: Block) -> gemmi.SpaceGroup | None:
    """The space group that the block names, whatever operations it lists."""
    return next(_by_name(block), None)


def _listed(texts: list[str], where: str) -> Operations:
    # An operation listed twice would count twice.
    ops = list({(op := _operation(text, where).wrap()).triplet(): op for text in texts}.values())
    _require_group(ops, where)
    return _make(ops, [1] * len(ops), "listed")


def _magnetic(block: Block) -> Operations:
    ops: list[gemmi.Op] = []
    time: list[int] = []
    centrings = block.column(_CENTRINGS) or ("x,y,z,+1",)
    for centring, added in (_with_time(text, block.where) for text in centrings):
        for op, reversal in (_with_time(text, block.where) for text in block.column(_MAGNETIC)):
            ops.append(centring * op)
            time.append(added * reversal)
    kept = {op.wrap().triplet(): number for number, op in reversed(list(enumerate(ops)))}
    numbers = sorted(kept.values())
    ops, time = [ops[n] for n in numbers], [time[n] for n in numbers]
    _require_group(ops, block.where)
    return _make(ops, time, "listed")


def _with_time(text: str, where: str) -> tuple[gemmi.Op, int]:
    operation, _, time = text.rpartition(",")
    if time.strip() not in ("+1", "-1", "1"):
        raise StructureFileError(
            f"the magnetic operation '{text[:40]}' of {where} does not end in +1 or -1."
        )
    return _operation(operation, where), int(time)


def _operation(text: str, where: str) -> gemmi.Op:
    plain = text.strip().strip("'\"").lower().replace(" ", "")
    wrong = StructureFileError(f"'{text[:40]}' of {where} is not a symmetry operation.")
    if set(re.sub(r"[\d+\-*/.,]", "", plain)) - set("xyz"):
        raise wrong
    try:
        op = gemmi.Op(plain)
    except (ValueError, RuntimeError) as error:
        raise wrong from error
    if abs(round(np.linalg.det(np.array(op.rot) / op.DEN))) != 1:
        raise wrong
    return op


def _require_group(ops: list[gemmi.Op], where: str) -> None:
    """Every product of two operations must be one of them, up to lattice translations."""
    rotations, translations = _arrays(ops)
    distinct = {_key(r, t) for r, t in zip(rotations, translations, strict=True)}
    if len(distinct) > MOST * 4:
        raise StructureFileError(f"{where} lists {len(distinct)} symmetry operations.")
    for rotation, translation in zip(rotations, translations, strict=True):
        products = rotation @ rotations
        shifted = translations @ rotation.T + translation
        if not {_key(r, t) for r, t in zip(products, shifted, strict=True)} <= distinct:
            raise StructureFileError(
                f"the symmetry operations of {where} are no group: one is missing or wrong."
            )


def _key(rotation: Array, translation: Array) -> bytes:
    steps = np.round(translation * gemmi.Op.DEN).astype(np.int64) % gemmi.Op.DEN
    return bytes(np.round(rotation).astype(np.int8)) + bytes(steps.astype(np.int8))


def _by_hall(hall: str) -> Operations | None:
    try:
        ops = list(gemmi.symops_from_hall(hall.replace("_", " ")))
    except (ValueError, RuntimeError):
        return None
    return _make(ops, [1] * len(ops), f"'{hall}'")


def _by_name(block: Block) -> Iterator[gemmi.SpaceGroup]:
    """The settings of the space group that symbol and number can mean.

    Raises:
        StructureFileError: symbol and number are different groups.
    """
    number = block.value("_space_group_it_number")
    symbol = next((block.value(name) for name in _SYMBOLS if block.value(name)), "")
    group = _table(symbol, block) if symbol else None
    extension = _extension(symbol, block)
    if group is None and number.isdecimal() and 1 <= int(number[:4]) <= 230:
        group = gemmi.find_spacegroup_by_number(int(number))
    if group is None:
        return
    if number.isdecimal() and int(number[:9]) != group.number:
        if block.column(_OPERATIONS):
            return
        raise StructureFileError(
            f"{block.where} says both '{symbol}' (number {group.number}) and number {number}: "
            f"correct one, or add _space_group_symop_operation_xyz."
        )
    settings = [one for one in gemmi.spacegroup_table() if one.hm == group.hm]
    named = [one for one in settings if one.ext == extension]
    yield from named or settings


def _table(symbol: str, block: Block) -> gemmi.SpaceGroup | None:
    plain = re.sub(r"(?:[:(]\s*[12]|[ :(]*[SZHRszhr])\)?$", "", symbol.replace("_", " ").strip())
    alpha, gamma = (block.number(f"_cell_angle_{name}") or 0.0 for name in ("alpha", "gamma"))
    spaced = symbol.replace("_", " ").strip()
    # Of two words, such as P 2/b, gemmi knows those with the unique axis b.
    along_c = " 1 1 ".join(plain.split(" ", 1))
    for text in (spaced, _short(spaced), plain, _short(plain), f"{plain} 1", along_c):
        try:
            group = gemmi.find_spacegroup_by_name(text.strip(), alpha, gamma)
        except (ValueError, RuntimeError):
            continue
        if group is not None:
            return group
    return None


def _short(symbol: str) -> str:
    """The short symbol of a full one: P 21/n 21/m 21/a is P n m a, F 4/m -3 2/m is F m -3 m."""
    words = symbol.split()
    if len(words) < 3 or ("1" in words and "-3" not in words):
        # Monoclinic: P 2/m is not P m.
        return symbol
    shorter = re.sub(r"\b21?/([a-z])", r"\1", symbol)
    return re.sub(r"\b4[1-3]?/([a-z]) -3", r"\1 -3", shorter)


def _extension(symbol: str, block: Block) -> str:
    """The origin ("1", "2") or axes ("H", "R") that the file says, in the symbol or beside it."""
    code = block.value("_space_group_it_coordinate_system_code").upper()
    setting = block.value("_symmetry_space_group_setting").upper()
    suffix = re.search(r"[:(]\s*([12SZHR])\)?$", symbol.upper().strip())
    if suffix is None:
        suffix = re.search(r"([SZHR])$", symbol.upper().strip())
    for text in ("" if suffix is None else suffix[1], code, setting):
        if text in ("1", "2", "H", "R", "S", "Z"):
            return {"S": "1", "Z": "2"}.get(text, text)
    return ""


def _said(block: Block) -> str:
    return next(
        value for name in (*_SYMBOLS, "_space_group_it_number") if (value := block.value(name))
    )[:40]


def _of_gemmi(group: gemmi.SpaceGroup) -> Operations:
    ops = list(group.operations())
    plain = group.ext not in ("1", "2", "H", "R")
    return _make(ops, [1] * len(ops), f"'{group.xhm()}'", plain=plain)


def _make(ops: list[gemmi.Op], time: list[int], source: str, *, plain: bool = False) -> Operations:
    rotations, translations = _arrays(ops)
    return Operations(
        rotations=rotations,
        translations=translations,
        time=np.array(time, dtype=float),
        triplets=tuple(op.triplet() for op in ops),
        source=source,
        plain=plain,
    )


def _arrays(ops: list[gemmi.Op]) -> tuple[Array, Array]:
    rotations = np.array([op.rot for op in ops], dtype=float) / gemmi.Op.DEN
    return rotations, np.array([op.tran for op in ops], dtype=float) / gemmi.Op.DEN


@dataclass(frozen=True, slots=True)
class Orbit:
    """The atoms that a site stands for.

    Attributes:
        places: fractional coordinates in [0, 1), shape (m, 3).
        operations: for each, the number of the operation that makes it, shape (m,).
        apart: whether the orbit is sure: m times the operations that leave the site in its place
            are all operations.
    """

    places: Array
    operations: NDArray[np.int64]
    apart: bool


#: Å: images of one site that are this near are one atom on a special position, whose coordinates
#: the file rounds (0.333 for 1/3). gemmi's limit.
SAME_SITE = 0.4


def orbit(place: Array, operations: Operations, cell: Array) -> Orbit:
    """The distinct images of a site.

    The site is first moved to the special position that it is meant to be on: the mean of its
    images near itself, which the operations that make them leave in place. Without this, three
    digits of 1/3 give three atoms in place of one.

    Args:
        place: fractional coordinates, shape (3,).
        operations: a group.
        cell: rows are lattice vectors, Å.
    """
    images = operations.rotations @ place + operations.translations
    away = images - place
    away -= np.round(away)
    near = np.linalg.norm(away @ cell, axis=1) < SAME_SITE
    special = place + away[near].mean(axis=0)
    images = operations.rotations @ special + operations.translations
    first = _distinct(images, cell)
    return Orbit(
        places=images[first] % 1.0,
        operations=first,
        apart=len(first) * int(near.sum()) == len(operations),
    )


def _distinct(images: Array, cell: Array) -> NDArray[np.int64]:
    """The first of every group of images at one place."""
    apart = images[:, None] - images
    apart -= np.round(apart)
    same = np.linalg.norm(apart @ cell, axis=2) < 1e-3
    return np.flatnonzero(same.argmax(axis=1) == np.arange(len(images)))
