"""``gencsp references``: a hull for any potential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gencsp.cli.console import complain, counted, end, require_file, say
from gencsp.cli.deck_options import deck_options
from gencsp.cli.progress import progress_bars
from gencsp.cli.reading import read_pool
from gencsp.cli.tables import print_failures
from gencsp.runs.pool_decks import ReferencesDeck

if TYPE_CHECKING:
    from gencsp.convex_hull.entries import HullEntry


@deck_options(ReferencesDeck, argument="system", metavar="SYSTEM")
def references(*, deck: ReferencesDeck) -> None:
    """Relax reference crystals of a chemical system with a potential, for --hull.

    Energies of different models never share a hull: a search with another potential needs
    references made with it.
    """
    from gencsp.convex_hull.crystals import make_references, shipped_crystals
    from gencsp.convex_hull.entries import HullEntry, write_entries
    from gencsp.minimise import RelaxSettings
    from gencsp.potentials.base import require_elements
    from gencsp.runs.relaxing import engine_of

    settings = RelaxSettings(fmax=deck.fmax, steps=deck.steps, pressure=deck.pressure)
    require_file(deck.out)
    elements = deck.system.split("-")
    crystals = list(shipped_crystals(elements)) if deck.shipped else []
    model = engine_of(deck, {})
    require_elements(model, elements)
    also = read_pool(deck.also) if deck.also else None
    crystals += also.structures if also else []
    unreadable = also.unreadable if also else []
    entries: list[HullEntry] = []
    failures: list[str] = []
    with progress_bars() as bars:
        task = bars.add_task("relax", total=len(crystals), note=model.model)
        for made in make_references(crystals, model, settings=settings, workers=deck.workers):
            if isinstance(made, HullEntry):
                entries.append(made)
            else:
                failures.append(str(made.outcome))
            bars.advance(task)
    _require_elements(elements, entries)
    header = {
        "weights": model.digest,
        "relaxation": f"fmax {deck.fmax:g} eV/A, {deck.steps} steps",
    }
    written = write_entries(deck.out, entries, header=header)
    print_failures(counted(failures))
    if also:
        also.complain()
    say(f"wrote {len(entries)} entries to {written}")
    if failures:
        complain(f"{len(failures)} crystals did not converge and are left out.")
    end(len(failures) + len(unreadable))


def _require_elements(elements: list[str], entries: list[HullEntry]) -> None:
    from gencsp.errors import HullReferenceError

    there = {e.composition.elements[0] for e in entries if len(e.composition.elements) == 1}
    missing = [symbol for symbol in elements if symbol not in there]
    if missing:
        raise HullReferenceError(
            f"no crystal of {' and none of '.join(missing)} came through, and a hull needs the "
            f"elements: add some with --also."
        )
