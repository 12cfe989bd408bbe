"""``gencsp synergy``: seeded against unseeded searches (PIGEN, Extended Data Table 3)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gencsp.cli.console import complain, require_folder, resumable, say
from gencsp.cli.deck_options import deck_options
from gencsp.cli.discover import GENERATOR, REPORT, watch
from gencsp.cli.tables import add_row, print_table, table_of
from gencsp.executors.early import early_executor
from gencsp.files import file_name, replace_outputs
from gencsp.runs.discover_decks import SynergyDeck

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gencsp.runs.synergy_model import ModelResult


@deck_options(SynergyDeck, more_names={"n": ("-n",)}, none={"seeds": "--no-seeds"})
def synergy(*, deck: SynergyDeck) -> None:
    """Compare searches seeded with generated crystals with searches of composition alone.

    The same command goes on with a run that was stopped; so does one with a larger budget.
    """
    generates = not all(Path(model).exists() for model in deck.model)
    modules = ("gencsp.runs.synergy", *((GENERATOR,) if generates else ()))
    with early_executor("local", workers=deck.workers, modules=modules) as executor:
        from gencsp.runs.synergy import open_synergy

        require_folder(deck.folder)
        with resumable(deck.folder):
            run = open_synergy(deck, executor=executor)
            watch(run.irun())
    _write(deck, run.results)
    _print(run.results)
    say(f"wrote {REPORT}, comparisons.csv, traces.csv, minima.extxyz and figures to {deck.folder}")


def _write(deck: SynergyDeck, results: Sequence[ModelResult]) -> None:
    from gencsp.io.structures import write_extxyz
    from gencsp.runs import synergy_report

    with replace_outputs(deck.folder, "synergy", last=REPORT) as new:
        synergy_report.write_comparisons(new / "comparisons.csv", results)
        synergy_report.write_traces(new / "traces.csv", results)
        minima = synergy_report.structures_of(results)
        if minima:
            write_extxyz(new / "minima.extxyz", minima)
        for result in results:
            synergy_report.draw_traces(result, new / f"traces-{file_name(result.model.text)}.png")
        (new / REPORT).write_text(synergy_report.report(deck, results), encoding="utf-8")


def _print(results: Sequence[ModelResult]) -> None:
    from gencsp.runs.synergy_report import column_rows

    titles = ("model", "compositions", "a", "b", "c (meV/atom)", "d (meV/atom)", "e", "f")
    table = table_of(*titles, right=titles[1:])
    for row in column_rows(results):
        add_row(table, *(str(cell).strip("*") for cell in row))
    print_table(table)
    for result in results:
        if result.missing > 0:
            left = ", ".join(f"{one.name} {one.in_sequence}" for one in result.summary.stages)
            complain(
                f"{result.model.text}: {result.missing} filtered compositions are missing (left of "
                f"{result.generated}: {left}): raise --generate, or name other --filters."
            )
