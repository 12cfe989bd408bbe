"""Whether relaxed crystals are known, by the references and prototypes that ship with gencsp."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from math import isnan

from ase import Atoms

from gencsp import records
from gencsp.filters.base import Verdict
from gencsp.filters.funnel import Funnel
from gencsp.filters.prototypes import shipped_prototypes
from gencsp.searches.runner import TaskOutput
from gencsp.store.base import Finished, portable

NEW_FRAMEWORK, NEW_CRYSTAL, KNOWN = "new framework", "new crystal", "known crystal"
#: Filters that know frameworks.
PROTOTYPES = ("prototypes", "aflow_prototypes")
#: From the most novel to the least.
NOVELTIES = (NEW_FRAMEWORK, NEW_CRYSTAL, KNOWN)


def write_novelty(atoms: Atoms) -> Atoms:
    """Set ``novelty`` and ``prototype`` in ``info`` (changed in place); returns ``atoms``.

    A crystal is known where the filter ``novelty`` finds it among the reference crystals. Its
    framework is known where one of all the ranked prototypes or of AFLOW's matches it, species
    aside (PIGEN, Methods, "Crystal structure prototype matching"). Of what these filters cannot
    judge nothing is said.
    """
    for key in (records.NOVELTY, records.PROTOTYPE):
        atoms.info.pop(key, None)
    crystal = _verdict("novelty", atoms)
    verdicts = [crystal]
    for name in PROTOTYPES:
        # In turn: AFLOW's library takes ten seconds to load.
        if verdicts[-1] is crystal or verdicts[-1].passed:
            verdicts.append(_verdict(name, atoms))
    if any(isnan(one.value) for one in verdicts):
        return atoms
    framework = verdicts[-1]
    if not framework.passed:
        atoms.info[records.PROTOTYPE] = framework.note.removeprefix("as ")
    said = NEW_FRAMEWORK if framework.passed else NEW_CRYSTAL
    atoms.info[records.NOVELTY] = said if crystal.passed else KNOWN
    return atoms


def judge_novelty(structures: Sequence[Atoms]) -> TaskOutput:
    """:func:`write_novelty` on copies, as a task."""
    begun = time.perf_counter()
    done = tuple(write_novelty(portable(atoms)) for atoms in structures)
    seconds = {"novelty": time.perf_counter() - begun}
    return TaskOutput(results=(Finished(structures=done, failures={}),), seconds=seconds)


def _verdict(name: str, atoms: Atoms) -> Verdict:
    (verdict,) = _funnel(name).judge(atoms)
    return verdict


@cache
def _funnel(name: str) -> Funnel:
    """One filter, in the form that never ends over a structure."""
    options: dict[str, object] = {}
    if name == "prototypes":
        options["top"] = len(shipped_prototypes().names)
    return Funnel(((name, options),))
