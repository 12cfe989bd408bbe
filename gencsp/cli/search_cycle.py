"""``gencsp search --driver cycle``: the cycle under the options that searches have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from gencsp.cli.cycle import cycle

if TYPE_CHECKING:
    from gencsp.runs.decks import SearchDeck

#: Options of a search that mean the same to the cycle, under the same names.
SHARED = (
    "formula",
    "atoms",
    "seed",
    "workers",
    "out",
    "weights",
    "preset",
    "sampler",
    "levels",
    "correctors",
    "sigma_min",
    "resample",
    "jump_length",
    "volume",
    "minimiser",
    "fmax",
    "steps",
    "pressure",
    "keep_symmetry",
    "engine",
    "device",
    "potential",
    "hull",
    "same",
    "second",
    "top",
    "everything",
    "report",
)
#: Options that mean something else there, and are translated.
TRANSLATED = ("method", "budget", "seeds")
#: Relaxations for each structure generated: its own, and one of each inpainting.
RELAXATIONS = 4


def search_by_cycle(context: typer.Context, deck: SearchDeck) -> None:
    """Run the cycle with the options of a search.

    Args:
        context: of ``gencsp search``, which knows what was given.
        deck: of the search, whose ``budget`` are relaxations, from which the number of structures
            to generate follows; and which names at most one proposer as its seeds.

    Raises:
        RequestError: something was given that the cycle does not know.
    """
    from gencsp.errors import RequestError

    sources = {name: context.get_parameter_source(name) for name in context.params}
    # By name, because Typer has brought Click's enumeration along since it left Click.
    given = {name for name, source in sources.items() if source and source.name != "DEFAULT"}
    unknown = sorted(given - {*SHARED, *TRANSLATED})
    if unknown:
        names = ", ".join("--" + name.replace("_", "-") for name in unknown)
        raise RequestError(f"the cycle has no {names}: leave it out, or see 'gencsp cycle --help'.")
    if "formula" not in given:
        raise RequestError("the cycle needs a place to search: give a formula or a system.")
    if len(deck.seeds) > 1:
        raise RequestError("the cycle generates with one proposer: give one --seeds.")
    cycle(
        n=max(1, deck.budget // RELAXATIONS),
        proposer=deck.seeds[0] if deck.seeds else None,
        **{name: context.params[name] for name in SHARED},
    )
