"""Where a command says what it has to say: terminal, log file, or one JSON document.

The options ``--quiet``, ``-v``, ``--json`` and ``--log`` belong to every command. They are added to
a command when it is called (:func:`add_output_options`), so that they are written once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.console import Console
from typer.core import TyperGroup
from typer.main import get_command

from gencsp.errors import StoreError
from gencsp.files import one_line

if TYPE_CHECKING:
    from ase import Atoms

#: Columns of a terminal that has room for every table.
WIDEST = 100_000
_NOW: ContextVar[Output] = ContextVar("output of the command")
#: The panel of ``--help`` that the options stand in.
PANEL = "What is said, and where"


@dataclass
class Output:
    """What one call of the command line says.

    Attributes:
        quiet: nothing on stdout and no progress; errors and warnings stay.
        verbose: every finished trial, structure or stage, as it comes.
        document: what is written as JSON at the end; ``None`` where text is wanted.
        log: an open file that gets everything with the time; ``None`` for none.
    """

    quiet: bool = False
    verbose: bool = False
    document: dict[str, Any] | None = None
    log: TextIO | None = field(default=None, repr=False)

    @classmethod
    def now(cls) -> Output:
        """That of the command that runs; a plain one outside of any."""
        return _NOW.get(None) or cls()

    def say(self, sentence: str) -> None:
        """A sentence of the result, on stdout."""
        line = one_line(sentence)
        self.note(line)
        if self.document is not None:
            self.document.setdefault("messages", []).append(line)
        elif not self.quiet:
            Console().print(line, markup=False, highlight=False, soft_wrap=True)

    def complain(self, sentence: str) -> None:
        """What went wrong or is to be known, on stderr."""
        line = one_line(sentence)
        self.note(f"gencsp: {line}")
        if self.document is not None:
            self.document.setdefault("warnings", []).append(line)
        console = Console(stderr=True)
        console.print(f"gencsp: {line}", markup=False, highlight=False, soft_wrap=True)

    def table(self, titles: Sequence[str], rows: Iterable[Sequence[str]], drawn: Any) -> None:
        """A table, on stdout, in its own width: ids are never cut, so that they can be copied.

        Args:
            titles: of its columns.
            rows: its cells as text.
            drawn: the same for a terminal, a :class:`rich.table.Table`.
        """
        if self.log is not None:
            wide = Console(file=self.log, width=WIDEST, soft_wrap=True, color_system=None)
            wide.print(drawn)
        if self.document is not None:
            cells = [dict(zip(titles, row, strict=True)) for row in rows]
            self.document.setdefault("tables", []).append(cells)
        elif not self.quiet:
            console = Console()
            options = console.options.update(max_width=WIDEST)
            natural = console.measure(drawn, options=options).maximum
            Console(soft_wrap=True, width=max(console.width, natural)).print(drawn)

    def structures(self, structures: Sequence[Atoms]) -> None:
        """The structures of a result, for the document: symbols, cell, positions and ``info``.

        The first that a command hands over are those of the document.
        """
        if self.document is not None and "structures" not in self.document:
            self.document["structures"] = [_structure(atoms) for atoms in structures]

    def set(self, key: str, value: object) -> None:
        """A value of the document under a name of its own."""
        if self.document is not None:
            self.document[key] = value

    def progress(self, sentence: str) -> None:
        """A line about the work that goes on, on stderr."""
        line = one_line(sentence)
        self.note(line)
        if not self.quiet:
            Console(stderr=True).print(line, markup=False, highlight=False, soft_wrap=True)

    def note(self, line: str) -> None:
        """A line of the log alone."""
        if self.log is not None:
            stamp = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
            self.log.write(f"{stamp}  {line}\n")
            self.log.flush()

    def close(self, status: int) -> None:
        """Write the document, and end the log.

        Args:
            status: exit status of the command.
        """
        if self.document is not None:
            self.document["exit_status"] = status
            sys.stdout.write(json.dumps(_plain(self.document), ensure_ascii=False) + "\n")
            sys.stdout.flush()
        if self.log is not None:
            self.log.close()
            self.log = None


@contextmanager
def output_of_a_call() -> Iterator[Output]:
    """What a call of the command line says while the block runs."""
    output = Output()
    token = _NOW.set(output)
    try:
        yield output
    finally:
        _NOW.reset(token)


def add_output_options(command: Any) -> None:
    """Give a command, and those of a group, the options that this module is about.

    An option that the command has already under the same name stays its own.

    Args:
        command: of Typer's, whose classes stand on one or another copy of Click's.
    """
    if isinstance(command, TyperGroup):
        for one in command.commands.values():
            add_output_options(one)
        return
    taken = {name for parameter in command.params for name in parameter.opts}
    for option in _options():
        if not taken & set(option.opts):
            command.params.append(option)


def _options() -> list[Any]:
    """Fresh options: those of a command that does nothing, so that Typer makes them."""
    alone = typer.Typer(add_completion=False)
    alone.command()(_carrier)
    made = [one for one in get_command(alone).params if one.name in _OWN]
    for one in made:
        one.expose_value = False
    return made


def _set_quiet(given: bool) -> bool:
    Output.now().quiet |= given
    return given


def _set_verbose(given: bool) -> bool:
    Output.now().verbose |= given
    return given


def _set_json(context: typer.Context, given: bool) -> bool:
    if given:
        from gencsp import __version__

        command = context.command_path.split(maxsplit=1)[-1]
        Output.now().document = {"gencsp": __version__, "command": command}
    return given


def _open_log(context: typer.Context, given: Path | None) -> Path | None:
    if given is None or context.resilient_parsing:
        return given
    try:
        given.parent.mkdir(parents=True, exist_ok=True)
        # Open as long as the command runs; it ends with Output.close.
        Output.now().log = given.open("a", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"the log {given} cannot be written ({error.strerror or error}): name another file "
            f"with --log."
        ) from error
    Output.now().note(f"gencsp {' '.join(sys.argv[1:])}")
    return given


def _carrier(
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            callback=_set_quiet,
            help="Say nothing but errors and warnings; files are written as ever.",
            rich_help_panel=PANEL,
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            callback=_set_verbose,
            help="Say every finished trial, stage or structure.",
            rich_help_panel=PANEL,
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            callback=_set_json,
            help="One JSON document on stdout in place of text; progress stays on stderr.",
            rich_help_panel=PANEL,
        ),
    ] = False,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            callback=_open_log,
            metavar="FILE",
            help="Write all that is said, with the time, to the end of this file as well.",
            rich_help_panel=PANEL,
        ),
    ] = None,
) -> None:
    """Carries the options."""


#: Names of their parameters.
_OWN = ("quiet", "verbose", "as_json", "log")


def _structure(atoms: Atoms) -> dict[str, Any]:
    return {
        "symbols": atoms.get_chemical_symbols(),
        "cell": atoms.cell.array.tolist(),
        "positions": atoms.positions.tolist(),
        "info": dict(atoms.info),
    }


def _plain(value: Any) -> Any:
    """The same as JSON has it: numbers of Python, and nothing for what is no number."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one) for one in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)
