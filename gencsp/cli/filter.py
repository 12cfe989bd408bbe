"""``gencsp filter``: which structures of a pool are worth more work."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gencsp.cli.console import INTERRUPTED, complain, end, require_folder, say
from gencsp.cli.deck_options import deck_options
from gencsp.cli.options import PoolsArgument
from gencsp.cli.progress import progress_bars
from gencsp.cli.reading import NAMED
from gencsp.cli.tables import add_row, print_table, table_of
from gencsp.files import replace_outputs
from gencsp.filters.deck import FilterDeck

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gencsp.filters import Funnel, Summary
    from gencsp.filters.plots import Distributions

#: The file that says that the others are whole.
SUMMARY = "summary.json"


@deck_options(FilterDeck, more_names={"purpose": ("--for",)})
def filter_pools(*, pools: PoolsArgument, deck: FilterDeck) -> None:
    """Sort out implausible and known structures; what is left is worth a relaxation."""
    from gencsp.filters import Funnel, Summary
    from gencsp.filters.plots import Distributions, draw_survival
    from gencsp.io.pools import sources

    require_folder(deck.out)
    total = sum(1 for _ in sources(pools))
    chosen = deck.for_pool(_formulas(pools))
    funnel = Funnel(chosen.stages)
    names = tuple(one.name for one in funnel.filters)
    summary, distributions = Summary(names), Distributions(funnel.filters)
    stopped = False
    with replace_outputs(chosen.out, "filter", last=SUMMARY) as new:
        try:
            _judge(pools, total, chosen, funnel, summary, distributions, new)
        except KeyboardInterrupt:
            stopped = True
            complain(f"stopped after {summary.structures} structures: these are written.")
        filters = [{"name": name, **options} for name, options in chosen.stages]
        settings = chosen.model_dump(mode="json") | {"filters": filters}
        content = {"complete": not stopped, "deck": settings}
        text = json.dumps(content | summary.as_dict(), indent=1) + "\n"
        (new / SUMMARY).write_text(text, encoding="utf-8")
        if chosen.plots and summary.structures:
            draw_survival(summary, new / "plots" / "survival.png")
            distributions.draw(new / "plots")
    if deck != chosen:
        many = "one composition" if chosen.purpose == "csp" else "several compositions"
        say(f"the pool has {many}: filters for {chosen.purpose}; choose with --for or --filters")
    _print(summary, chosen)
    if stopped:
        raise typer.Exit(INTERRUPTED)
    end(len(summary.unreadable))


def _formulas(pools: list[Path]) -> Iterator[str]:
    """Reduced formulas of what can be read."""
    from gencsp.composition import Composition
    from gencsp.errors import StructureFileError
    from gencsp.io.pools import sources

    for source in sources(pools):
        try:
            structures = source.load()
        except StructureFileError:
            continue  # told where it is judged
        yield from (Composition.of(atoms).formula_key for atoms in structures)


def _judge(
    pools: list[Path],
    total: int,
    deck: FilterDeck,
    funnel: Funnel,
    summary: Summary,
    distributions: Distributions,
    new: Path,
) -> None:
    from gencsp.executors import LocalProcesses, ThisProcess
    from gencsp.filters import judge_pool
    from gencsp.filters.rows import row_writer
    from gencsp.io.pools import sources
    from gencsp.io.structures import append_extxyz

    with ExitStack() as stack:
        rows = stack.enter_context(
            row_writer(new / f"rows.{deck.rows}", summary.names, kind=deck.rows)
        )
        judged_file, survivors = (
            stack.enter_context((new / name).open("w", encoding="utf-8"))
            for name in ("judged.extxyz", "survivors.extxyz")
        )
        bars = stack.enter_context(progress_bars())
        task = bars.add_task("filter", total=total, note="")
        alone = deck.workers == 1
        executor = stack.enter_context(ThisProcess() if alone else LocalProcesses(deck.workers))
        results = judge_pool(sources(pools), funnel, executor=executor, workers=deck.workers)
        for judged in results:
            summary.add(judged)
            distributions.add(judged)
            rows.write(judged)
            if judged.atoms is not None:
                append_extxyz(judged_file, judged.atoms)
                if judged.survived:
                    append_extxyz(survivors, judged.atoms)
            bars.update(
                task,
                completed=summary.structures + len(summary.unreadable),
                note=f"{summary.survivors} survive",
            )


def _print(summary: Summary, deck: FilterDeck) -> None:
    table = table_of(
        "filter", "passed alone", "left", "undefined", right=("passed alone", "left", "undefined")
    )
    for stage in summary.stages:
        share = f"{100 * stage.passed / stage.judged:.1f} %" if stage.judged else "-"
        passed = f"{stage.passed} of {stage.judged} ({share})"
        add_row(table, stage.name, passed, stage.in_sequence, stage.undefined or "")
    print_table(table)
    for stage in summary.stages:
        if stage.at:
            counts = ", ".join(f"{n} at {level:g}" for level, n in stage.at)
            say(f"{stage.name}, left at other thresholds: {counts}")
    say(f"{summary.survivors} of {summary.structures} structures survive")
    if summary.structures and not summary.survivors:
        say(hint(summary, deck))
    if summary.unreadable:
        say(f"{len(summary.unreadable)} could not be read:")
        for _, reason in summary.unreadable[:NAMED]:
            say(f"  {reason}")
    say(f"survivors, all structures with their verdicts, rows and summary: {deck.out}")


def hint(summary: Summary, deck: FilterDeck) -> str:
    """What to try where nothing survives."""
    before = summary.structures
    worst, lost = "", 0
    for stage in summary.stages:
        if before - stage.in_sequence > lost:
            worst, lost = stage.name, before - stage.in_sequence
        before = stage.in_sequence
    said = f"nothing survives: {lost} of {summary.structures} fell at '{worst}'"
    if deck.purpose == "de-novo":
        return (
            f"{said}; the filters for de novo pools refuse known formulas: for structures of a "
            f"composition that you chose use --for csp, or name filters with --filters."
        )
    return f"{said}: leave it out with --filters, or change its window in a deck (--deck)."
