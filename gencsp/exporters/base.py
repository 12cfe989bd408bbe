"""The contract of exporters to other CSP codes, and the base of those of gencsp."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from ase import Atoms

from gencsp.composition import Composition
from gencsp.deck import Pressure, check
from gencsp.errors import ExportError
from gencsp.exporters.folder import new_folder
from gencsp.exporters.origin import SeedMap
from gencsp.exporters.results import Found, read_back
from gencsp.exporters.selection import Batch, LeftOut, Rules, SeedStructure, choose
from gencsp.io.pools import Failure
from gencsp.plugins import Configured, Registry

__all__ = ["Batch", "ExportReport", "Exporter", "LeftOut", "Rules", "SeedExporter", "SeedStructure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written, and what was not.

    Attributes:
        code: name of the exporter.
        folder: where to.
        composition: reduced formula of all seeds.
        seeds: the seed structures written, in the order of the pool.
        left_out: structures that the code would refuse, with the reason.
        start: what to do next, in words.
    """

    code: str
    folder: Path
    composition: Composition
    seeds: tuple[SeedStructure, ...]
    left_out: tuple[LeftOut, ...]
    start: str


@runtime_checkable
class Exporter(Protocol):
    """Writes a pool as input of another code and reads the results of that code.

    ``write`` makes a new folder, whole or not at all; ``read_results`` reads the folder once the
    code has run in it.
    """

    @property
    def name(self) -> str:
        """Of the code."""
        ...

    def write(
        self,
        pool: Iterable[Atoms],
        folder: Path | str,
        *,
        formula: str | None = None,
        atoms: int | None = None,
        fit: bool = False,
        pressure: float | None = None,
    ) -> ExportReport:
        """Write seeds, a minimal deck and the map from seed to structure id.

        Args:
            pool: structures of one composition, or of several with ``formula``.
            folder: a new or empty one.
            formula: the composition to write; others are left out.
            atoms: atoms in a cell; those of another size are left out.
            fit: make supercells, or take primitive cells, to reach ``atoms``.
            pressure: of the search, GPa; ``None`` for that under which the pool was relaxed.

        Raises:
            ExportError: no structure can be written, or the pool has several compositions or
                pressures.
            RequestError: a pressure out of its range.
            CompositionError: ``formula`` cannot be read.
            StoreError: the folder holds something, cannot be written, or is full.
        """
        ...

    def read_results(self, folder: Path | str) -> Iterator[Atoms]:
        """Relaxed structures of the code, with provenance and, where found, energy in eV.

        Raises:
            StructureFileError: there are no results, or they cannot be read.
        """
        ...


class SeedExporter(Configured):
    """Base of exporters, see :class:`Exporter`.

    Options are checked fields of the class, set once.

    Attributes:
        name: of the code.
        rules: what the code accepts.
        start: how to start the code, in words.
        takes_pressure: its search can be under pressure, which the deck sets.
        gives_enthalpies: what it says of structures under pressure are enthalpies, not energies.
    """

    kind: ClassVar[str] = "exporter"
    rules: ClassVar[Rules] = Rules()
    start: ClassVar[str]
    takes_pressure: ClassVar[bool] = True
    gives_enthalpies: ClassVar[bool] = False

    def write_files(self, batch: Batch, folder: Path) -> list[str]:
        """Write seeds and deck of a batch; returns for each seed the file that holds it."""
        raise NotImplementedError

    def find_results(self, folder: Path, seeds: SeedMap) -> Iterator[Found | Failure]:
        """What a folder holds once the code has run in it; a failure for what cannot be read."""
        raise NotImplementedError

    def next_step(self, batch: Batch) -> str:
        """How to start the code with a batch, in words."""
        if self.takes_pressure or not batch.pressure:
            return self.start
        return (
            f"{self.start} It searches without pressure: the {batch.pressure:g} GPa of the seeds "
            f"have no place in its deck."
        )

    def write(
        self,
        pool: Iterable[Atoms],
        folder: Path | str,
        *,
        formula: str | None = None,
        atoms: int | None = None,
        fit: bool = False,
        pressure: float | None = None,
    ) -> ExportReport:
        """See :class:`Exporter`."""
        check("pressure", pressure, Pressure | None)
        target = Path(folder).absolute()
        batch, left_out = choose(
            list(pool),
            self.rules,
            code=self.name,
            home=target,
            formula=None if formula is None else Composition.parse(formula),
            atoms=atoms,
            fit=fit,
            pressure=pressure,
        )
        with new_folder(target) as aside:
            files = self.write_files(batch, aside)
            SeedMap.of(self.name, batch, files, left_out).write(aside)
        return ExportReport(
            code=self.name,
            folder=Path(folder),
            composition=batch.composition,
            seeds=batch.seeds,
            left_out=left_out,
            start=self.next_step(batch),
        )

    def read_results(self, folder: Path | str) -> Iterator[Atoms]:
        """See :class:`Exporter`."""
        yield from read_back(
            Path(folder),
            code=self.name,
            find=self.find_results,
            takes_pressure=self.takes_pressure,
            gives_enthalpies=self.gives_enthalpies,
        )


#: All exporters, by name of their code.
EXPORTERS: Registry[Exporter] = Registry(
    "gencsp.exporters", kind="exporter", contract=Exporter, error=ExportError
)
