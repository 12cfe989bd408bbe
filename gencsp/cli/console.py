"""What the commands share: how they print, show progress, fail, and write their results."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup
from typer.main import get_command

from gencsp.errors import (
    GencspError,
    NearestFormulaWarning,
    ReferenceWarning,
    StoreError,
    TargetWarning,
)
from gencsp.files import file_name, one_line, replace_outputs

if TYPE_CHECKING:
    from ase import Atoms

    from gencsp.searches.progress import CycleProgress

BAD_INPUT = 2
FAILED = 1
#: Some structures have a result and some have none; both are written.
PARTLY = 3
INTERRUPTED = 130

#: Lines of a table on the screen; files hold all.
SHOWN = 25
#: Columns of a terminal that has room for every table.
WIDEST = 100_000


class Commands(TyperGroup):
    """Turns every error that gencsp raises on purpose into one sentence and an exit status.

    Attributes:
        late: commands that are imported when they are called, ``module:function`` by name. Their
            options are the fields of decks, which take a second to import; until then another
            function stands in their place, with the same first line of help.
    """

    late: ClassVar[dict[str, str]] = {}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called; see :meth:`click.Group.resolve_command`."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, self.whole(name) if name in self.late else command, rest

    def whole(self, name: str) -> Any:
        """A command with its options, imported if need be."""
        if name not in self.late:
            return self.commands[name]
        module, _, function = self.late[name].partition(":")
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(getattr(import_module(module), function))
        return get_command(alone)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """See :meth:`click.Command.main`; what a terminal cannot show is shown as ``?``."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        return super().main(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; see :meth:`click.Command.invoke`."""
        try:
            with _warnings_in_words():
                return super().invoke(ctx)
        except GencspError as error:
            complain(str(error))
            # Errors of input are ValueErrors as well.
            raise typer.Exit(BAD_INPUT if isinstance(error, ValueError) else FAILED) from error
        except KeyboardInterrupt:
            # Of a command that has nothing to say about how to go on.
            complain("stopped.")
            raise typer.Exit(INTERRUPTED) from None


#: Warnings of gencsp's own, which say what a user can do.
IN_WORDS = (NearestFormulaWarning, ReferenceWarning, TargetWarning)


@contextmanager
def _warnings_in_words() -> Iterator[None]:
    """Say what gencsp warns of as a sentence, not as Python shows warnings."""
    with warnings.catch_warnings():
        for kind in IN_WORDS:
            warnings.simplefilter("always", kind)
        show = warnings.showwarning

        def say_or_show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, IN_WORDS):
                complain(str(message))
            else:
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = say_or_show
        yield


def complain(sentence: str) -> None:
    """One line on stderr."""
    console = Console(stderr=True)
    console.print(f"gencsp: {one_line(sentence)}", markup=False, highlight=False, soft_wrap=True)


def say(sentence: str) -> None:
    """One line on stdout."""
    Console().print(one_line(sentence), markup=False, highlight=False, soft_wrap=True)


_STAGES = {
    "generated": "generate",
    "relaxed": "relax",
    "framework": "symmetrise",
    "inpainted": "inpaint",
    "refined": "relax again",
}


