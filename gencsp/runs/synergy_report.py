"""The report, the tables and the figures of ``gencsp synergy``."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from ase import Atoms

from gencsp import records
from gencsp.files import csv_cell, write_whole
from gencsp.filters.base import Verdict
from gencsp.io.figures import empty_figure, save_figure
from gencsp.measure.synergy import (
    PAPER_GLOBAL_OPTIMA,
    Columns,
    Comparison,
    global_optima,
    paper_row,
)
from gencsp.proposers.targets import read_targets
from gencsp.runs.discover_decks import SynergyDeck
from gencsp.runs.markdown import table
from gencsp.runs.novelty import NEW_FRAMEWORK
from gencsp.runs.synergy_model import SEEDED, UNSEEDED, ModelResult

#: What the columns of Extended Data Table 3 mean.
MEANING = """\
- a: generated structures that remain lowest in energy after both searches
- b: compositions of which the seeded search ends lower than that of composition alone
- c: mean energy that the searches gain over the generated structure, meV/atom, where they do
- d: mean energy by which the generated structure is lower than what a search found, meV/atom, of
  the searches where it is; 0 where it nowhere is
- e: generated structures that are the lowest starting point of the seeded search
- f: generated structures whose relaxation did not converge
"""


def report(deck: SynergyDeck, results: Sequence[ModelResult]) -> str:
    """Extended Data Table 3 with the paper's rows beneath, and what the searches came to."""
    return "\n".join(_parts(deck, results)).rstrip() + "\n"


def column_rows(results: Sequence[ModelResult]) -> Iterator[tuple[object, ...]]:
    """The rows of the table: the filtered and other compositions of a model, and the paper's.

    A row is name, number of compositions, and a to f as they are shown.
    """
    for one in results:
        for filtered in (True, False):
            label = f"{one.model.text}, {'filtered' if filtered else 'unfiltered'}"
            yield label, *shown(Columns.of(one.comparisons(filtered=filtered)))
            if one.model.files:
                continue
            paper = paper_row(read_targets(one.model.targets), filtered=filtered)
            if paper is not None:
                yield f"*the paper's {paper[0]}*", *shown(paper[1])


def global_optima_rows(results: Sequence[ModelResult]) -> Iterator[tuple[object, ...]]:
    """G of Extended Data Table 2: name of the model, G of so many compositions, and the paper's."""
    for one in results:
        every = [compared.comparison for compared in one.compared]
        targets = frozenset(read_targets(one.model.targets))
        paper = None if one.model.files else PAPER_GLOBAL_OPTIMA.get(targets)
        said = "" if paper is None else f"{paper}/40"
        yield one.model.text, f"{global_optima(every)}/{len(every)}", said


def shown(columns: Columns) -> tuple[str, ...]:
    """Number of compositions and a to f, as a table shows them."""
    n = columns.compositions
    gained = "none" if columns.c is None else f"{columns.c:.1f}"
    a, b = (f"{count}/{n}" for count in (columns.a, columns.b))
    return str(n), a, b, gained, f"{columns.d:.1f}", str(columns.e), str(columns.f)


def write_comparisons(path: Path, results: Sequence[ModelResult]) -> Path:
    """A CSV file with a row for each composition; energies in eV/atom."""
    head = (
        *("model", "filtered", "formula", "structure_id", "generated", "seeded", "unseeded"),
        *("trials_seeded", "trials_unseeded", "lowest_start", "unchanged", "novelty"),
    )
    rows = (_comparison_row(one.comparison) for result in results for one in result.compared)
    return _write_csv(path, head, rows)


def write_traces(path: Path, results: Sequence[ModelResult]) -> Path:
    """A CSV file with a row for each new minimum of each search, and one for its end (Fig. 5)."""
    head = (
        *("model", "filtered", "formula", "search", "trial", "energy_per_atom"),
        *("decomposition_energy", "compactness", "m_led"),
    )
    return _write_csv(path, head, (row for result in results for row in _trace_rows(result)))


def structures_of(results: Sequence[ModelResult]) -> list[Atoms]:
    """The generated structures, relaxed, and the last minimum of each search; ids are whole."""
    found = []
    for result in results:
        for one in result.compared:
            whole = f"{result.model.text}:{one.comparison.structure_id}"
            named = [] if one.generated is None else [(whole, one.generated)]
            named += [(f"{whole}:{name}", a[-1]) for name, a in one.minima.items() if a]
            for identity, atoms in named:
                copy = atoms.copy()
                copy.info[records.STRUCTURE_ID] = identity
                found.append(copy)
    return found


