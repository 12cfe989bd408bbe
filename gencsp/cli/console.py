"""What the commands share: how they print, show progress, fail, and write their results."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

import typer
from typer.core import TyperGroup
from typer.main import get_command

from gencsp.cli.output import Output, add_output_options, output_of_a_call
from gencsp.errors import (
    GencspError,
    NearestFormulaWarning,
    ReferenceWarning,
    StoreError,
    TargetWarning,
)
from gencsp.files import file_name, replace_outputs

if TYPE_CHECKING:
    from ase import Atoms


BAD_INPUT = 2
FAILED = 1
#: Some structures have a result and some have none; both are written.
PARTLY = 3
INTERRUPTED = 130


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
        return name, command if name is None else self.whole(name), rest

    def whole(self, name: str) -> Any:
        """A command with its options, imported if need be, those of all commands among them."""
        command: Any = self.commands[name]
        if name in self.late:
            module, _, function = self.late[name].partition(":")
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(name)(getattr(import_module(module), function))
            command = get_command(alone)
        add_output_options(command)
        return command

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """See :meth:`click.Command.main`; what a terminal cannot show is shown as ``?``."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        return super().main(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; see :meth:`click.Command.invoke`."""
        with output_of_a_call() as output:
            status = FAILED
            try:
                done = self._invoke(ctx)
                status = 0
            except Exception as error:
                # What Typer raises to leave, and for a wrong use, carries its exit status.
                status = int(getattr(error, "exit_code", FAILED))
                raise
            finally:
                output.close(status)
            return done

    def _invoke(self, ctx: Any) -> Any:
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
    Output.now().complain(sentence)


def say(sentence: str) -> None:
    """One line on stdout."""
    Output.now().say(sentence)


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


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Ctrl-C ends the command, which says that the same one goes on with what is in a folder."""
    try:
        yield
    except KeyboardInterrupt:
        complain(f"stopped. What was finished is in {folder}: repeat the same command to go on.")
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