class StageBars:
    """One progress bar for each stage of a cycle, made when the stage begins."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def show(self, step: CycleProgress) -> None:
        """Draw where the cycle stands."""
        if step.stage not in self.tasks:
            self.tasks[step.stage] = self.bars.add_task(_STAGES[step.stage], note="", total=None)
        failed = sum(step.failures.values())
        note = f"{step.structures} structures" + (f", {failed} failed" if failed else "")
        task = self.tasks[step.stage]
        self.bars.update(task, completed=step.done, total=step.total, note=note)


@contextmanager
def reference_bar() -> Iterator[Callable[[int, int], None]]:
    """What draws a bar while hull references are relaxed; it ends with the last of them."""
    with progress_bars() as bars:

        def show(done: int, total: int) -> None:
            if not bars.tasks:
                bars.add_task("hull", note="references at this pressure", total=total)
            task = bars.task_ids[0]
            bars.update(task, completed=done)
            if done == total:
                # Other bars follow, and only one display can be there at a time.
                bars.stop()
                bars.remove_task(task)

        yield show


class _Bars(Bars):
    """Drawn from the first task on, so that nothing is on the screen where none begins."""

    def add_task(self, *args: Any, **fields: Any) -> TaskID:
        task = super().add_task(*args, **fields)
        self.start()
        return task


@contextmanager
def progress_bars() -> Iterator[Bars]:
    """Progress bars on stderr."""
    columns = (
        TextColumn("{task.description:<11}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    bars = _Bars(*columns, console=Console(stderr=True))
    try:
        yield bars
    finally:
        if bars.tasks:
            bars.stop()


@contextmanager
def kept_on_interrupt(what: str) -> Iterator[list[Atoms]]:
    """A list to fill; Ctrl-C ends the filling and the command goes on with what is there."""
    filled: list[Atoms] = []
    try:
        yield filled
    except KeyboardInterrupt:
        complain(f"stopped after {len(filled)} {what}: these are written, the others are not done.")
        if not filled:
            raise typer.Exit(INTERRUPTED) from None


def require_folder(folder: Path) -> None:
    """Find out whether results can be written to a folder, before they are computed.

    Raises:
        StoreError: there is a file of this name, or in the place of a folder above it.
    """
    for place in (folder, *folder.parents):
        if place.is_dir():
            return
        if place.exists():
            raise StoreError(f"{place} is a file: name another folder with --out.")


def require_file(file: Path) -> None:
    """The same for results that are one file.

    Raises:
        StoreError: there is a folder of this name, or a file in the place of a folder above it.
    """
    if file.is_dir():
        raise StoreError(f"{file} is a folder: name another file with --out.")
    require_folder(file.parent)


def print_ranked(structures: Sequence[Atoms], *, everything: bool) -> None:
    """The table of the crystals of a run, each once, with how often it was found.

    Args:
        structures: best first, duplicates marked by ``duplicate_of``.
        everything: show the duplicates, too.
    """
    from gencsp import records

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

    columns = _energy_columns(structures)
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


def _energy_columns(structures: Sequence[Atoms]) -> dict[str, str]:
    """Titles of the columns of energies, and the keys of ``info`` that they show."""
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
        atoms.get_chemical_formula(mode="hill", empirical=False),
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
    form = {records.VOLUME_PER_ATOM: ".3f", records.PRESSURE: "g"}.get(key, ".4f")
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
    console = Console()
    natural = console.measure(table, options=console.options.update(max_width=WIDEST)).maximum
    Console(soft_wrap=True, width=max(console.width, natural)).print(table)


def print_failures(failures: Mapping[str, int]) -> None:
    """How many structures failed, and why."""
    if failures:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(failures.items()))
        say(f"failed: {reasons}")


def write_results(
    folder: Path,
    name: str,
    structures: Sequence[Atoms],
    *,
    also: Callable[[Path], Sequence[str]] | None = None,
) -> list[str]:
    """Write ``folder/name.extxyz`` and ``.csv``, and a symmetrised CIF each in ``folder/cif``.

    They take the place of what the command wrote there before. Duplicates and structures whose
    relaxation failed get no CIF.

    Args:
        folder: of the results.
        name: of the file.
        structures: in the order of their table.
        also: writes more files into the folder that it is given; returns what to say of them.

    Returns:
        What was written where, to be said once all is written.
    """
    from gencsp import records
    from gencsp.io.structures import write_cif, write_extxyz
    from gencsp.io.tables import write_table

    written, pool = 0, f"{name}.extxyz"
    with replace_outputs(folder, name) as new:
        if structures:
            write_extxyz(new / pool, structures)
            write_table(new / f"{name}.csv", structures)
        for number, atoms in enumerate(structures, start=1):
            info = atoms.info
            if info.get(records.DUPLICATE_OF) or records.failed(info):
                continue
            identity = file_name(str(info.get(records.STRUCTURE_ID, number)))
            write_cif(new / "cif" / f"{number:03d}-{identity}.cif", atoms)
            written += 1
        more = [] if also is None else list(also(new))
    said = [f"wrote {len(structures)} structures to {folder / pool} and {name}.csv"]
    if not structures:
        said = ["there is no structure to write"]
    if written:
        said.append(f"wrote {written} symmetrised CIF files to {folder / 'cif'}")
    return said + more


def say_all(sentences: Iterable[str]) -> None:
    """Each on a line of stdout."""
    for sentence in sentences:
        say(sentence)


def end(failed: int) -> None:
    """Leave the command: some structures have no result, where ``failed`` is above zero.

    Raises:
        typer.Exit: with :data:`PARTLY`; the reasons stand in the table and in the files.
    """
    if failed:
        raise typer.Exit(PARTLY)


def counted(reasons: Iterable[str]) -> dict[str, int]:
    """How often each reason occurs."""
    counts: dict[str, int] = {}
    for reason in reasons:
        counts[reason] = counts.get(reason, 0) + 1
    return counts
