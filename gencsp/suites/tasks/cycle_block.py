"""What a worker does for a block of a suite of cycles: one small cycle, whole."""

from __future__ import annotations

import time

from ase import Atoms

from gencsp import records
from gencsp.executors import ThisProcess
from gencsp.filters.hull_energy import load_hull
from gencsp.provenance import Stage
from gencsp.runs.cycle import cycle_parts, cycle_settings
from gencsp.runs.decks import CycleDeck
from gencsp.searches.cycle import Cycle
from gencsp.searches.runner import TaskOutput
from gencsp.searches.tasks import cached_make
from gencsp.store import MemoryStore
from gencsp.store.base import Finished, portable

#: Stages that structures are made and relaxed in before anything is inpainted.
UNCONDITIONAL = (Stage.GENERATED, Stage.RELAXED)
#: What joins the ids of the structures that one was made of.
_JOIN = ";"


def run_cycle(deck: CycleDeck, name: str, *, inpaint: bool) -> TaskOutput:
    """Run a cycle in this process.

    Args:
        deck: its settings.
        name: of the part, which stands before the ids of its structures.
        inpaint: go on after the unconditional structures have been relaxed.

    Returns:
        The structures of all stages; the first one has the processor time of all of them.

    Raises:
        GencspError: as :func:`gencsp.runs.cycle.open_cycle`.
    """
    makers = cycle_parts(deck)
    for maker in makers:
        cached_make(maker)
    proposer, inpainter, relaxer = makers
    begun, used = time.perf_counter(), time.process_time()
    with ThisProcess() as executor:
        cycle = Cycle(
            cycle_settings(deck),
            proposer=proposer,
            inpainter=inpainter,
            relaxer=relaxer,
            hull=load_hull(None),
            store=MemoryStore(),
            executor=executor,
        )
        for step in cycle.irun():
            if not inpaint and step.stage is Stage.RELAXED and step.done == step.total:
                break
    stages = UNCONDITIONAL if not inpaint else tuple(Stage)
    found = [_named(atoms, name) for stage in stages for atoms in cycle.structures(stage)]
    if found:
        found[0].info[records.PROCESSOR_SECONDS] = time.process_time() - used
    finished = Finished(structures=tuple(found), failures=dict(cycle.failures()))
    return TaskOutput(results=(finished,), seconds={"cycle": time.perf_counter() - begun})


def _named(atoms: Atoms, name: str) -> Atoms:
    """A copy with ids that no other part has."""
    copy = portable(atoms)
    info = copy.info
    parents = str(info.get(records.PARENTS, "")).split(_JOIN)
    info[records.STRUCTURE_ID] = f"{name}:{info[records.STRUCTURE_ID]}"
    info[records.PARENTS] = _JOIN.join(f"{name}:{parent}" for parent in parents if parent)
    return copy
