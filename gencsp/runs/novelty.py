"""Whether relaxed crystals are known, by the references and prototypes that ship with gencsp."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache

from ase import Atoms

from gencsp import records
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
    aside (PIGEN, Methods, "Crystal structure prototype matching"). What these filters cannot judge,
    such as a cell of one plane of atoms, is not taken for new.
    """
    known = not _passes("novelty", atoms)
    # In turn: AFLOW's library takes ten seconds to load.
    name = next(filter(None, (_known_as(name, atoms) for name in PROTOTYPES)), "")
    atoms.info.pop(records.PROTOTYPE, None)
    if name:
        atoms.info[records.PROTOTYPE] = name
    atoms.info[records.NOVELTY] = KNOWN if known else NEW_CRYSTAL if name else NEW_FRAMEWORK
    return atoms


def judge_novelty(structures: Sequence[Atoms]) -> TaskOutput:
    """:func:`write_novelty` on copies, as a task."""
    begun = time.perf_counter()
    done = tuple(write_novelty(portable(atoms)) for atoms in structures)
    seconds = {"novelty": time.perf_counter() - begun}
    return TaskOutput(results=(Finished(structures=done, failures={}),), seconds=seconds)


def _passes(name: str, atoms: Atoms) -> bool:
    (verdict,) = _funnel(name).judge(atoms)
    return verdict.passed


def _known_as(name: str, atoms: Atoms) -> str:
    """The prototype that matches; empty where none does."""
    (verdict,) = _funnel(name).judge(atoms)
    return "" if verdict.passed else verdict.note.removeprefix("as ")


@cache
def _funnel(name: str) -> Funnel:
    """One filter, in the form that never ends over a structure."""
    options: dict[str, object] = {}
    if name == "prototypes":
        options["top"] = len(shipped_prototypes().names)
    return Funnel(((name, options),))
