"""``gencsp hull``: decomposition energies of structures from files, and the hull itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gencsp.cli.console import complain, counted, end, require_folder, say_all, write_results
from gencsp.cli.deck_options import deck_options
from gencsp.cli.hull_references import show_formula, show_system
from gencsp.cli.progress import progress_bars, reference_bar
from gencsp.cli.reading import read_pool
from gencsp.cli.tables import print_failures, print_structures
from gencsp.runs.pool_decks import HullDeck

if TYPE_CHECKING:
    from gencsp.convex_hull.hull import Hull

#: An element, or end members that are formulas.
_SYSTEM = re.compile(r"[A-Z][a-z]?|[A-Z][\w()\[\]]*([-\u2010\u2011\u2013\u2212][A-Z][\w()\[\]]*)+")

FilesOrSystem = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Structure files (CIF, extxyz, POSCAR, ...) or folders; or a system such as Li-P-S or "
        "ZnS-P2S5, whose phases are listed and whose hull is drawn.",
        metavar="FILES",
        show_default=False,
    ),
]
ShowOption = Annotated[
    str | None,
    typer.Option(
        "--show", metavar="FORMULA", help="List the references of a formula, with their crystals."
    ),
]
WithinOption = Annotated[
    float, typer.Option(min=0.0, help="Phases of a system up to this above its hull, eV/atom.")
]


@deck_options(HullDeck)
def hull(
    *,
    files: FilesOrSystem = None,
    show: ShowOption = None,
    within: WithinOption = 0.05,
    deck: HullDeck,
) -> None:
    """Decomposition energies of structures as they are, or the phases of a system: Li-Si."""
    from gencsp.composition import Composition
    from gencsp.convex_hull.end_members import EndMembers
    from gencsp.errors import RequestError

    given = files or []
    if (show is None) == (not given):
        raise RequestError("give structure files, or a system such as Li-Si, or --show FORMULA.")
    require_folder(deck.out)
    if show is not None:
        show_formula(show, _references(deck, Composition.parse(show).elements), deck.out)
    elif (system := _system(given)) is not None:
        show_system(system, _references(deck, EndMembers.parse(system).elements), within, deck.out)
    else:
        _judge(given, deck)


def _system(given: list[Path]) -> str | None:
    """The system that is meant; ``None`` for files, which come first."""
    from gencsp.errors import StructureFileError

    name = str(given[0])
    if _SYSTEM.fullmatch(name) and given[0].exists():
        other = "-".join(reversed(name.split("-")))
        complain(f"{name} is read as the file or folder here; the chemical system is also {other}.")
        return None
    if len(given) == 1 and _SYSTEM.fullmatch(name):
        return name
    for file in given:
        if _SYSTEM.fullmatch(str(file).title()) and not file.exists():
            raise StructureFileError(
                f"there is no file {file}; a chemical system is written as Li-Si, a tie-line as "
                f"ZnS-P2S5, and alone."
            )
    return None


def _references(deck: HullDeck, elements: Iterable[str]) -> Hull:
    """The hull that is looked at; at zero pressure one of another potential must be given."""
    from gencsp.runs.objects import open_hull
    from gencsp.runs.references import hull_at
    from gencsp.runs.relaxing import engine_of

    if deck.pressure is None:
        reference = open_hull(deck.hull)
    else:
        with reference_bar() as bar:
            reference = hull_at(
                deck.pressure,
                deck.hull,
                [elements],
                deck.potential,
                lambda: engine_of(deck, {}),
                workers=deck.workers,
                report=bar,
            )
    if deck.potential != HullDeck.model_fields["potential"].default:
        reference.require_model(engine_of(deck, {}).model)
    return reference


def _judge(files: list[Path], deck: HullDeck) -> None:
    from gencsp import records
    from gencsp.api import hull as call
    from gencsp.runs.references import common_pressure, hull_at, systems_of
    from gencsp.runs.relaxing import engine_of

    engine, pool = engine_of(deck, {}), read_pool(files)
    pressure = common_pressure(pool.structures) if deck.pressure is None else deck.pressure
    with reference_bar() as bar:
        reference = hull_at(
            pressure,
            deck.hull,
            systems_of(pool.structures),
            deck.potential,
            lambda: engine,
            workers=deck.workers,
            report=bar,
        )
    reference.require_model(engine.model)
    with progress_bars() as bars:
        task = bars.add_task("evaluate", total=None, note=f"{len(pool.structures)} structures")
        judged = call(
            pool.structures,
            potential=engine,
            hull=reference,
            pressure=pressure,
            workers=deck.workers,
            **_pattern(deck),
        )
        bars.update(task, total=1, completed=1)
    judged.sort(key=records.results_first)
    said = write_results(deck.out, "hull", judged)
    print_structures(judged)
    without = [_reason(a.info) for a in judged if records.above_hull(a.info) is None]
    print_failures(counted(without))
    pool.complain()
    say_all(said)
    end(len(without) + len(pool.unreadable))


def _pattern(deck: HullDeck) -> dict[str, Any]:
    """What the deck says of a measured pattern, as far as it was given."""
    return {name: getattr(deck, name) for name in ("xrd", "wavelength") if name in deck.given}


def _reason(info: dict[str, object]) -> str:
    from gencsp import records

    return str(info.get(records.OUTCOME) or info.get(records.REASON) or "no energy")
