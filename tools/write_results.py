"""Writes the measured numbers of the documents from the records that they come from.

    python tools/write_results.py           # puts the documents right
    python tools/write_results.py --check   # says which are not, and changes nothing

Two things in any Markdown file of the project are written here:

- a table between ``<!-- table: NAME -->`` and ``<!-- end of table -->``; its function stands under
  this name in one of the ``tables_of_*.py``;
- a number in the text that is a link to a record or a card, ``[28.8 %][first]``, where the
  definition of the link says what stands at which place of the file, and how it is written:
  ``[first]: results/joint_matches_mp_20.json "results / k / 1 / matched / share | .1%"``
  (:func:`record_values.quoted`).
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import tables_of_cards
import tables_of_chggen
import tables_of_dp_cdvae
import tables_of_hosts
import tables_of_hull
import tables_of_models
import tables_of_pressure
import tables_of_relaxation
import tables_of_rows
import tables_of_searches
import tables_of_speed
import tables_of_suites
import tables_of_units
from record_values import ROOT, quoted, read

TABLES: dict[str, Callable[[], str]] = {
    **tables_of_models.TABLES,
    **tables_of_searches.TABLES,
    **tables_of_suites.TABLES,
    **tables_of_rows.TABLES,
    **tables_of_speed.TABLES,
    **tables_of_chggen.TABLES,
    **tables_of_dp_cdvae.TABLES,
    **tables_of_relaxation.TABLES,
    **tables_of_cards.TABLES,
    **tables_of_hosts.TABLES,
    **tables_of_hull.TABLES,
    **tables_of_pressure.TABLES,
    **tables_of_units.TABLES,
}
TABLE = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end of table -->)", re.DOTALL)
DEFINITION = re.compile(r'^\[([^\]]+)\]: (\S+\.json) "(.+)"$', re.MULTILINE)
NUMBER = re.compile(r"\[([^\[\]]+)\]\[([^\[\]]+)\]")


class DocumentError(Exception):
    """A document asks for a table or a number that is not there."""


def documents() -> Iterator[Path]:
    """Markdown files of the project."""
    yield from sorted(ROOT.glob("*.md"))
    for folder in ("benchmarks", "docs", "gencsp"):
        yield from sorted((ROOT / folder).rglob("*.md"))


def rewritten(text: str, folder: Path) -> str:
    """A document with its tables and numbers as the records have them.

    Args:
        text: of the document.
        folder: that it lies in, from which its links start.

    Raises:
        DocumentError: there is no such table, file or place, a number has no definition, or a
            definition no number.
    """
    text = TABLE.sub(lambda found: f"{found[1]}{_table(found[2])}\n{found[3]}", text)
    numbers = {label: _number(folder / file, at) for label, file, at in DEFINITION.findall(text)}
    used = set()

    def number(found: re.Match[str]) -> str:
        label = found[2]
        if label not in numbers:
            raise DocumentError(f"[{found[1]}][{label}] has no definition")
        used.add(label)
        return f"[{numbers[label]}][{label}]"

    text = NUMBER.sub(number, text)
    if numbers.keys() - used:
        raise DocumentError(f"nothing refers to {sorted(numbers.keys() - used)}")
    return text


def _table(name: str) -> str:
    if name not in TABLES:
        raise DocumentError(f"there is no table {name!r}; there are {', '.join(TABLES)}")
    return TABLES[name]()


def _number(path: Path, address: str) -> str:
    try:
        return quoted(read(path.resolve()), address)
    except (LookupError, OSError, TypeError, ValueError) as error:
        raise DocumentError(f"{path.name} has no {address!r}: {error}") from error


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args()
    wrong = []
    for path in documents():
        text = path.read_text("utf-8")
        try:
            right = rewritten(text, path.parent)
        except DocumentError as error:
            sys.exit(f"{path.relative_to(ROOT)}: {error}")
        if right != text:
            wrong.append(path)
            if not options.check:
                path.write_text(right, "utf-8")
    verb = "differs from the records" if options.check else "written"
    sys.stdout.writelines(f"{path.relative_to(ROOT)} {verb}\n" for path in wrong)
    if options.check and wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
