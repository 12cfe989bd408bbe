"""``gencsp import``: results of another CSP code, with their origins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gencsp.cli.console import complain, end, require_folder, say, say_all, write_results
from gencsp.cli.options import HullOption
from gencsp.cli.tables import SHOWN, print_structures

if TYPE_CHECKING:
    from ase import Atoms


def import_results(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished run.", metavar="DIR")],
    code: Annotated[str, typer.Option("--from", help="Code: airss, uspex, calypso, ...")],
    model: Annotated[
        str | None,
        typer.Option(help="Model that made the energies, such as chgnet-0.3.0; unknown without."),
    ] = None,
    hull: HullOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("imported"),
) -> None:
    """Read what another code found; seeds are traced back to the structures that they were."""
    from gencsp import records

    require_folder(out)
    found, unreadable = _read(code, folder)
    for atoms in found:
        records.name_space_group(atoms)
        if atoms.calc is not None:
            records.write_energy(atoms, atoms.calc.results["energy"], model=model or "")
    _judge(found, model, hull)
    found.sort(key=records.results_first)
    said = write_results(
        out, "imported", found, also=lambda new: [_write_database(new, out, found)]
    )
    print_structures(found)
    from_seeds = sum(records.PARENTS in atoms.info for atoms in found)
    say(f"{from_seeds} of {len(found)} structures come from seeds")
    say_all(said)
    for reason in unreadable[:SHOWN]:
        complain(f"left out: {reason}")
    if len(unreadable) > SHOWN:
        complain(f"left out: {len(unreadable) - SHOWN} more that cannot be read.")
    end(len(unreadable))


def _read(code: str, folder: Path) -> tuple[list[Atoms], list[str]]:
    """The results of a code, and why others cannot be read."""
    import warnings

    from gencsp.errors import UnreadableResultWarning
    from gencsp.exporters import get_exporter

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UnreadableResultWarning)
        found = list(get_exporter(code).read_results(folder))
    return found, [str(warning.message) for warning in said]


def _judge(found: list[Atoms], model: str | None, entries: Path | None) -> None:
    """Decomposition energies, where the energies are known to be of the hull's own model."""
    from gencsp import records
    from gencsp.convex_hull.hull import Hull
    from gencsp.errors import HullReferenceError

    if model is None:
        complain(
            "no decomposition energies, because nothing says which model made these energies: "
            "name it with --model, or let 'gencsp hull' evaluate the structures with CHGNet."
        )
        return
    if entries is None and any(records.pressures(found)):
        complain(
            "no decomposition enthalpies: give references at the pressure of the run with --hull, "
            "or let 'gencsp hull' evaluate the structures with CHGNet, which makes them."
        )
        return
    reference = Hull.load(entries)
    reference.require_model(model)
    try:
        for atoms in found:
            records.write_decomposition_energy(atoms, reference)
    except HullReferenceError as error:
        complain(f"no decomposition energies: {error}")


def _write_database(new: Path, out: Path, found: list[Atoms]) -> str:
    """Write an ASE database of the same structures; returns what to say of it."""
    import tempfile

    from gencsp.store import DiskStore, Finished
    from gencsp.store.disk import DATABASE

    with tempfile.TemporaryDirectory(dir=new) as aside:
        with DiskStore(aside, {"kind": "import"}) as store:
            store.finish("import", Finished(structures=tuple(found)))
        (Path(aside) / DATABASE).replace(new / "imported.db")
    return f"wrote the same to {out / 'imported.db'}"
