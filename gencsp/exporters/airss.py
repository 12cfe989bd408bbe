"""AIRSS: seeds in ``hopper/``, a cell and a param file, results in ``good_castep/``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import combinations_with_replacement
from pathlib import Path

from ase import Atoms
from ase.geometry import cell_to_cellpar

from gencsp.errors import StructureFileError
from gencsp.exporters.base import Batch, Rules, SeedExporter, SeedStructure
from gencsp.exporters.cells import wrap
from gencsp.exporters.origin import SeedMap
from gencsp.exporters.results import Found, attempt
from gencsp.io.content import decode, read_bytes
from gencsp.io.pools import Failure
from gencsp.io.res import parse_res, split_res
from gencsp.symmetry.refinement import space_group
from gencsp.symmetry.tolerances import ANGLE_TOLERANCE, SYMPREC

_TAG = re.compile(r"[^-]+-(seed\d+)")

#: Where runs leave what they relaxed; hopper and bad_castep hold none of it.
RESULTS = ("good_castep", ".")

#: Share of the shortest distances of the pool that random cells must keep.
KEPT = 0.8

_PARAM = """task               : geometryoptimisation
xc_functional      : PBE
cut_off_energy     : 340 eV
fix_occupancy      : false
mixing_scheme      : Pulay
geom_method        : LBFGS
geom_max_iter      : 20
opt_strategy       : speed
num_dump_cycles    : 0
write_checkpoint   : none
"""


def _write(batch: Batch, folder: Path) -> list[str]:
    root = batch.composition.formula
    hopper, cells = folder / "hopper", folder / "cells"
    hopper.mkdir()
    cells.mkdir()
    (folder / f"{root}.cell").write_text(_random_cell(batch))
    (folder / f"{root}.param").write_text(_PARAM)
    files = []
    for seed in batch.seeds:
        name = f"{root}-{seed.name}"
        enthalpy = batch.enthalpy(seed) or 0.0
        (hopper / f"{name}.res").write_text(
            write_res(seed.atoms, name, energy=enthalpy, pressure=batch.pressure)
        )
        (cells / f"{name}.cell").write_text(_exact_cell(seed))
        files.append(f"hopper/{name}.res")
    return files


def _random_cell(batch: Batch) -> str:
    """Settings for CASTEP that ``crud.pl`` gives to every seed, and random cells for ``airss.pl``.

    ``buildcell`` reads the least distance of all pairs first, then those of single pairs.
    """
    species = ",".join(f"{symbol}%NUM={n}" for symbol, n in batch.composition.counts)
    units = ",".join(map(str, batch.units))
    pressure = f"{batch.pressure:g}"
    least = batch.least_distances(KEPT)
    elements = batch.composition.elements
    pairs = " ".join(
        f"{one}-{other}={least[one, other]:.2f}"
        for one, other in combinations_with_replacement(elements, 2)
    )
    return (
        f"#VARVOL={batch.volume_per_unit:.3f}\n"
        f"#SPECIES={species}\n"
        f"#NFORM={{{units}}}\n"
        "#SYMMOPS=1-4\n"
        "#SLACK=0.25\n"
        f"#MINSEP={min(least.values()):.2f} {pairs}\n"
        "KPOINTS_MP_SPACING 0.07\n"
        "SYMMETRY_GENERATE\n"
        "SNAP_TO_SYMMETRY\n"
        "%BLOCK SPECIES_POT\nQC5\n%ENDBLOCK SPECIES_POT\n"
        f"%BLOCK EXTERNAL_PRESSURE\n{pressure} 0 0\n{pressure} 0\n{pressure}\n"
        "%ENDBLOCK EXTERNAL_PRESSURE\n"
    )


def _exact_cell(seed: SeedStructure) -> str:
    """A cell that ``buildcell`` passes through as it is; by default it would randomise it."""
    lattice = "\n".join(" ".join(f"{x:.12f}" for x in row) for row in seed.atoms.cell.array)
    scaled = wrap(seed.atoms.get_scaled_positions())
    places = "\n".join(
        f"{symbol} " + " ".join(f"{x:.12f}" for x in row)
        for symbol, row in zip(seed.atoms.symbols, scaled, strict=True)
    )
    return (
        f"%BLOCK LATTICE_CART\n{lattice}\n#FIX\n%ENDBLOCK LATTICE_CART\n"
        f"%BLOCK POSITIONS_FRAC\n{places}\n%ENDBLOCK POSITIONS_FRAC\n"
        "#POSAMP=0\n"
    )


def write_res(atoms: Atoms, name: str, *, energy: float, pressure: float = 0.0) -> str:
    """A ``.res`` file whose TITL is in the order that ``cryan`` reads.

    Args:
        atoms: grouped by species, in a right-handed cell.
        name: without blanks or parentheses.
        energy: eV per cell; an enthalpy where there is a pressure.
        pressure: GPa.
    """
    species = list(dict.fromkeys(atoms.get_chemical_symbols()))
    lengths_and_angles = " ".join(f"{x:.9f}" for x in cell_to_cellpar(atoms.cell.array))
    scaled = wrap(atoms.get_scaled_positions())
    group = space_group(atoms, symprec=SYMPREC, angle_tolerance=ANGLE_TOLERANCE)
    symbol = group.symbol.replace("_", "")
    lines = [
        f"TITL {name} {pressure:.4f} {atoms.cell.volume:.6f} {energy:.8f} 0.00 0.00 "
        f"{len(atoms)} ({symbol}) n - 1",
        "REM seed from gencsp",
        f"CELL 1.54180 {lengths_and_angles}",
        "LATT -1",
        f"SFAC {' '.join(species)}",
    ]
    for element, row in zip(atoms.symbols, scaled, strict=True):
        place = " ".join(f"{x:.12f}" for x in row)
        lines.append(f"{element} {species.index(element) + 1} {place} 1.0")
    return "\n".join([*lines, "END"]) + "\n"


def _find(folder: Path, seeds: SeedMap) -> Iterator[Found | Failure]:
    for place in RESULTS:
        for path in sorted((folder / place).glob("*.res")):
            try:
                parts = split_res(decode(read_bytes(path)))
            except StructureFileError as error:
                yield Failure(str(path), str(error))
                continue
            # A file may be packed: cryan and users join many into one.
            for part in parts:
                yield from attempt(path, partial(_result, part, path, seeds))


def _result(text: str, path: Path, seeds: SeedMap) -> Found:
    found = parse_res(text, where=str(path))
    # A relaxed seed keeps its name, now and then with an ending of its own.
    tag = _TAG.match(found.name)
    seed = tag[1] if tag is not None and seeds.find(tag[1]) else None
    return Found(atoms=found.atoms, name=found.name, energy=found.enthalpy, seed=seed)


class Airss(SeedExporter):
    """Seeds for AIRSS; see :class:`~gencsp.exporters.base.Exporter`."""

    name = "airss"
    gives_enthalpies = True
    rules = Rules()
    start = (
        "run 'crud.pl -mpinp N' in the folder: it relaxes every seed in hopper/ with CASTEP on N "
        "cores, with {root}.cell and {root}.param beside it, and leaves them in good_castep/; then "
        "'airss.pl -seed {root} -pressure {pressure:g} -mpinp N' goes on with random cells, which "
        "reads no hopper."
    )

    def next_step(self, batch: Batch) -> str:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return self.start.format(root=batch.composition.formula, pressure=batch.pressure)

    def write_files(self, batch: Batch, folder: Path) -> list[str]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _write(batch, folder)

    def find_results(self, folder: Path, seeds: SeedMap) -> Iterator[Found | Failure]:
        """See :class:`~gencsp.exporters.base.SeedExporter`."""
        return _find(folder, seeds)
