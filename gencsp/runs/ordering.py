"""Ordered cells of crystals with partly occupied sites, as one call and for the commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.deck import CellAtoms, Count, EngineName, Seed, check, check_fields
from gencsp.disorder.approximants import Approximants, approximants
from gencsp.disorder.charges import ionic_charges
from gencsp.disorder.crystal import DisorderedCrystal
from gencsp.disorder.energies import OrderEnergies
from gencsp.errors import RequestError, StructureFileError
from gencsp.io.cif import split_blocks
from gencsp.io.cif.disordered import read_disordered
from gencsp.io.formats import CIF, text_format
from gencsp.io.pools import InText, sources
from gencsp.records import StructureList
from gencsp.runs.fields import OrderBy
from gencsp.runs.objects import Carried, Named, chosen, potential_part
from gencsp.runs.parts import NamedRelaxer
from gencsp.runs.pool_decks import RefineDeck, RelaxDeck


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """How ordered cells are made.

    Attributes:
        n: most cells of each crystal.
        max_atoms: most atoms in a cell.
        mobile: elements that are placed again later, see :func:`.approximants.approximants`; those
            that a crystal does not have are passed over.
        seed: of what is drawn at random.
        by: what orders are chosen by: ``auto`` takes the potential where no charges are certain.
        energies: of the potential; ``None`` for Ewald energies alone.
    """

    n: Count = 10
    max_atoms: CellAtoms = 80
    mobile: tuple[str, ...] = ()
    seed: Seed = 0
    by: OrderBy = "auto"
    energies: OrderEnergies | None = None

    def __post_init__(self) -> None:
        check_fields(self)


def order(
    file: Path | str,
    *,
    n: int = 10,
    max_atoms: int = 80,
    mobile: Iterable[str] = (),
    seed: int = 0,
    by: OrderBy = "auto",
    potential: Any = "chgnet",
) -> StructureList:
    """Ordered cells of a CIF with partly occupied or mixed sites, to be relaxed and ranked.

    The cells have the composition nearest to the file's within the atom limit. They are all the
    symmetry-distinct orders where these are few, and those of lowest Ewald energy where they are
    many; see :mod:`gencsp.disorder.approximants`.

    Args:
        file: a CIF of one crystal.
        n: most cells.
        max_atoms: most atoms in a cell.
        mobile: elements that are placed again later, such as guests to inpaint.
        seed: of what is drawn at random.
        by: what chooses among many orders: ``ewald`` for the Ewald energy, which alloys and
            compounds of several mixed valences do not have (at random then); ``potential`` for
            single points of the potential; ``auto`` for these where there are no charges.
        potential: for that, see :func:`gencsp.potentials.get_potential`.

    Returns:
        The cells, the lowest in energy first; ``reading_note`` in ``info`` says what they are of
        and how far their composition is from it, ``ewald_energy`` is in eV/atom.

    Raises:
        StructureFileError: the file cannot be read.
        RequestError: the crystal cannot be ordered within the limit, or a mobile element is not in
            it.
    """
    check("by", by, OrderBy)
    energies = order_energies(by, potential_part(potential))
    ordering = Ordering(
        n=n, max_atoms=max_atoms, mobile=tuple(mobile), seed=seed, by=by, energies=energies
    )
    crystal = read_disordered_file(Path(file))
    absent = sorted(set(ordering.mobile) - set(crystal.amounts))
    if absent:
        raise RequestError(f"{', '.join(absent)} is not in {file}: name mobile species that are.")
    return StructureList(ordered_cells(crystal, ordering)[0])


def ordering_of(deck: RelaxDeck | RefineDeck) -> Ordering | None:
    """What a deck says of ordering; ``None`` where disordered crystals are to be refused."""
    if deck.order is None:
        return None
    plain = Ordering(
        n=deck.order,
        max_atoms=deck.order_atoms,
        by=deck.order_by,
        energies=order_energies(deck.order_by, deck.potential, deck.engine, deck.device),
    )
    if isinstance(deck, RefineDeck):
        return replace(plain, mobile=deck.guests or (), seed=deck.seed)
    return plain


def order_energies(
    by: OrderBy,
    potential: Named | Carried,
    engine: EngineName = "auto",
    device: str = "auto",
) -> OrderEnergies | None:
    """What gives energies to choose orders by; ``None`` for Ewald energies.

    Args:
        by: what orders are chosen by.
        potential: as a deck holds it; loaded where the first energies are asked for.
        engine: that runs CHGNet.
        device: where it runs.
    """
    if by == "ewald":
        return None
    load = cache(NamedRelaxer(engine, chosen(potential), device).load)

    def energies(structures: Sequence[Atoms]) -> list[float]:
        found = load().evaluate(structures)
        return [one.energy / len(a) for one, a in zip(found, structures, strict=True)]

    return energies


def read_disordered_file(file: Path) -> DisorderedCrystal:
    """The mean crystal of a CIF.

    Raises:
        StructureFileError: it is no CIF of one crystal, or cannot be read.
    """
    found = list(sources([file]))
    if len(found) != 1 or not isinstance(found[0], InText):
        raise StructureFileError(f"{file} is no CIF of one crystal: give one.")
    return _read(found[0])


def order_source(
    source: InText, *, ordering: Ordering, report: Callable[[str], None]
) -> list[Atoms]:
    """Ordered cells of a disordered crystal among the sources of a pool.

    Args:
        source: of a pool.
        ordering: how.
        report: called with what was made, in a sentence.

    Raises:
        StructureFileError: it cannot be read or ordered.
    """
    try:
        cells, sentence = ordered_cells(_read(source), ordering)
    except RequestError as error:
        raise StructureFileError(str(error)) from error
    name = Path(source.name).name
    for number, atoms in enumerate(cells):
        atoms.info[records.STRUCTURE_ID] = f"{name}-{number}"
    report(sentence)
    return cells


def ordered_cells(crystal: DisorderedCrystal, ordering: Ordering) -> tuple[list[Atoms], str]:
    """Ordered cells of a mean crystal, and what they are, in a sentence.

    Raises:
        RequestError: as :func:`.approximants.approximants`.
    """
    mobile = [symbol for symbol in ordering.mobile if symbol in crystal.amounts]
    charged = ionic_charges(crystal.amounts) is not None
    energies = None if ordering.by == "auto" and charged else ordering.energies
    made = approximants(
        crystal,
        n=ordering.n,
        max_atoms=ordering.max_atoms,
        mobile=mobile,
        seed=ordering.seed,
        energies=energies,
    )
    note = _note(crystal, made)
    by_potential = energies is not None
    for atoms, energy in zip(made.structures, made.energies, strict=True):
        atoms.info[records.READING_NOTE] = note
        if made.charges is not None and not by_potential:
            atoms.info[records.EWALD_ENERGY] = energy
    return list(made.structures), _sentence(crystal, made, note, by_potential=by_potential)


def _read(source: InText) -> DisorderedCrystal:
    if (source.format or text_format(source.name)) != CIF:
        raise StructureFileError(
            f"{source.name} is no CIF: partly occupied sites are read of CIFs."
        )
    blocks = split_blocks(source.text, source.name)
    if len(blocks) != 1:
        raise StructureFileError(f"{source.name} holds {len(blocks)} crystals: give a file of one.")
    return read_disordered(blocks[0])


def _note(crystal: DisorderedCrystal, made: Approximants) -> str:
    cell = Composition.from_counts({s: float(n) for s, n in made.counts.amounts.items()})
    exact = made.counts.distance < 5e-5
    distance = (
        "its exact composition"
        if exact
        else f"{100 * made.counts.distance:.2g} % of the atoms are others than in the mean crystal"
    )
    return f"an ordered cell of {crystal.formula}: {cell.formula} ({distance})"


def _sentence(
    crystal: DisorderedCrystal, made: Approximants, note: str, *, by_potential: bool
) -> str:
    if by_potential:
        choice = "lowest by the potential before relaxation"
    elif made.charges:
        choice = "lowest in Ewald energy"
    else:
        choice = "chosen at random, as no charges are sure"
    many = f"all {made.distinct}" if made.enumerated else f"{made.distinct} drawn"
    return (
        f"{crystal.name}: {note}; {len(made.structures)} of {many} symmetry-distinct orders, "
        f"{choice}"
    )
