"""How ASE reads ``run.db``: ``ase.io.read("run.db", ":")`` gives structures with their ``info``.

ASE's own reader of databases leaves the key-value pairs and data of a row behind. ASE finds this
one through the entry point ``ase.ioformats``, whenever ``ase.io`` is imported; so nothing heavy is
imported here before a file is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ase.utils.plugins import ExternalIOFormat

if TYPE_CHECKING:
    from ase import Atoms

RUN_DATABASE = ExternalIOFormat(
    desc="Run of gencsp",
    code="+S",
    module="gencsp.store.ase_format",
    glob=["run.db", "imported.db"],
)


def read_gencsp_run(filename: str, index: Any = -1, **options: Any) -> Iterator[Atoms]:
    """The structures that ``index`` names, or that a query such as ``"stage=refined"`` selects.

    Databases of the same name that gencsp did not write are read too, their key-value pairs into
    ``info``.

    Args:
        filename: the database.
        index: a number, a slice, either of them as text, or a query.
        options: passed to ``ase.db.connect``.

    Raises:
        DamageError: gencsp wrote the database, and it does not hold what was written to it.
    """
    import ase.db
    from ase.io.formats import string2index

    from gencsp.store.digests import check_database
    from gencsp.store.rows import read_row

    check_database(Path(filename))
    chosen = index
    if isinstance(index, str):
        try:
            chosen = string2index(index)
        except ValueError:
            chosen = index
    with ase.db.connect(filename, type="db", serial=True, **options) as db:
        if isinstance(chosen, str):
            yield from (read_row(row) for row in db.select(chosen))
            return
        rows = list(db.select(sort="id"))
        for row in rows[chosen] if isinstance(chosen, slice) else [rows[chosen]]:
            yield read_row(row)


def write_gencsp_run(filename: str, images: Any, append: bool = False, **options: Any) -> None:
    """As ASE writes any database of another name; runs are written by gencsp alone."""
    from ase.io.db import write_db

    write_db(filename, images, append=append, type="db", **options)
