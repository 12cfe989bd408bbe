"""What workers do in a series of guest contents: place guests, and relax with the host held."""

from __future__ import annotations

from collections.abc import Sequence

from ase import Atoms
from ase.constraints import FixAtoms

from gencsp import records
from gencsp.minimise.settings import RelaxSettings
from gencsp.proposers.base import Request
from gencsp.provenance import Stage
from gencsp.records import SymmetryTolerance
from gencsp.searches import tasks
from gencsp.searches.contracts import ProposerMaker, RelaxerMaker
from gencsp.searches.runner import TaskOutput
from gencsp.store.base import Finished


def place_and_relax(
    inpainter: ProposerMaker,
    relaxer: RelaxerMaker,
    request: Request,
    settings: RelaxSettings,
    *,
    held: bool,
    tolerance: SymmetryTolerance,
    seed: int,
    task: str,
    ids: Sequence[str],
) -> TaskOutput:
    """Inpaint guests into a host and relax what came of it; see :func:`relax_held`."""
    placed = tasks.propose(inpainter, request, seed=seed, task=task, ids=ids)
    relaxed = relax_held(
        relaxer,
        placed.structures,
        settings,
        held=held,
        stage=Stage.REFINED,
        tolerance=tolerance,
    )
    return TaskOutput(results=(placed, relaxed))


def relax_held(
    relaxer: RelaxerMaker,
    structures: Sequence[Atoms],
    settings: RelaxSettings,
    *,
    held: bool,
    stage: Stage,
    tolerance: SymmetryTolerance,
) -> Finished:
    """Relax structures, the host atoms of each (``host_atoms`` in ``info``) held where asked.

    Held atoms keep their fractional coordinates where the cell relaxes.
    """
    starts = []
    for atoms in structures:
        start = atoms.copy()
        if held:
            start.set_constraint(FixAtoms(range(int(atoms.info[records.HOST_ATOMS]))))
        starts.append(start)
    return tasks.relax(relaxer, starts, settings, stage=stage, tolerance=tolerance)


def relax_known(
    relaxer: RelaxerMaker,
    structures: Sequence[Atoms],
    settings: RelaxSettings,
    *,
    held: bool,
    tolerance: SymmetryTolerance,
) -> TaskOutput:
    """Relax structures whose guests are placed already; see :func:`relax_held`."""
    relaxed = relax_held(
        relaxer, structures, settings, held=held, stage=Stage.RELAXED, tolerance=tolerance
    )
    return TaskOutput(results=(relaxed,))
