"""``gencsp propose``: structures of a composition, or de novo; not relaxed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gencsp.cli.console import (
    complain,
    kept_on_interrupt,
    require_folder,
    say,
    say_all,
    write_results,
)
from gencsp.cli.deck_options import deck_options
from gencsp.cli.progress import progress_bars
from gencsp.cli.tables import print_structures
from gencsp.plugins import Choice
from gencsp.runs.decks import ProposeDeck

if TYPE_CHECKING:
    from ase import Atoms


@deck_options(ProposeDeck, metavar="[FORMULA]", more_names={"n": ("-n",), "preset": ("--as",)})
def propose(*, deck: ProposeDeck) -> None:
    """Propose crystal structures of a composition, or compositions and structures de novo."""
    from gencsp.records import name_space_group

    require_folder(deck.out)
    made = _de_novo(deck) if deck.de_novo else _of_formula(deck)
    with kept_on_interrupt("proposals") as structures, progress_bars() as bars:
        task = bars.add_task("propose", total=deck.n, note=_about(deck))
        for structure in made:
            name_space_group(structure)
            structures.append(structure)
            bars.advance(task)
    older = (deck.out / "proposals.extxyz").exists()
    said = write_results(deck.out, "proposals", structures)
    print_structures(structures)
    say_all(said)
    if older:
        complain(f"they take the place of an earlier pool in {deck.out}: see --out.")


def _about(deck: ProposeDeck) -> str:
    """What is proposed, for the screen."""
    if deck.de_novo:
        return "de novo"
    return deck.formula or f"guests of {deck.host}"


def _aims(deck: ProposeDeck) -> dict[str, Any]:
    from gencsp.proposers.targets import read_targets

    return {
        "targets": read_targets(deck.target),
        "guidance": deck.guidance,
        "energy_guidance": deck.energy_guidance,
    }


def _de_novo(deck: ProposeDeck) -> Iterator[Atoms]:
    from gencsp.errors import RequestError
    from gencsp.proposers.base import ProposerContext
    from gencsp.proposers.pigen import PigenOptions, propose_de_novo
    from gencsp.runs.objects import chosen

    if deck.formula is not None or deck.host is not None:
        raise RequestError("--de-novo chooses compositions itself: leave formula and host out.")
    if deck.workers > 1:
        raise RequestError("--de-novo works in one process: leave --workers out.")
    sampling = ("preset", "levels", "correctors", "sigma_min", "resample", "jump_length")
    given = [f"--{name.replace('_', '-')}" for name in sampling if getattr(deck, name) is not None]
    if given:
        raise RequestError(f"--de-novo samples another model: leave out {', '.join(given)}.")
    places = ("formula_units", "units", "cell", "volume", "pressure")
    given = [f"--{name.replace('_', '-')}" for name in places if getattr(deck, name)]
    if given:
        raise RequestError(f"--de-novo chooses its cells itself: leave out {', '.join(given)}.")
    choice = chosen(deck.proposer)
    if isinstance(choice, Choice) and choice.name == "dp-cdvae":
        return _decoded(deck, choice)
    if not isinstance(choice, Choice) or choice.name not in ("pigen", "mixed"):
        raise RequestError(f"'{choice}' makes no structures de novo: use pigen or dp-cdvae.")
    own = choice.options if choice.name == "pigen" else {}
    return propose_de_novo(
        n=deck.n,
        elements=None if deck.elements is None else list(deck.elements),
        most_atoms=deck.atoms,
        space_groups=deck.space_groups,
        seed=deck.seed,
        options=PigenOptions.from_options(
            {**_aims(deck), "sizes": deck.sizes, "symmetry": deck.symmetry, **own}
        ),
        context=ProposerContext(weights=deck.weights, device=deck.device),
    )


def _decoded(deck: ProposeDeck, choice: Choice) -> Iterator[Atoms]:
    from gencsp.errors import RequestError
    from gencsp.proposers.base import ProposerContext
    from gencsp.proposers.dp_cdvae import DpCdvaeOptions, decode_de_novo

    of_pigen = ("elements", "space_groups", "target", "energy_guidance", "sizes", "symmetry")
    given = [f"--{name.replace('_', '-')}" for name in of_pigen if name in deck.given]
    if given:
        raise RequestError(f"dp-cdvae chooses freely: leave out {', '.join(given)}, or use pigen.")
    options = DpCdvaeOptions.from_options(choice.options)
    context = ProposerContext(weights=deck.weights, device=deck.device)
    return decode_de_novo(n=deck.n, seed=deck.seed, options=options, context=context)


#: Settings of a host.
OF_HOSTS = ("guests", "order", "order_atoms", "order_by")


class _Place(NamedTuple):
    """What is proposed: a formula, and where it is put into hosts, these.

    Attributes:
        formula: of host and guests together.
        units: formula units in a cell; ``None`` for all that fit.
        hosts: ``None`` for none.
    """

    formula: str
    units: tuple[int, ...] | None
    hosts: Sequence[Atoms] | None


def _place(deck: ProposeDeck) -> _Place:
    """The formula and the hosts of a deck, ordered and without guests where it says so."""
    from gencsp.errors import RequestError
    from gencsp.io.structures import read_structures
    from gencsp.runs.hosts import hosts_of

    of_hosts = [name for name in OF_HOSTS if name in deck.given]
    if deck.host is None:
        assert deck.formula is not None, "the caller has looked"
        if of_hosts:
            names = ", ".join("--" + name.replace("_", "-") for name in of_hosts)
            raise RequestError(f"{names} is of a host: give --host, or leave it out.")
        return _Place(deck.formula, deck.formula_units, None)
    if deck.formula is not None and not of_hosts:
        hosts = read_structures([deck.host])
        if len(hosts) > 1:
            raise RequestError(
                f"{deck.host} holds {len(hosts)} structures: give a file with one host."
            )
        return _Place(deck.formula, deck.formula_units, hosts)
    if deck.formula_units is not None:
        raise RequestError("--formula-units follow from the host and its guests: leave them out.")
    found = hosts_of(
        deck.host,
        formula=deck.formula or "",
        guests=deck.guests,
        max_atoms=deck.atoms,
        order=deck.order,
        order_atoms=deck.order_atoms,
        seed=deck.seed,
        order_by=deck.order_by,
    )
    for sentence in found.said:
        say(sentence)
    made = found.completion
    return _Place(made.composition.formula, (made.units,), made.hosts)


def _of_formula(deck: ProposeDeck) -> Iterator[Atoms]:
    from gencsp.errors import RequestError
    from gencsp.io.structures import read_structures
    from gencsp.proposers import propose as call
    from gencsp.proposers.base import ProposerContext
    from gencsp.proposers.sampling import deck_sampler
    from gencsp.runs.objects import Carried

    proposer = deck.proposer
    assert not isinstance(proposer, Carried), "a command is given texts"
    choice, aims = Choice.read(proposer), _aims(deck)
    aimed = choice.name == "pigen"
    if deck.formula is None and deck.host is None:
        raise RequestError("name a formula such as Li5Si2, or add --de-novo.")
    if deck.elements is not None:
        raise RequestError("--elements goes with --de-novo: the formula names its elements.")
    if aims["targets"] and not aimed:
        raise RequestError(
            f"the proposer '{choice}' has no targets: use pigen, or leave --target out."
        )
    if aims["energy_guidance"] and not aimed:
        raise RequestError(
            f"the proposer '{choice}' has no energy guidance: use pigen, or leave "
            f"--energy-guidance out."
        )
    if "sizes" in deck.given:
        raise RequestError("--sizes goes with --de-novo: the formula has its own cells.")
    if "symmetry" in deck.given and not aimed:
        raise RequestError(
            f"the proposer '{choice}' has no --symmetry: use pigen, or name --space-groups."
        )
    place = _place(deck)
    cell = deck.cell
    defaulted = proposer == "mixed" and "proposer" not in deck.given
    if place.hosts and proposer == "mixed":
        proposer = "score"
    return call(
        place.formula,
        n=deck.n,
        max_atoms=deck.atoms,
        proposer=None if defaulted and deck.units else proposer,
        seed=deck.seed,
        host=place.hosts,
        formula_units=place.units,
        units=deck.units or (),
        cell=read_structures([cell])[0] if isinstance(cell, Path) else cell,
        volume=deck.volume,
        space_groups=deck.space_groups,
        pressure=deck.pressure,
        options={**aims, "symmetry": deck.symmetry, **choice.options} if aimed else None,
        context=ProposerContext(
            weights=deck.weights, sampler=deck_sampler(deck), device=deck.device
        ),
        workers=deck.workers,
    )
