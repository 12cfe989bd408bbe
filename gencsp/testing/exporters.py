"""Whether an exporter keeps its contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ase import Atoms

from gencsp import records
from gencsp.errors import StoreError, StructureFileError
from gencsp.exporters.base import Exporter
from gencsp.exporters.origin import read_map
from gencsp.provenance import Provenance
from gencsp.testing.common import require, require_crystal, untouched


def check_exporter(
    exporter: Exporter, pool: Sequence[Atoms], folder: Path, run: Callable[[Path], object]
) -> None:
    """Check an exporter against :class:`~gencsp.exporters.base.Exporter`.

    It writes every seed that it says it wrote, with the map of their origins, into a new folder and
    into no other; it says so where there are no results; what it reads back has provenance, and
    relaxed seeds name the structure of the pool that they were.

    Args:
        exporter: the exporter.
        pool: structures of one composition, with a ``structure_id`` in their ``info``.
        folder: a folder that does not exist.
        run: leaves in that folder what the code leaves, with at least one relaxed seed.

    Raises:
        AssertionError: what is wrong, in one sentence.
    """
    require(
        isinstance(exporter, Exporter),
        f"{type(exporter).__name__} is no exporter: it needs 'name', 'write' and 'read_results'.",
    )
    who = f"the exporter '{exporter.name}'"
    with untouched(pool, who):
        report = exporter.write(pool, folder)
    require(report.code == exporter.name, f"{who} signs its report '{report.code}'.")
    require(report.start.strip(), f"{who} does not say how its code is started.")
    told = len(report.seeds) + len(report.left_out)
    require(told == len(pool), f"{who} accounts for {told} of {len(pool)} structures.")
    seeds = read_map(folder).seeds
    require(len(seeds) == len(report.seeds), f"{who} maps {len(seeds)} seeds of those it wrote.")
    for seed in seeds:
        there = (folder / seed.file).is_file()
        require(there, f"{who} says that {seed.file} holds a seed, and has written no such file.")
    _refuses(lambda: exporter.write(pool, folder), StoreError, f"{who} writes over a folder")
    _refuses(
        lambda: list(exporter.read_results(folder)),
        StructureFileError,
        f"{who} finds results where the code has not run",
    )
    run(folder)
    _check_results(list(exporter.read_results(folder)), pool, who)


def _check_results(found: Sequence[Atoms], pool: Sequence[Atoms], who: str) -> None:
    require(found, f"{who} reads no results.")
    known = {str(atoms.info[records.STRUCTURE_ID]) for atoms in pool}
    ids, traced = set(), 0
    for atoms in found:
        require_crystal(atoms, who)
        provenance = Provenance.read(atoms)
        require(provenance is not None, f"{who} reads a structure without provenance.")
        assert provenance is not None, "required above"
        require(provenance.structure_id not in ids, f"{who} gives two results one id.")
        ids.add(provenance.structure_id)
        origin = provenance.parents
        require(not origin or origin in known, f"{who} traces a result to '{origin}', no seed.")
        traced += bool(origin)
    require(traced, f"{who} traces none of {len(found)} results to its seed.")


def _refuses(call: Callable[[], object], error: type[Exception], sentence: str) -> None:
    try:
        call()
    except error:
        return
    raise AssertionError(f"{sentence}: it must raise {error.__name__}.")
