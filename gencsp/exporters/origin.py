"""The map from seed structures to their origin: ``gencsp-seeds.json`` in every export."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from gencsp.errors import StructureFileError
from gencsp.provenance import Provenance, Stage

if TYPE_CHECKING:
    from gencsp.exporters.selection import Batch, LeftOut

MAP = "gencsp-seeds.json"

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRecord:
    """Where one seed comes from.

    Attributes:
        seed: its name in this export: letters and digits.
        file: the file that holds it, relative to the folder of the export.
        structure_id: of the structure in the pool, or its place there.
        changes: what was done to it.
        provenance: as the pool had it, or ``None`` for a structure from elsewhere.
    """

    seed: str
    file: str
    structure_id: str
    changes: tuple[str, ...] = ()
    provenance: Provenance | None = None


@dataclass(frozen=True, kw_only=True)
class SeedMap:
    """All seeds of an export, in order, and what was left out.

    Attributes:
        code: name of the exporter.
        composition: reduced formula of the seeds.
        pressure: of the search that they were written for, GPa.
        seeds: in the order of the pool.
        left_out: id of each structure that was not written, and why.
    """

    code: str
    composition: str
    pressure: float = 0.0
    seeds: tuple[SeedRecord, ...] = ()
    left_out: tuple[Mapping[str, str], ...] = ()

    @classmethod
    def of(cls, code: str, batch: Batch, files: Sequence[str], left_out: Sequence[LeftOut]) -> Self:
        """The map of a batch; ``files`` holds the file of each structure, in the batch's order."""
        return cls(
            code=code,
            composition=str(batch.composition),
            pressure=batch.pressure,
            seeds=tuple(
                SeedRecord(
                    seed=seed.name,
                    file=file,
                    structure_id=seed.structure_id,
                    changes=seed.changes,
                    provenance=seed.provenance,
                )
                for seed, file in zip(batch.seeds, files, strict=True)
            ),
            left_out=tuple(asdict(one) for one in left_out),
        )

    def write(self, folder: Path) -> None:
        """Write the map into ``folder`` as JSON."""
        content = {"format": _FORMAT} | asdict(self)
        text = json.dumps(content, indent=1, ensure_ascii=False, default=_plain)
        (folder / MAP).write_text(text + "\n", encoding="utf-8")

    def find(self, seed: str) -> SeedRecord | None:
        """The record of a seed by its name."""
        return self._by_name.get(seed)

    def at(self, index: int) -> str | None:
        """Name of the seed at a place, counted from zero; ``None`` beyond the last."""
        return self.seeds[index].seed if 0 <= index < len(self.seeds) else None

    def of_file(self, name: str) -> str | None:
        """Name of the seed whose file has this name, in whatever folder."""
        return self._by_file.get(Path(name).name)

    @cached_property
    def _by_name(self) -> dict[str, SeedRecord]:
        return {record.seed: record for record in self.seeds}

    @cached_property
    def _by_file(self) -> dict[str, str]:
        return {Path(record.file).name: record.seed for record in self.seeds}


def read_map(folder: Path) -> SeedMap:
    """The map in a folder; an empty one where there is none, so that origins stay unknown.

    Raises:
        StructureFileError: there is one that cannot be read.
    """
    path = folder / MAP
    if not path.exists():
        return SeedMap(code="", composition="")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return SeedMap(
            code=content["code"],
            composition=content["composition"],
            pressure=float(content["pressure"]),
            seeds=tuple(_record(one) for one in content["seeds"]),
            left_out=tuple(content["left_out"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StructureFileError(
            f"{path} cannot be read as the map of an export: restore it, or remove it to read the "
            f"results without their origins."
        ) from error


def _plain(value: object) -> object:
    """Files of structures turn numbers into numpy's own."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} in the map of an export")


def _record(content: Mapping[str, Any]) -> SeedRecord:
    provenance = content["provenance"]
    if provenance is not None:
        provenance = Provenance(**(provenance | {"stage": Stage(provenance["stage"])}))
    return SeedRecord(
        **(dict(content) | {"provenance": provenance, "changes": tuple(content["changes"])})
    )