def draw_traces(result: ModelResult, path: Path) -> Path | None:
    """The lowest energy of both searches against the trials, a panel a composition (Fig. 5a, b).

    Energies are above the lowest of both searches.
    """
    panels = [one for one in result.compared if any(one.minima.values())]
    if not panels:
        return None
    across = min(5, len(panels))
    down = -(-len(panels) // across)
    figure = empty_figure(2.6 * across, 2.1 * down)
    every = figure.subplots(down, across, squeeze=False).ravel()
    for axes, one in zip(every, panels, strict=False):
        comparison = one.comparison
        zero = comparison.found
        for trace, color, label in (
            (comparison.unseeded, "#718096", UNSEEDED),
            (comparison.seeded, "#2b6cb0", SEEDED),
        ):
            trials = [trial for trial, _ in trace.minima]
            energies = [1000 * (energy - zero) for _, energy in trace.minima]
            if trials:
                ends = [*trials, trace.trials], [*energies, energies[-1]]
                axes.step(*ends, where="post", color=color, label=label)
        if comparison.generated is not None:
            height = 1000 * (comparison.generated - zero)
            axes.axhline(height, color="#c05621", linestyle=":", label="generated")
        kind = "filtered" if comparison.filtered else "unfiltered"
        axes.set_title(f"{comparison.formula}, {kind}", fontsize=8)
        axes.tick_params(labelsize=7)
    for axes in every[len(panels) :]:
        axes.axis("off")
    figure.supxlabel("trial", fontsize=8)
    figure.supylabel("lowest so far (meV/atom)", fontsize=8)
    every[0].legend(fontsize=6, frameon=False)
    return save_figure(figure, path.with_suffix(""), [path.suffix[1:]])[0]


def _parts(deck: SynergyDeck, results: Sequence[ModelResult]) -> Iterator[str]:
    yield "# Searches with and without generated seeds\n"
    patience = f"patience {deck.patience}" if deck.patience else "no patience"
    yield (
        f"Each composition is searched twice by {deck.method}, {deck.budget} trials, {patience}: "
        f"from composition alone, and with the generated structure among those that the search "
        f"begins with. Seed {deck.seed}.\n"
    )
    yield "## Extended Data Table 3 of PIGEN\n"
    head = ("model", "compositions", "a", "b", "c", "d", "e", "f")
    yield table(head, column_rows(results))
    yield MEANING
    yield (
        "G of Extended Data Table 2 counts a over filtered and unfiltered compositions together, "
        "generated structures that are global optima as far as both searches went:\n"
    )
    yield table(("model", "G", "the paper's"), global_optima_rows(results))
    yield (
        "The paper searches with FUSE, stops 1,500 structures after the last new minimum, and "
        "begins with 257 structures on average.\n"
    )
    for result in results:
        yield f"## {result.model.text}\n"
        yield from _of_model(result)


def _of_model(result: ModelResult) -> Iterator[str]:
    left = [f"{one.in_sequence} passed {one.name}" for one in result.summary.stages]
    yield f"{result.generated} structures were generated: {', '.join(left)}.\n"
    if result.missing > 0:
        yield (
            f"{result.missing} filtered compositions are missing: raise --generate, or name other "
            f"--filters.\n"
        )
    unchanged = [one.comparison for one in result.compared if one.comparison.unchanged]
    said = ", ".join(one.formula for one in unchanged) or "none"
    yield f"Generated structures that no search changed (Extended Data Fig. 4): {said}.\n"
    new = sum(one.comparison.novelty == NEW_FRAMEWORK for one in result.compared)
    yield (
        f"The lowest structure of {new} of {len(result.compared)} seeded searches has a framework "
        f"that matches no prototype.\n"
    )
    head = ("composition", "", "generated", "seeded", "unseeded", "trials", "novelty")
    yield table(head, (_summary_row(one.comparison) for one in result.compared))
    yield "Energies in meV/atom above the lowest of both searches.\n"


def _summary_row(one: Comparison) -> tuple[object, ...]:
    def above(energy: float | None) -> str:
        if energy is None or abs(energy) == float("inf"):
            return "not converged"
        return f"{round(1000 * (energy - one.found), 1) + 0.0:.1f}"  # no -0.0

    return (
        one.formula,
        "filtered" if one.filtered else "unfiltered",
        above(one.generated) if one.found < float("inf") else "",
        above(one.seeded.lowest),
        above(one.unseeded.lowest),
        f"{one.seeded.trials}, {one.unseeded.trials}",
        one.novelty,
    )


def _comparison_row(one: Comparison) -> tuple[object, ...]:
    energies = (one.generated, one.seeded.lowest, one.unseeded.lowest)
    return (
        one.model,
        one.filtered,
        one.formula,
        one.structure_id,
        *("" if e is None or e == float("inf") else e for e in energies),
        one.seeded.trials,
        one.unseeded.trials,
        "" if one.seeded.lowest_start is None else one.seeded.lowest_start,
        one.unchanged,
        one.novelty,
    )


def _trace_rows(result: ModelResult) -> Iterator[tuple[object, ...]]:
    for one in result.compared:
        comparison = one.comparison
        first = (comparison.model, comparison.filtered, comparison.formula)
        for name, trace in ((SEEDED, comparison.seeded), (UNSEEDED, comparison.unseeded)):
            minima = one.minima[name]
            for (trial, energy), atoms in zip(trace.minima, minima, strict=True):
                yield *first, name, trial, energy, *_measures(atoms)
            if minima:
                yield *first, name, trace.trials, trace.lowest, *_measures(minima[-1])


def _measures(atoms: Atoms) -> tuple[object, ...]:
    """E_d (eV/atom), C and M_LED (bits)."""
    above = records.above_hull(atoms.info)
    verdicts = (Verdict.read(atoms, name) for name in ("compactness", "local_diversity"))
    values = ("" if one is None or one.value != one.value else one.value for one in verdicts)
    return "" if above is None else above, *values


def _write_csv(path: Path, head: Sequence[str], rows: Iterator[tuple[object, ...]]) -> Path:
    def write(file: TextIO) -> None:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        for row in rows:
            writer.writerow([csv_cell(one) for one in row])

    return write_whole(path, write)
