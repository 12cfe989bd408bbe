"""Opens a cycle that keeps a known host and begins at inpainting its guests."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ase import Atoms

from gencsp import records
from gencsp.convex_hull.end_members import is_system
from gencsp.convex_hull.under_pressure import ReferenceReport
from gencsp.errors import RequestError
from gencsp.intercalation.sites import digest_of
from gencsp.provenance import Provenance, Stage
from gencsp.runs.cycle import cycle_settings, open_cycles
from gencsp.runs.decks import OF_GENERATION, CycleDeck
from gencsp.runs.hosts import hosts_of
from gencsp.runs.objects import Carried
from gencsp.runs.units import units_of_cycle
from gencsp.searches import tasks
from gencsp.searches.cycle import Cycle
from gencsp.store import Finished
from gencsp.store.base import portable
from gencsp.symmetry.ladder import HOST

#: The task that holds the hosts.
TASK = f"{Stage.FRAMEWORK}-0000"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """A cycle in hosts, before models are loaded.

    Attributes:
        deck: with the formula of host and guests, the guests, and the folder of the run.
        hosts: without guests.
        size: atoms of host and guests in a cell.
        said: what was read and made, a sentence for each.
    """

    deck: CycleDeck
    hosts: tuple[Atoms, ...]
    size: int
    said: tuple[str, ...]


def plan_host_cycle(deck: CycleDeck) -> HostPlan:
    """Read the host of a deck, and find its guests.

    Raises:
        RequestError: a system in the place of a formula, or a setting of what a host takes the
            place of; and as :func:`gencsp.runs.hosts.hosts_of`.
        StructureFileError, CompositionError: as :func:`gencsp.runs.hosts.hosts_of`.
    """
    _refuse_generation(deck)
    host: Path | Atoms
    host = deck.host.open() if isinstance(deck.host, Carried) else deck.host
    found = hosts_of(
        host,
        formula=deck.formula,
        guests=deck.guests,
        max_atoms=deck.atoms,
        order=deck.order,
        order_atoms=deck.order_atoms,
        seed=deck.seed,
        order_by=deck.order_by,
        potential=deck.potential,
        engine=deck.engine,
        device=deck.device,
    )
    completion = found.completion
    formula = completion.composition.formula
    name = host.name.partition(".")[0] if isinstance(host, Path) else "host"
    whole = deck.model_copy(
        update={
            "formula": formula,
            "guests": completion.guests,
            # Nothing is generated: what completes the hosts is all there is.
            "proposer": deck.inpainter,
            "out": deck.out or Path("runs") / f"{formula}-in-{name}-{deck.seed}",
        }
    )
    return HostPlan(deck=whole, hosts=completion.hosts, size=completion.size, said=found.said)


@contextmanager
def open_host_cycle(
    plan: HostPlan,
    *,
    in_memory: bool = False,
    on_reference: ReferenceReport | None = None,
    executor: Executor | None = None,
) -> Iterator[Cycle]:
    """A cycle that begins at inpainting, ready to run or to continue.

    Each host is a framework. It is given the space group that it has at 0.1 Å and one degree, and
    stays as it is where it has none, since it is known. The structures to generate are shared among
    the hosts.

    Args:
        plan: see :func:`plan_host_cycle`.
        in_memory: see :func:`gencsp.runs.cycle.open_cycle`.
        on_reference: see :func:`gencsp.runs.cycle.open_cycle`.
        executor: see :func:`gencsp.runs.cycle.open_cycle`.

    Raises:
        GencspError: as :func:`gencsp.runs.cycle.open_cycle`.
    """
    deck = plan.deck
    whole = deck.model_copy(update={"atoms": max(deck.atoms, plan.size), "order": None})
    settings = replace(cycle_settings(whole), ladder=HOST, inpainted=deck.n)
    with open_cycles(
        deck,
        [settings],
        in_memory=in_memory,
        on_reference=on_reference,
        executor=executor,
        host=digest_of(plan.hosts),
    ) as opened:
        (cycle,) = opened.cycles
        if cycle.store.get(TASK) is None:
            cycle.store.finish(TASK, _frameworks(plan))
        # Leaves the cycle at this stage, from which its caller goes on.
        next(cycle.irun(begin=Stage.INPAINTED))
        yield cycle


def _frameworks(plan: HostPlan) -> Finished:
    """What the stage before inpainting makes of the hosts."""
    named = []
    for number, host in enumerate(plan.hosts):
        copy = portable(host)
        copy.info = {}
        Provenance(
            structure_id=f"h{number:04d}",
            proposer="files",
            seed=plan.deck.seed,
            stage=Stage.RELAXED,
        ).write(copy)
        named.append(copy)
    finished = tasks.frameworks(named, guests=(), ladder=HOST)
    for made, host in zip(finished.structures, plan.hosts, strict=True):
        about = dict(host.info)
        made.info |= {records.PARENTS: about.pop(records.STRUCTURE_ID), **about}
    return finished


def _refuse_generation(deck: CycleDeck) -> None:
    units_of_cycle(deck)  # a host has none
    if is_system(deck.formula):
        raise RequestError(
            f"{deck.formula} is a system, and a host has one composition: give a formula, or leave "
            f"it out where the host has its guests."
        )
    given = [f"--{name}" for name in OF_GENERATION if name in deck.given]
    if given:
        raise RequestError(
            f"with a host nothing is generated, symmetrised by rising tolerances or shared among "
            f"compositions: leave out {', '.join(given)}; -n is the number of structures to "
            f"inpaint, and --inpainter says how."
        )
