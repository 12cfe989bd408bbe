"""Where a structure comes from: flat keys in ``Atoms.info``, the same in every file and store.

Flat scalars survive extxyz, ``ase.db`` key-value pairs and JSON alike; nested ones do not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Self

from ase import Atoms


class Stage(StrEnum):
    """The steps of the cycle, in the order in which a structure passes them."""

    GENERATED = "generated"
    RELAXED = "relaxed"
    FRAMEWORK = "framework"
    INPAINTED = "inpainted"
    REFINED = "refined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The origin of one structure.

    Attributes:
        structure_id: unique within a run, the same whenever the run is repeated.
        proposer: name of the proposer that made it or its earliest ancestor.
        model: short hash of the weights of the model that made it, empty where there is none.
        seed: seed of the run, from which every random choice follows.
        parents: ids of the structures it was made from, joined by ``;``.
        stage: where in the cycle it stands.
    """

    structure_id: str
    proposer: str
    stage: Stage
    seed: int = -1
    model: str = ""
    parents: str = ""

    def child(self, structure_id: str, stage: Stage, **changes: Any) -> Self:
        """Provenance of a structure made from this one."""
        values = asdict(self) | {
            "structure_id": structure_id,
            "stage": stage,
            "parents": self.structure_id,
        }
        return type(self)(**(values | changes))

    def write(self, atoms: Atoms) -> Atoms:
        """Set the keys in ``atoms.info`` (changed in place) and return ``atoms``.

        Empty values are left out: ASE's extxyz reader takes ``key=`` and what follows it for one.
        """
        for key, value in asdict(self).items():
            atoms.info.pop(key, None)
            if value != "":
                atoms.info[key] = str(value) if isinstance(value, Stage) else value
        return atoms

    @classmethod
    def read(cls, atoms: Atoms) -> Self | None:
        """The provenance that ``atoms.info`` holds, or ``None`` for a structure from elsewhere."""
        if not {"structure_id", "proposer", "stage"} <= atoms.info.keys():
            return None
        if atoms.info["stage"] not in list(Stage):
            return None
        values = {f.name: atoms.info[f.name] for f in fields(cls) if f.name in atoms.info}
        # Files turn an id such as "12" into a number; ids are text everywhere in gencsp.
        for key in ("structure_id", "model", "parents"):
            if key in values:
                values[key] = str(values[key])
        return cls(**(values | {"stage": Stage(values["stage"])}))


def join_parents(ids: Iterable[str]) -> str:
    """Several parent ids as the one string that :class:`Provenance` keeps."""
    return ";".join(ids)
