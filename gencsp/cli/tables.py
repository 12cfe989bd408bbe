"""Tables of structures as the commands print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from rich.table import Table
from rich.text import Text

from gencsp.cli.console import say
from gencsp.cli.output import Output
from gencsp.files import one_line

if TYPE_CHECKING:
    from ase import Atoms

#: Lines of a table on the screen; files hold all.
SHOWN = 25


def print_ranked(structures: Sequence[Atoms], *, everything: bool) -> None:
    """The table of the crystals of a run, each once, with how often it was found.

    Args:
        structures: best first, duplicates marked by ``duplicate_of``.
        everything: show the duplicates, too.
    """
    from gencsp import records

    Output.now().structures(structures)
    crystals = [atoms for atoms in structures if not atoms.info.get(records.DUPLICATE_OF)]
    print_structures(structures if everything else crystals)
    found = len(structures) - sum(records.failed(atoms.info) for atoms in structures)
    unique = sum(not records.failed(atoms.info) for atoms in crystals)
    if unique < found:
        hint = "" if everything else " (--all shows the duplicates)"
        noun = "crystal" if unique == 1 else "crystals"
        say(f"{unique} {noun} in {found} structures{hint}")


def print_structures(structures: Sequence[Atoms]) -> None:
    """The table of structures that every command ends in, from what stands in their ``info``.

    Structures under pressure have their decomposition enthalpy there, with enthalpy, volume and
    pressure beside it. At zero pressure, where none has a decomposition energy, energies stand in
    its place, or enthalpies.
    """
    from gencsp import records

    Output.now().structures(structures)
    columns = _number_columns(structures)
    counted = any(records.COPIES in atoms.info for atoms in structures)
    right = ("", *columns, *(("found",) if counted else ()))
    basis = _basis_titles(structures)
    left = ("space group", "formula", "stage", "parents", "id", *basis, "note")
    table = table_of(*right, *left, right=right)
    for number, atoms in enumerate(structures[:SHOWN], start=1):
        energies = [_shown_energy(atoms.info, key) for key in columns.values()]
        *others, note = _cells(atoms)
        found = (str(atoms.info.get(records.COPIES, "")),) if counted else ()
        stands_on = _basis_cells(atoms)[: len(basis)]
        add_row(table, str(number), *energies, *found, *others, *stands_on, note)
    print_table(table)
    _explain_missing(structures)
    if len(structures) > SHOWN:
        say(f"... and {len(structures) - SHOWN} more in the files.")


def _number_columns(structures: Sequence[Atoms]) -> dict[str, str]:
    """Titles of the columns of numbers, and the keys of ``info`` that they show."""
    from gencsp import records

    others = {"XRD": records.XRD_SIMILARITY, "unit bonds": records.UNIT_BOND_CHANGE}
    there = {
        title: key
        for title, key in others.items()
        if any(key in atoms.info for atoms in structures)
    }
    return _energy_columns(structures) | there


def _energy_columns(structures: Sequence[Atoms]) -> dict[str, str]:
    """Those of energies, and under pressure what goes with them."""
    from gencsp import records

    def some(key: str) -> bool:
        return any(records.number(atoms.info, key) is not None for atoms in structures)

    if records.pressures(structures) - {0.0} and some(records.VOLUME_PER_ATOM):
        return {
            "H_d (eV/atom)": records.DECOMPOSITION_ENTHALPY,
            "H (eV/atom)": records.ENTHALPY_PER_ATOM,
            "V (Å³/atom)": records.VOLUME_PER_ATOM,
            "P (GPa)": records.PRESSURE,
        }
    if some(records.DECOMPOSITION_ENERGY) or not some(records.ENERGY_PER_ATOM):
        return {"E_d (eV/atom)": records.DECOMPOSITION_ENERGY}
    if some(records.ENTHALPY_PER_ATOM):
        return {"H (eV/atom)": records.ENTHALPY_PER_ATOM}
    return {"E (eV/atom)": records.ENERGY_PER_ATOM}


def _cells(atoms: Atoms) -> tuple[str, ...]:
    from gencsp import records
    from gencsp.composition import Composition

    info = atoms.info
    note = f"= {info[records.DUPLICATE_OF]}" if info.get(records.DUPLICATE_OF) else ""
    group = ""
    if records.SPACE_GROUP in info:
        group = f"{info[records.SPACE_GROUP]} ({info.get(records.SPACE_GROUP_NUMBER, '?')})"
    if records.failed(info):
        note = str(info[records.OUTCOME])
    if info.get(records.REASON):
        note = ": ".join(filter(None, (note, str(info[records.REASON]))))
    return (
        group,
        Composition.in_cell(atoms).formula,
        str(info.get(records.STAGE, "")),
        str(info.get(records.PARENTS, "")),
        str(info.get(records.STRUCTURE_ID, "")),
        note,
    )


def _shown_energy(info: Mapping[str, Any], key: str) -> str:
    from gencsp import records

    if key in (records.DECOMPOSITION_ENERGY, records.DECOMPOSITION_ENTHALPY):
        # Of either, whichever there is: one table may hold structures at zero and other pressures.
        return records.shown_decomposition_energy(info)
    forms = {
        records.VOLUME_PER_ATOM: ".3f",
        records.PRESSURE: "g",
        records.XRD_SIMILARITY: ".3f",
        records.UNIT_BOND_CHANGE: "+.1%",
    }
    form = forms.get(key, ".4f")
    value = records.number(info, key)
    return "" if value is None else format(value, form)


def _basis_titles(structures: Sequence[Atoms]) -> tuple[str, ...]:
    """The columns that say what decomposition energies stand on, where there are any."""
    from gencsp import records

    there = any(records.HAS_REFERENCE in atoms.info for atoms in structures)
    return ("decomposes into", "reference") if there else ()


def _basis_cells(atoms: Atoms) -> tuple[str, str]:
    from gencsp import records

    return str(atoms.info.get(records.DECOMPOSITION, "")), records.shown_reference(atoms.info)


def _explain_missing(structures: Sequence[Atoms]) -> None:
    """Say what "no reference" in the table means."""
    from gencsp import records

    lacking = [atoms.info for atoms in structures if records.lacks_reference(atoms.info)]
    if lacking:
        pressed = any(records.DECOMPOSITION_ENTHALPY in info for info in lacking)
        symbol = "H_d" if pressed else "E_d"
        say(
            f"{records.NO_REFERENCE}: {len(lacking)} of {len(structures)} structures lie below the "
            f"hull at a composition of which it knows no phase; their {symbol} "
            f"stands in the files alone."
        )


def table_of(*titles: str, right: Sequence[str] = ()) -> Table:
    """An empty table of lines that are not broken, but for the last column.

    Args:
        titles: of the columns.
        right: those whose cells stand at the right.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in titles:
        justify: Literal["left", "right"] = "right" if title in right else "left"
        table.add_column(title, justify=justify, no_wrap=title != titles[-1])
    return table


def add_row(table: Table, *cells: object) -> None:
    """Add cells as they are: what looks like markup in the text of others is none."""
    table.add_row(*(Text(one_line(cell)) for cell in cells))


def print_table(table: Table) -> None:
    """A table on stdout, in its own width: ids are never cut, so that they can be copied."""
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    titles = [str(column.header) for column in table.columns]
    Output.now().table(titles, list(zip(*columns, strict=True)), table)


def print_failures(failures: Mapping[str, int]) -> None:
    """How many structures failed, and why: rejected proposals apart from failed relaxations."""
    from gencsp.searches.progress import REJECTED

    Output.now().set("failures", dict(failures))
    rejected = {r.partition(": ")[2]: n for r, n in failures.items() if r.startswith(REJECTED)}
    others = {reason: n for reason, n in failures.items() if not reason.startswith(REJECTED)}
    if rejected:
        told = ", ".join(f"{n} {reason}" for reason, n in _most_first(rejected) if reason)
        total = sum(rejected.values())
        noun = "proposal" if total == 1 else "proposals"
        say(f"{total} {noun} rejected" + (f": {told}" if told else ""))
    if others:
        say("failed: " + ", ".join(f"{n} {reason}" for reason, n in _most_first(others)))


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
