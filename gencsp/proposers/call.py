"""Proposals in one call, for scripts."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from ase import Atoms
from ase.cell import Cell
from numpy.typing import ArrayLike

from gencsp import records
from gencsp.composition import Composition
from gencsp.deck import (
    CellAtoms,
    Count,
    Seed,
    SpaceGroupNumbers,
    UnitNumbers,
    Workers,
    check,
    one_or_many,
)
from gencsp.disorder.formulas import whole_formula
from gencsp.errors import RequestError, WrongTypeError
from gencsp.executors import LocalProcesses
from gencsp.io.structures import atoms_of
from gencsp.plugins import Choice
from gencsp.plugins.presets import PresetName, with_preset
from gencsp.proposers.base import Proposer, ProposerContext, Request
from gencsp.proposers.drawing import assign_ids, even_shares
from gencsp.proposers.registry import (
    ProposerGiven,
    block_of,
    get_proposer,
    label_of,
    maker_class,
    require_inpainter,
    with_options,
)
from gencsp.proposers.unit_choice import unit_texts, with_units

#: Structures that are proposed together, where a proposer does not say. Each block has a random
#: generator of its own, so that the structures are the same on any number of workers.
BLOCK = 16


def propose(
    formula: str,
    *,
    n: int = 20,
    max_atoms: int = 20,
    proposer: ProposerGiven | None = None,
    preset: PresetName | None = None,
    seed: int = 0,
    host: Atoms | Sequence[Atoms] | None = None,
    formula_units: int | str | Iterable[int] | None = None,
    units: str | Iterable[str] = (),
    cell: Cell | Atoms | ArrayLike | None = None,
    volume: float | None = None,
    space_groups: int | str | Iterable[int] | None = None,
    pressure: float = 0.0,
    options: Mapping[str, Any] | None = None,
    context: ProposerContext | None = None,
    workers: int = 1,
) -> Iterator[Atoms]:
    """Propose structures of a composition, lazily.

    The structures do not depend on ``workers``.

    Args:
        formula: such as ``Li5Si2``; one that is not in lowest terms, such as ``Na4Cl4``, is the
            cell that is asked for (without a host). One with broken numbers, such as
            ``Li0.388Ta0.238La0.475Cl3``, stands for the nearest cell of at most ``max_atoms``.
        n: how many.
        max_atoms: most atoms in a primitive cell (a host may have more).
        proposer: one of :func:`~gencsp.proposers.proposer_names`, with or without options
            (``random:attempts=5``), or the TOML deck of an external generator; or a proposer, or a
            function of a request and ``rng=`` that returns structures; ``None`` for that of the
            preset, or ``mixed``.
        preset: proposer, sampler and volume of a published method, see
            :mod:`gencsp.plugins.presets`; what is given beside it takes their place.
        seed: the same seed gives the same structures.
        host: structure whose atoms and cell stay, to be completed to the composition; several, such
            as ordered cells of a disordered crystal, share the structures evenly.
        formula_units: formula units, as written, in a cell: one number, several, or a text of them
            with commas; ``None`` allows all that fit.
        units: rigid units of the formula, by name or file, also as a text with commas: ``"NH2"``.
            The proposer must place units; it is ``units-random`` where none is named.
        cell: fixed cell, or a structure that has it; ``None`` draws one.
        volume: Å³/atom; ``None`` predicts it, at the pressure.
        space_groups: number, or numbers to draw from, also as a text with commas, for proposers
            with symmetry.
        pressure: GPa; the crystals have the volume that is likely there. Those of ``pool`` and of
            external generators stay as they are.
        options: of the proposer's own, such as ``{"separation": 0.5}``.
        context: settings that all proposers share, such as weights and sampler.
        workers: processes of one thread each; with one, this process does the work, as it always
            does where the proposer is an object, hands out files or starts a program.

    Yields:
        Crystals with exactly the composition asked for and their provenance in ``info``.

    Raises:
        CompositionError, RequestError: the formula cannot be read, or the parts disagree.
        InpainterError: a host, and a proposer that makes whole crystals alone.
        DeckError: an option is unknown or out of range.
        WeightsError: the score model's weights are missing or damaged.

    Warns:
        NearestFormulaWarning: a formula with broken numbers, in whose place another is taken.
    """
    check("n", n, Count)
    check("max_atoms", max_atoms, CellAtoms)
    check("seed", seed, Seed)
    check("workers", workers, Workers)
    check("preset", preset, PresetName | None)
    context = context or ProposerContext()
    if preset is not None:
        place = {"pressure": pressure, "cell": cell is not None, "host": host is not None}
        settings = with_preset(
            {"preset": preset, "formula": formula, **place}, ("proposer", "volume")
        )
        proposer = settings["proposer"] if proposer is None else proposer
        volume = settings.get("volume") if volume is None else volume
        if context.sampler is None:
            from gencsp.proposers.sampling import preset_sampler

            context = replace(context, sampler=preset_sampler(preset))
    named = unit_texts(units if isinstance(units, str) else tuple(units))
    proposer = with_units(proposer, formula, named, options=options)
    hosts = () if host is None else tuple(atoms_of(host, what="hosts"))
    chosen = with_options(proposer, options)
    if host is not None:
        require_inpainter(chosen)
        if not hosts:
            raise RequestError("there is no host in what was given: give one, or leave it out.")
    counts, groups = one_or_many(formula_units), one_or_many(space_groups)
    check("formula_units", counts, UnitNumbers | None)
    check("space_groups", groups, SpaceGroupNumbers | None)
    written = Composition.parse(whole_formula(formula, max_atoms))
    composition = written.reduced
    largest = max([max_atoms, *(len(one) * composition.size for one in hosts)])
    request = Request(
        composition=composition,
        n=n,
        units=(composition if hosts else written).cell_units(largest, counts),
        cell=None if cell is None else _cell(cell),
        volume_per_atom=volume,
        space_groups=groups,
        pressure=pressure,
    )
    maker = get_proposer(proposer, options, context=context)
    blocks = [block for one in _with_hosts(request, hosts) for block in _blocks(chosen, one)]
    if workers == 1 or len(blocks) == 1:
        made = _in_turn(maker, blocks, seed)
    else:
        made = _side_by_side((proposer, options, context), blocks, seed, workers)
    with_ids = assign_ids(made, prefix=f"{composition}-{label_of(proposer)}-{seed}", seed=seed)
    return _with_pressure(with_ids, pressure) if pressure else with_ids


def _with_pressure(structures: Iterator[Atoms], pressure: float) -> Iterator[Atoms]:
    """The same, which say what pressure they were proposed for."""
    for atoms in structures:
        atoms.info[records.PRESSURE] = float(pressure)
        yield atoms


def _with_hosts(request: Request, hosts: Sequence[Atoms]) -> list[Request]:
    """The request for each host that gets a share of it, or as it is where there is none."""
    if not hosts:
        return [request]
    shares = even_shares(request.n, len(hosts))
    return [
        replace(request, host=host, n=share)
        for host, share in zip(hosts, shares, strict=True)
        if share
    ]


def _blocks(proposer: ProposerGiven, request: Request) -> list[Request]:
    """The request in parts, each for a call of its own."""
    size = request.n
    if isinstance(proposer, str | Mapping | Choice) and maker_class(proposer).divides:
        size = max(BLOCK, block_of(proposer) or 0)
    starts = range(0, request.n, size)
    return [
        replace(request, n=min(size, request.n - start), offset=request.offset + start)
        for start in starts
    ]


def _generator(seed: int, block: int) -> np.random.Generator:
    return np.random.default_rng([seed, block] if block else seed)


def _in_turn(maker: Proposer, blocks: Sequence[Request], seed: int) -> Iterator[Atoms]:
    for k, block in enumerate(blocks):
        yield from maker.propose(block, rng=_generator(seed, k))


def _side_by_side(
    given: tuple[Any, ...], blocks: Sequence[Request], seed: int, workers: int
) -> Iterator[Atoms]:
    """Blocks in their order, of which a few more than there are workers are under way."""
    packed = pickle.dumps(given)
    left = deque(enumerate(blocks))
    under_way: deque[Future[list[Atoms]]] = deque()
    with LocalProcesses(min(workers, len(blocks))) as executor:
        while left or under_way:
            while left and len(under_way) < 2 * workers:
                k, block = left.popleft()
                under_way.append(executor.submit(_block, packed, block, seed, k))
            yield from under_way.popleft().result()


def _block(packed: bytes, request: Request, seed: int, k: int) -> list[Atoms]:
    return list(_loaded(packed).propose(request, rng=_generator(seed, k)))


@lru_cache(maxsize=2)
def _loaded(packed: bytes) -> Proposer:
    """A proposer, made once in a process."""
    given, options, context = pickle.loads(packed)  # written by the process that calls
    return get_proposer(given, options, context=context)


def _cell(given: Cell | Atoms | ArrayLike) -> Cell:
    if isinstance(given, Atoms):
        return given.cell
    try:
        return Cell.ascell(given)
    except (TypeError, ValueError) as error:
        raise WrongTypeError(
            f"cell is a {type(given).__name__}: give an ase.Atoms, its cell, or three vectors in Å."
        ) from error
