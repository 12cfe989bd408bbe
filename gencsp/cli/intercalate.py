"""``gencsp intercalate``: a series of guest contents in a host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.cli.console import complain, require_folder, resumable, say, say_all, write_results
from gencsp.cli.deck_options import deck_options
from gencsp.cli.options import AllOption
from gencsp.cli.progress import progress_bars, reference_bar
from gencsp.cli.reading import read_host
from gencsp.cli.tables import add_row, print_failures, print_ranked, print_table, table_of
from gencsp.executors.early import early_executor
from gencsp.files import require_files
from gencsp.runs.host_decks import IntercalateDeck

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from gencsp.runs.intercalating import Intercalated
    from gencsp.searches.intercalation import Intercalation

HostArgument = Annotated[
    Path, typer.Argument(help="File of the host, with or without its guests.", metavar="HOST")
]
#: Files of the results.
NAME = "intercalation"
#: What a worker needs before its first structure.
MODULES = ("gencsp.runs.intercalating", "torch")


@deck_options(IntercalateDeck, more_names={"n": ("-n",)})
def intercalate(
    *, host: HostArgument, deck: IntercalateDeck, everything: AllOption = False
) -> None:
    """Place guests in a host over a series of contents: hull over x, voltages, volumes.

    The same command goes on with a run that was stopped.
    """
    require_files([host])
    with early_executor("local", workers=deck.workers, modules=MODULES) as executor:
        _run(host, deck, executor, everything=everything)


def _run(host: Path, deck: IntercalateDeck, executor: Executor | None, *, everything: bool) -> None:
    from gencsp.runs.intercalating import folder_of, open_intercalation, result_of
    from gencsp.runs.ordering import Ordering

    ordering = Ordering(n=1, max_atoms=deck.atoms, mobile=(deck.guest,), seed=deck.seed)
    crystal, mean = read_host(host, ordering)
    folder = folder_of(deck, crystal)
    require_folder(folder)
    with (
        resumable(folder),
        reference_bar() as bar,
        open_intercalation(crystal, deck, mean=mean, on_reference=bar, executor=executor) as run,
    ):
        _watch(run)
        found = result_of(run, deck)
    _report(found, folder, everything=everything)


def _watch(run: Intercalation) -> None:
    with progress_bars() as bars:
        task = bars.add_task("intercalate", total=None, note="")
        for step in run.irun():
            failed = sum(step.failures.values())
            note = f"{step.structures} structures" + (f", {failed} failed" if failed else "")
            bars.update(task, completed=step.done, total=step.total, note=note)


def _report(found: Intercalated, folder: Path, *, everything: bool) -> None:
    from gencsp.intercalation.report import write_report

    def also(new: Path) -> Sequence[str]:
        if found.profile is None:
            return []
        files = write_report(
            new,
            NAME,
            found.profile,
            guest=found.guest,
            unit=found.unit,
            metal=found.metal,
            charge=found.charge,
        )
        return [f"wrote the hull over x to {folder / files[0]} and {', '.join(files[1:])}"]

    said = write_results(folder, NAME, found.structures, also=also)
    print_ranked(found.structures, everything=everything)
    if found.profile is None:
        complain("fewer than two contents have a structure: no hull over x and no voltage.")
    else:
        _print_profile(found)
    print_failures(found.failures)
    say_all(said)
    say(f"every structure, with its provenance: {folder / 'run.db'}")


def _print_profile(found: Intercalated) -> None:
    from gencsp.intercalation.report import content_rows

    profile = found.profile
    assert profile is not None, "the caller has looked"
    right = ("x", "E_f (eV/f.u.)", "above hull", "V (Å³/f.u.)", "volume", "voltage to next (V)")
    table = table_of("x", "formula", *right[1:], "id", right=right)
    steps = {step.first: step for step in profile.steps}
    rows = content_rows(profile, found.guest, found.unit)
    for point, row in zip(profile.points, rows, strict=True):
        step = steps.get(point.x)
        add_row(
            table,
            row["fraction"],
            row["formula"],
            f"{row['formation_energy']:.4f}",
            "stable" if row["stable"] else f"{row['above_hull']:.4f}",
            f"{row['volume']:.2f}",
            f"{100 * row['volume_change']:+.1f} %",
            "" if step is None else f"{step.voltage:.2f}",
            row["structure_id"],
        )
    print_table(table)
    if profile.average_voltage is not None:
        first, last = rows[0]["formula"], rows[-1]["formula"]
        say(
            f"average voltage from {first} to {last}: {profile.average_voltage:.2f} V against "
            f"{found.metal}, {found.charge} e per {found.guest}"
        )
    else:
        say("no voltages: there is no hull with a reference of the guest's element.")
