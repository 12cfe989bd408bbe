"""Refinement as one call: guests out, symmetry, guests in again, relaxation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ase import Atoms

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.hull import Hull
from gencsp.deck import Count, Seed, Workers, check
from gencsp.io.structures import atoms_of, name_of
from gencsp.minimise import RelaxSettings
from gencsp.potentials.chgnet.select import EngineName
from gencsp.potentials.registry import PotentialGiven
from gencsp.provenance import Provenance, Stage
from gencsp.runs.objects import carried, chosen, potential_part
from gencsp.runs.parts import INPAINTER, NamedProposer, NamedRelaxer, run_executor
from gencsp.searches.cycle import Cycle
from gencsp.searches.progress import CycleProgress
from gencsp.searches.settings import CycleSettings
from gencsp.store import Finished, MemoryStore
from gencsp.store.base import portable


def refine(
    structures: Iterable[Atoms] | Atoms,
    *,
    guests: Iterable[str] | None = None,
    inpaintings: int = 3,
    seed: int = 0,
    fmax: float = 0.1,
    steps: int = 200,
    pressure: float = 0.0,
    keep_symmetry: bool = False,
    weights: Path | None = None,
    engine: EngineName = "auto",
    potential: PotentialGiven = "chgnet",
    entries: Path | None = None,
    workers: int = 1,
    report: Callable[[CycleProgress], None] | None = None,
) -> list[Atoms]:
    """Take the guests out, symmetrise the framework, inpaint the guests, relax (CHGGen, Fig. 3).

    Args:
        structures: relaxed crystals, of one composition or several, or one of them.
        guests: species to inpaint; ``None`` takes, for each composition, the species with the
            broadest local environments.
        inpaintings: structures to inpaint into each framework.
        seed: the same seed gives the same structures.
        fmax: eV/Å.
        steps: most minimiser steps.
        pressure: GPa.
        keep_symmetry: keep the symmetry of inpainted structures while they relax.
        weights: score model; ``None`` for the one that ships with gencsp.
        engine: relaxation engine.
        potential: by name, an ASE calculator, a function that returns one, or an object; see
            :func:`gencsp.potentials.get_potential`.
        entries: hull entries of your own, made with that potential.
        workers: processes of one thread each.
        report: called after each step.

    Returns:
        The refined structures that converged, of each composition by decomposition energy; their
        ``parents`` are the ids of the structures given, or their places where they have none.

    Raises:
        RequestError: guests that are not in a structure, no host atoms left, or a setting out of
            range.
        WeightsError, EngineError, HullReferenceError: a model or a reference that is missing.
    """
    check("workers", workers, Workers)
    check("inpaintings", inpaintings, Count)
    check("seed", seed, Seed)
    relaxation = RelaxSettings(fmax=fmax, steps=steps, pressure=pressure)
    reference = Hull.load(entries)
    part = potential_part(potential)
    relaxer = NamedRelaxer(engine, chosen(part))
    reference.require_model(relaxer.load().model)
    given = None if guests is None else tuple(guests)
    numbered = _as_relaxed(structures)
    names = {start.info[records.STRUCTURE_ID]: name for name, start in numbered}
    groups: dict[Composition, list[Atoms]] = {}
    for _, start in numbered:
        groups.setdefault(Composition.of(start).alphabetical, []).append(start)
    plans = [
        CycleSettings(
            composition=composition,
            guests=given,
            max_atoms=max(map(len, group)),
            seed=seed,
            inpaintings=inpaintings,
            relax=relaxation,
            keep_symmetry=keep_symmetry,
        )
        for composition, group in groups.items()
    ]
    refined: list[Atoms] = []
    with run_executor(carried({"potential": part}), "local", workers=workers) as executor:
        for settings in plans:
            store = MemoryStore()
            group = tuple(groups[settings.composition])
            store.finish(f"{Stage.RELAXED}-0000", Finished(structures=group))
            cycle = Cycle(
                settings,
                proposer=NamedProposer(INPAINTER, weights),
                inpainter=NamedProposer(INPAINTER, weights),
                relaxer=relaxer,
                hull=reference,
                store=store,
                executor=executor,
            )
            for progress in cycle.irun(begin=Stage.FRAMEWORK):
                if report is not None:
                    report(progress)
            refined.extend(cycle.ranking())
    for atoms in refined:
        # What lies between is not handed over: name the structure given instead.
        number = str(atoms.info[records.STRUCTURE_ID])[1:].partition(".")[0]
        atoms.info[records.PARENTS] = names[f"r{number}"]
    return refined


def _as_relaxed(structures: Iterable[Atoms] | Atoms) -> list[tuple[str, Atoms]]:
    """What each structure was called, and a bare copy with a place of its own in this run."""
    numbered = []
    for number, atoms in enumerate(atoms_of(structures)):
        before = Provenance.read(atoms)
        copy = portable(atoms)
        copy.calc = None
        copy.info = {}
        Provenance(
            structure_id=f"r{number:04d}",
            proposer="files" if before is None else before.proposer,
            model="" if before is None else before.model,
            stage=Stage.RELAXED,
        ).write(copy)
        numbered.append((name_of(atoms, number), copy))
    return numbered
