"""``gencsp relax``: atoms and cells of structures from files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gencsp.cli.console import (
    complain,
    counted,
    end,
    kept_on_interrupt,
    require_folder,
    say_all,
    write_results,
)
from gencsp.cli.deck_options import deck_options
from gencsp.cli.options import AllOption, FilesArgument
from gencsp.cli.output import Output
from gencsp.cli.progress import progress_bars, reference_bar
from gencsp.cli.reading import read_pool
from gencsp.cli.tables import print_failures, print_ranked
from gencsp.runs.pool_decks import RelaxDeck

if TYPE_CHECKING:
    from ase import Atoms

    from gencsp.convex_hull.hull import Hull


@deck_options(RelaxDeck)
def relax(*, files: FilesArgument, deck: RelaxDeck, everything: AllOption = False) -> None:
    """Relax structures with CHGNet or another potential; failures are kept, with the reason."""
    from gencsp import records
    from gencsp.errors import HullReferenceError
    from gencsp.runs.ordering import ordering_of
    from gencsp.runs.patterns import pattern_of
    from gencsp.runs.references import optional_hull_at, systems_of
    from gencsp.runs.relaxing import (
        engine_of,
        mark_relaxed,
        relax_settings,
        relaxed_by,
        tighten_by,
    )

    require_folder(deck.out)
    compared = pattern_of(deck)
    settings = relax_settings(deck)
    engine = engine_of(deck, {})
    pool = read_pool(files, ordering_of(deck))
    with reference_bar() as bar:
        reference = optional_hull_at(
            deck.pressure,
            deck.hull,
            systems_of(pool.structures),
            deck.potential,
            lambda: engine,
            workers=deck.workers,
            report=bar,
        )
    why = ""
    try:
        if reference is not None:
            reference.require_model(engine.model)
    except HullReferenceError as error:
        why = str(error)
    verbose = Output.now().verbose
    with kept_on_interrupt("structures") as relaxed, progress_bars() as bars:
        task = bars.add_task("relax", total=len(pool.structures), note="")
        for result in relaxed_by(engine, pool.structures, settings, deck.workers):
            atoms = records.record(result)
            if reference is not None and not why:
                _judge(atoms, reference)
            if compared is not None and result.converged:
                compared.mark(atoms)
            relaxed.append(atoms)
            if verbose:
                bars.tell(_described(atoms))
            bars.advance(task)
            speed = bars.tasks[task].speed
            bars.update(task, note=f"{speed:.2f} structures/s" if speed else "")
    relaxed.sort(key=records.results_first)
    mark_relaxed(relaxed, deck.same, tighten_by(engine, settings, deck.workers))
    said = write_results(deck.out, "relaxed", relaxed)
    if why:
        complain(f"no decomposition energies: {why}")
    print_ranked(relaxed, everything=everything)
    failures = [str(a.info[records.OUTCOME]) for a in relaxed if records.failed(a.info)]
    print_failures(counted(failures))
    pool.complain()
    say_all(said)
    end(len(failures) + len(pool.unreadable))


def _described(atoms: Atoms) -> str:
    """What came of one structure."""
    from gencsp import records
    from gencsp.composition import Composition

    info = atoms.info
    energy = records.number(info, records.ENERGY_PER_ATOM)
    parts = (
        info.get(records.STRUCTURE_ID),
        Composition.in_cell(atoms).formula,
        info.get(records.SPACE_GROUP),
        None if energy is None else f"{energy:.4f} eV/atom",
        f"{info[records.OUTCOME]} after {info[records.STEPS]} steps",
    )
    return ", ".join(str(part) for part in parts if part)


def _judge(atoms: Atoms, reference: Hull) -> None:
    from gencsp import records
    from gencsp.errors import HullReferenceError

    try:
        records.write_decomposition_energy(atoms, reference)
    except HullReferenceError as error:
        atoms.info[records.REASON] = str(error)
