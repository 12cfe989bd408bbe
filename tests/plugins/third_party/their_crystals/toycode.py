"""An exporter: seeds as extended XYZ, results as extended XYZ."""

from collections.abc import Iterator
from pathlib import Path

import ase.io
from pydantic import Field

from gencsp.errors import StructureFileError
from gencsp.exporters import SeedExporter
from gencsp.exporters.base import Batch
from gencsp.exporters.origin import SeedMap
from gencsp.exporters.results import Found
from gencsp.io.structures import write_extxyz


class Toycode(SeedExporter):
    """Writes NAME.xyz for each seed and a deck; reads relaxed-NAME.xyz."""

    name = "toycode"
    start = "run 'toycode deck.txt' in the folder."

    cycles: int = Field(default=10, ge=1, description="Cycles that the deck asks for.")

    def write_files(self, batch: Batch, folder: Path) -> list[str]:
        (folder / "deck.txt").write_text(f"cycles {self.cycles}\n")
        for seed in batch.seeds:
            write_extxyz(folder / f"{seed.name}.xyz", [seed.atoms])
        return [f"{seed.name}.xyz" for seed in batch.seeds]

    def find_results(self, folder: Path, seeds: SeedMap) -> Iterator[Found]:
        files = sorted(folder.glob("relaxed-*.xyz"))
        if not files:
            raise StructureFileError(f"there is nothing relaxed in {folder}: run toycode there.")
        for path in files:
            atoms = ase.io.read(path)
            seed = path.stem.removeprefix("relaxed-")
            energy = float(atoms.info["toy_energy"])
            yield Found(
                atoms=atoms,
                name=path.stem,
                energy=energy,
                seed=seed if seeds.find(seed) else None,
            )
