"""Hosts of a run: read from a file, ordered where they are disordered, their guests taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.deck import EngineName
from gencsp.errors import PartlyOccupiedError, RequestError
from gencsp.intercalation.completion import Completion, complete
from gencsp.io.structures import read_structures
from gencsp.runs.fields import OrderBy
from gencsp.runs.objects import Carried, Named
from gencsp.runs.ordering import Ordering, order_energies, ordered_cells, read_disordered_file
from gencsp.store.base import portable
from gencsp.symmetry.hosts import framework


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """Hosts that are ready to be completed.

    Attributes:
        completion: the hosts without guests, and what completes them; ``info`` of each host has its
            ``structure_id``, and of an ordered cell what it is of.
        said: what was read and made, a sentence for each.
    """

    completion: Completion
    said: tuple[str, ...]


def hosts_of(
    given: Path | Atoms,
    *,
    formula: str = "",
    guests: Sequence[str] | None = None,
    max_atoms: int,
    order: int | None = None,
    order_atoms: int = 80,
    seed: int = 0,
    order_by: OrderBy = "auto",
    potential: Named | Carried = "chgnet",
    engine: EngineName = "auto",
    device: str = "auto",
) -> Hosts:
    """Hosts, with the guests that complete them to a formula.

    Args:
        given: a file of one crystal, or a crystal; guests in it are taken out. A CIF with partly
            occupied or mixed sites gives several hosts, which differ in the order of what is not a
            guest.
        formula: of host and guests together; empty for the composition of the crystal.
        guests: element symbols; ``None`` for what the formula has and the crystal has not.
        max_atoms: most atoms in a supercell, where the formula needs one.
        order: most ordered cells of a disordered crystal; ``None`` refuses it.
        order_atoms: most atoms in such a cell.
        seed: of what is drawn at random where a crystal is ordered.
        order_by: what orders are chosen by, see :func:`gencsp.runs.ordering.order`.
        potential: for that, as a deck holds it.
        engine: that runs CHGNet.
        device: where it runs.

    Raises:
        StructureFileError: the file is missing, cannot be read, or is disordered and ``order`` is
            not given.
        CompositionError, RequestError: an unknown guest, one that is not there, no host atoms left,
            several structures in the file, or as :func:`gencsp.intercalation.completion.complete`
            and :func:`gencsp.disorder.approximants.approximants`.
    """
    for symbol in guests or ():
        Composition.from_counts({symbol: 1})
    whole = Composition.parse(formula) if formula else None
    named = tuple(guests or ())
    if not named and whole is None:
        raise RequestError(
            "with a host, name its guests, which are taken out and placed anew, or give the "
            "formula of host and guests."
        )
    name = Path(given).name if isinstance(given, Path) else "host"
    ordering = None
    if order is not None:
        ordering = Ordering(
            n=order,
            max_atoms=order_atoms,
            mobile=named,
            seed=seed,
            by=order_by,
            energies=order_energies(order_by, potential, engine, device),
        )
    crystals, said = _read(given, ordering)
    if whole is None:
        absent = [symbol for symbol in named if symbol not in crystals[0].symbols]
        if absent:
            raise RequestError(
                f"{', '.join(absent)} is not in {name}: name guests that it has, or give the "
                f"formula of host and guests."
            )
        whole = _cell_formula(crystals[0])
    found = complete(
        [_bare(atoms, named) for atoms in crystals], whole, named or None, max_atoms=max_atoms
    )
    for number, host in enumerate(found.hosts):
        host.info[records.STRUCTURE_ID] = name if len(found.hosts) == 1 else f"{name}-{number}"
    return Hosts(completion=found, said=(*said, _sentence(name, found)))


def _read(given: Path | Atoms, ordering: Ordering | None) -> tuple[list[Atoms], list[str]]:
    if isinstance(given, Atoms):
        return [portable(given)], []
    try:
        structures = read_structures([given])
    except PartlyOccupiedError:
        if ordering is None:
            raise
        cells, sentence = ordered_cells(read_disordered_file(given), ordering)
        return cells, [sentence]
    if len(structures) != 1:
        raise RequestError(f"{given} holds {len(structures)} structures: give a file of one host.")
    return structures, []


def _bare(atoms: Atoms, guests: Sequence[str]) -> Atoms:
    """Without guests, and with what ``info`` says of an ordered cell."""
    present = [symbol for symbol in guests if symbol in atoms.symbols]
    host = framework(atoms, present)
    kept = (records.READING_NOTE, records.EWALD_ENERGY)
    host.info = {key: atoms.info[key] for key in kept if key in atoms.info}
    return host


def _cell_formula(atoms: Atoms) -> Composition:
    """The composition of a cell as that cell, elements in alphabetical order."""
    symbols = atoms.get_chemical_symbols()
    return Composition(tuple((one, symbols.count(one)) for one in sorted(set(symbols))))


def _sentence(name: str, found: Completion) -> str:
    host = Composition.of(found.hosts[0]).alphabetical
    cells = "one cell" if len(found.hosts) == 1 else f"{len(found.hosts)} cells"
    multiple = "" if found.cells == 1 else f", each {found.cells} primitive cells of the host"
    return (
        f"{name}: {', '.join(found.guests)} in {host} makes {found.composition}, {found.size} "
        f"atoms in {cells}{multiple}"
    )
