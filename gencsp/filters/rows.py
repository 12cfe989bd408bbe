"""Tables of verdicts as CSV or Parquet, one row for each structure, written as they come."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from gencsp.composition import Composition
from gencsp.errors import DeckError
from gencsp.files import csv_cell
from gencsp.filters.funnel import Judged

if TYPE_CHECKING:
    import pyarrow

#: Rows that are written to a Parquet file at once.
GROUP = 10_000
Row = dict[str, Any]


class RowWriter(Protocol):
    """Takes one row at a time."""

    def write(self, judged: Judged) -> None:
        """Add the row of a structure, or of a source that could not be read."""
        ...


@contextmanager
def row_writer(
    path: Path, names: Sequence[str], *, kind: Literal["csv", "parquet"] = "csv"
) -> Iterator[RowWriter]:
    """A table of verdicts, one row for each structure.

    Its columns are name, formula, number of atoms, whether the structure passed and which filter
    it failed first, and for each filter whether it was passed, the value and the note.

    Args:
        path: of the file.
        names: of the filters.
        kind: format.

    Raises:
        DeckError: Parquet is wanted, and pyarrow is not installed.
    """
    if kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, _columns(names), lineterminator="\n")
            table.writeheader()
            yield _CsvWriter(table, names)
        return
    require_parquet()
    import pyarrow.parquet

    schema = _schema(names)
    with pyarrow.parquet.ParquetWriter(path, schema) as sink:
        writer = _ParquetWriter(sink, schema, names)
        yield writer
        writer.flush()


def require_parquet() -> None:
    """Raise ``DeckError`` unless pyarrow is installed."""
    if find_spec("pyarrow") is None:
        raise DeckError("Parquet needs pyarrow: pip install 'gencsp[parquet]', or choose csv.")


class _CsvWriter:
    def __init__(self, table: csv.DictWriter[str], names: Sequence[str]) -> None:
        self.table, self.names = table, names

    def write(self, judged: Judged) -> None:
        row = {k: "" if value is None else csv_cell(value) for k, value in _row(judged).items()}
        self.table.writerow({k: int(v) if isinstance(v, bool) else v for k, v in row.items()})


class _ParquetWriter:
    def __init__(
        self,
        sink: pyarrow.parquet.ParquetWriter,
        schema: pyarrow.Schema,
        names: Sequence[str],
    ) -> None:
        self.sink, self.schema, self.names = sink, schema, names
        self.waiting: list[Row] = []

    def write(self, judged: Judged) -> None:
        self.waiting.append(_row(judged))
        if len(self.waiting) == GROUP:
            self.flush()

    def flush(self) -> None:
        import pyarrow

        self.sink.write_table(pyarrow.Table.from_pylist(self.waiting, schema=self.schema))
        self.waiting.clear()


def _columns(names: Sequence[str]) -> list[str]:
    own = [name + part for name in names for part in ("", "_value", "_note")]
    return ["name", "formula", "atoms", "survived", "fell_at", "unreadable", *own]


def _schema(names: Sequence[str]) -> pyarrow.Schema:
    import pyarrow

    kinds = {"atoms": pyarrow.int32(), "survived": pyarrow.bool_()}
    for name in names:
        kinds |= {name: pyarrow.bool_(), f"{name}_value": pyarrow.float64()}
    return pyarrow.schema([(c, kinds.get(c, pyarrow.string())) for c in _columns(names)])


def _row(judged: Judged) -> Row:
    """None where there is nothing to say."""
    row: Row = {"name": judged.name, "survived": judged.survived}
    if judged.atoms is None:
        return row | {"unreadable": judged.unreadable}
    row |= {
        "formula": Composition.in_cell(judged.atoms).formula,
        "atoms": len(judged.atoms),
    }
    row |= {"fell_at": judged.fell_at or None}
    for verdict in judged.verdicts:
        known = verdict.value == verdict.value
        row |= {
            verdict.name: verdict.passed,
            f"{verdict.name}_note": verdict.note or None,
        }
        row |= {f"{verdict.name}_value": verdict.value if known else None}
    return row
