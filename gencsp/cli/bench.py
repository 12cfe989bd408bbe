"""``gencsp bench``: benchmark suites for any proposer, potential or search.

``gencsp bench SUITE`` is short for ``gencsp bench run SUITE``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from gencsp.cli.console import Commands
from gencsp.cli.tables import add_row, print_table, table_of

RUN, COMPARE, SCORE = "run", "compare", "score"
LIST = "--list"


class BenchCommands(Commands):
    """Those of ``gencsp bench``; what is none of them is the name of a suite to run."""

    late: ClassVar[dict[str, str]] = {
        RUN: "gencsp.cli.bench_run:run",
        SCORE: "gencsp.cli.bench_score:score",
    }

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See :meth:`click.Command.parse_args`."""
        if args and args[0] not in (*self.commands, LIST, "--help"):
            args = [RUN, *args]
        return list(super().parse_args(ctx, args))


bench = typer.Typer(
    cls=BenchCommands,
    help="Benchmark suites for any proposer, potential or search: gencsp bench SUITE.",
    no_args_is_help=True,
)


@bench.callback(invoke_without_command=True)
def main(
    wanted: Annotated[
        bool, typer.Option(LIST, help="Show the suites that there are, and exit.")
    ] = False,
) -> None:
    """Benchmark suites for any proposer, potential or search: gencsp bench SUITE."""
    if wanted:
        _list()
        raise typer.Exit


@bench.command(COMPARE)
def compare(
    first: Annotated[Path, typer.Argument(help="Folder of a run, or its bench.json.")],
    second: Annotated[Path, typer.Argument(help="That of another run of the same suite.")],
) -> None:
    """Compare two runs of a suite crystal by crystal: differences, intervals, p-values."""
    from gencsp.cli.bench_tables import print_comparison
    from gencsp.suites.compare import compare

    print_comparison(compare(first, second))


@bench.command(RUN, help="Run a suite, and say what it came to beside what was published.")
@bench.command(SCORE, help="Score structures made elsewhere as a suite scores a proposer.")
def _stand_in() -> None:
    """Never runs: the group imports the command itself when it is called."""


def _list() -> None:
    from gencsp.suites.suite import Suite, suite_names

    table = table_of("suite", "what it is", "known crystals", right=("known crystals",))
    for name in suite_names():
        suite = Suite.open(name)
        add_row(table, name, suite.title, suite.truths.crystals if suite.truths else "")
    print_table(table)
