"""A crystal from one CIF block: read, checked, read again by another program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import cellpar_to_cell
from gemmi import cif
from numpy.typing import NDArray

from gencsp.errors import StructureFileError
from gencsp.io.cif.block import Block, from_gemmi
from gencsp.io.cif.checks import Judgement, formula_of, judge, symmetry_fault
from gencsp.io.cif.moments import write_moments
from gencsp.io.cif.second import operations_by_pymatgen, second_formula
from gencsp.io.cif.sites import Site, read_sites
from gencsp.io.cif.symmetry import Operations, orbit, possible_operations
from gencsp.io.content import check_size, parsing, reason_of
from gencsp.io.crystals import LONGEST
from gencsp.records import READING_NOTE

#: Fractional: crystals of two settings whose atoms are this near are the same.
ALIKE = 1e-3


@dataclass(frozen=True, slots=True)
class _Reading:
    """A crystal that the block can mean."""

    atoms: Atoms
    sizes: tuple[int, ...]
    operations: Operations
    judgement: Judgement


def split_blocks(text: str, where: str) -> list[Block]:
    """The blocks of a CIF that hold atoms.

    Raises:
        StructureFileError: it is no CIF, or no block has atoms.
    """
    parts = _parts(text, where)
    several = len(parts) > 1
    return [
        from_gemmi(part, f"{where}:{number}" if several else where)
        for number, part in enumerate(parts)
    ]


def block_texts(text: str, where: str) -> list[str]:
    """The same blocks, each as a CIF of its own.

    Raises:
        StructureFileError: as :func:`split_blocks` does.
    """
    return [part.as_string() for part in _parts(text, where)]


def _parts(text: str, where: str) -> list[cif.Block]:
    if "data_" not in text.lower():
        raise StructureFileError(f"{where} cannot be read: a CIF has a line 'data_NAME'.")
    with parsing(where):
        document = cif.read_string(_without_preamble(text), 0)
        parts = [part for part in document if _has_atoms(part)]
    if not parts:
        raise StructureFileError(f"{where} holds no structures.")
    return parts


def read_block(block: Block) -> Atoms:
    """The crystal of one block.

    The operations that the file lists are applied as they are; without them, those of its Hall or
    Hermann-Mauguin symbol, if it leaves no choice. The crystal is held against the file's formula,
    number of formula units and multiplicities, and against a second reading by pymatgen or gemmi.
    Notes on what was taken for something else are kept in ``info`` as ``reading_note``.

    Raises:
        StructureFileError: it is no ordered crystal, the file contradicts itself, or leaves a
            choice that decides what the crystal is.
    """
    with parsing(block.where):
        if block.column("_cell_modulation_dimension") or block.column("_cell_wave_vector_seq_id"):
            raise StructureFileError(
                f"{block.where} is an incommensurately modulated crystal, which has no unit cell."
            )
        cell = cell_of(block)
        sites, notes = read_sites(block, tuple(formula_of(block)))
        reading = _choose(block, sites, cell, possible_operations(block))
        _read_again(block, sites, reading)
        if reading.operations.source == "no symmetry":
            notes.append("no symmetry is given: every atom is taken to be listed")
        atoms = reading.atoms
        write_moments(atoms, block, sites, reading.sizes, reading.operations)
        if notes:
            atoms.info[READING_NOTE] = "; ".join(notes)
        return atoms


def _choose(
    block: Block, sites: Sequence[Site], cell: NDArray[np.float64], choices: list[Operations]
) -> _Reading:
    fitting = [operations for operations in choices if operations.fit(cell)]
    if not fitting:
        raise StructureFileError(
            f"the cell of {block.where} does not have the symmetry of its operations "
            f"({choices[0].source}): one of the two is wrong."
        )
    readings: list[_Reading] = []
    faults: list[str] = []
    for operations in fitting:
        try:
            reading = _apply(block, sites, cell, operations)
        except StructureFileError as error:
            faults.append(reason_of(error))
            continue
        found = list(reading.judgement.faults)
        faults += found
        if not found:
            readings.append(reading)
    if not readings:
        raise StructureFileError(f"{block.where} contradicts itself: {'; '.join(faults[:2])}.")
    if any(not _alike(readings[0].atoms, other.atoms) for other in readings[1:]):
        described = " and ".join(f"{r.operations.source}: {r.atoms.symbols}" for r in readings)
        raise StructureFileError(
            f"{block.where} lists no symmetry operations, and its space group can be meant in "
            f"{len(readings)} ways ({described}): add _space_group_symop_operation_xyz, or the "
            f"setting to the symbol."
        )
    return readings[0]


def _apply(
    block: Block, sites: Sequence[Site], cell: NDArray[np.float64], operations: Operations
) -> _Reading:
    check_size(len(sites) * max(1, len(operations) // 192), block.where)
    symbols: list[str] = []
    places: list[NDArray[np.float64]] = []
    sizes: list[int] = []
    for site in sites:
        found = orbit(site.place, operations, cell)
        if not found.apart:
            raise StructureFileError(
                f"site {site.label} is too near to a special position to tell how many atoms it is"
            )
        symbols += [site.symbol] * len(found.places)
        places.append(found.places)
        sizes.append(len(found.places))
        check_size(len(symbols), block.where)
    atoms = Atoms(symbols, scaled_positions=np.concatenate(places), cell=cell, pbc=True)
    return _Reading(atoms, tuple(sizes), operations, judge(atoms, sites, sizes, operations, block))


def _read_again(block: Block, sites: Sequence[Site], reading: _Reading) -> None:
    if reading.judgement.confirmed:
        # The file itself is the second witness of the number of atoms of each element.
        return
    fault = symmetry_fault(reading.atoms, reading.operations, block)
    if fault:
        raise StructureFileError(f"{block.where} contradicts itself: {fault}.")
    if len(reading.operations) == 1:
        return
    _compare_tables(block, reading.operations)
    ours = reading.atoms.get_chemical_formula()
    firsts = [sum(reading.sizes[:n]) for n in range(len(sites))]
    other = second_formula(sites, firsts, reading.atoms, reading.operations)
    if other is not None and other != ours:
        raise StructureFileError(
            f"{block.where} can be read in two ways, as {ours} and as {other}: add "
            f"_space_group_symop_operation_xyz, _chemical_formula_sum and _cell_formula_units_Z."
        )


def _compare_tables(block: Block, operations: Operations) -> None:
    """Whether pymatgen's tables have the operations of a symbol that gemmi's have."""
    if not operations.plain:
        return
    theirs = operations_by_pymatgen(operations.source.strip("'"))
    if theirs is not None and theirs != frozenset(operations.triplets):
        raise StructureFileError(
            f"{block.where} lists no symmetry operations, and two tables differ in those of its "
            f"space group ({operations.source}): add _space_group_symop_operation_xyz."
        )


def _alike(one: Atoms, other: Atoms) -> bool:
    """Whether two settings give congruent crystals: the same distances between all atoms."""
    if sorted(one.numbers) != sorted(other.numbers):
        return False
    if len(one) > 500:
        return False
    return bool(np.allclose(_distances(one), _distances(other), atol=ALIKE))


def _distances(atoms: Atoms) -> NDArray[np.float64]:
    order = np.argsort(atoms.numbers, kind="stable")
    found = atoms.get_all_distances(mic=True)[np.ix_(order, order)]
    return np.asarray(np.sort(found, axis=None))


def cell_of(block: Block) -> NDArray[np.float64]:
    """Lattice vectors of a block as rows, Å.

    Raises:
        StructureFileError: a length or an angle is missing, out of range, or those of no cell.
    """
    values: list[float] = []
    for name in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"):
        value = block.number(f"_cell_{name}")
        if value is None:
            raise StructureFileError(f"{block.where} has no _cell_{name}.")
        most = LONGEST if name.startswith("length") else 180.0
        if not 0 < value < most:
            raise StructureFileError(f"_cell_{name} of {block.where} is {value:g}.")
        values.append(value)
    alpha, beta, gamma = np.cos(np.deg2rad(values[3:]))
    # The square of the volume of a cell of unit lengths.
    if 1 + 2 * alpha * beta * gamma - alpha**2 - beta**2 - gamma**2 < 1e-9:
        raise StructureFileError(f"the cell angles of {block.where} are those of no cell.")
    return np.asarray(cellpar_to_cell(values), dtype=float)


def _has_atoms(part: cif.Block) -> bool:
    names = ("_atom_site_label", "_atom_site_fract_x", "_atom_site.label", "_atom_site.fract_x")
    return any(part.find_loop(name) or part.find_value(name) for name in names)


def _without_preamble(text: str) -> str:
    """Text that some programs write before the first block, which the standard does not allow."""
    lines = text.split("\n")
    first = next((n for n, line in enumerate(lines) if line[:5].lower() == "data_"), 0)
    # NUL and other control characters are in no CIF, but at the ends of some files.
    return "\n".join(lines[first:]).replace("\x00", "").replace("\x1a", "")
