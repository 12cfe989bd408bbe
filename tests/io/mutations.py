"""Damaged files, drawn from a seed: ``python tests/io/mutations.py 1000`` reads so many of them.

Small files of every format that gencsp reads are written, damaged as disks, editors and programs
damage them, and read. Whatever is in a file, reading ends with structures or with reasons: no other
error, no more than ``MEMORY`` and no more than ``SECONDS``. What was read can be written, read
again and judged.
"""

from __future__ import annotations

import gzip
import io
import json
import resource
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ase.db
import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from cif_texts import cif

from gencsp.convex_hull.entries import read_references
from gencsp.errors import GencspError
from gencsp.filters import get_filter
from gencsp.io.pools import sources
from gencsp.io.structures import read_structures, write_extxyz

#: Bytes beyond what the programs themselves take.
MEMORY = 2 * 1024**3
SECONDS = 10

Random = np.random.Generator

_TOKENS = (
    b"nan", b"inf", b"-inf", b"1e300", b"-1e300", b"1e-300", b"2000000000", b"2147483648",
    b"99999999999999999999", b"-1", b"0", b"?", b".", b"''", b";", b"X", b"D", b"*******",
    b"1000", b"None", b"[" * 3000, b"\x00", b"\xff\xfe", b"\xc3\x85", b"#", b"loop_", b"data_x",
    b"0.62Cu + 0.38Al", b"x,y,z", b"=", b'"', b"{}", b"TITL", b"END", b"Lattice=", b"T T F",
)  # fmt: skip


def _crystals() -> list[Atoms]:
    salt, silicon = bulk("NaCl", "rocksalt", a=5.64), bulk("Si", cubic=True)
    salt.calc = SinglePointCalculator(salt, energy=-6.8, forces=np.zeros((2, 3)))
    salt.info["structure_id"] = "salt"
    silicon.set_initial_magnetic_moments(np.linspace(-1, 1, 8))
    return [salt, silicon]


def _cif() -> bytes:
    rocksalt = "_symmetry_space_group_name_H-M 'F m -3 m'\n_space_group_IT_number 225"
    formula = "_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 4"
    sites = ("Na1 Na1+ 0 0 0 1.0 4", "Cl1 Cl1- 0.5 .5 .500(1) 1.0 4")
    columns = ("occupancy", "symmetry_multiplicity")
    one = cif(
        sites, cell=(5.64, 5.64, 5.64, 90, 90, 90), symmetry=rocksalt, columns=columns, more=formula
    )
    listed = cif(("Mg1 Mg 0 0 0", "O1 O .5 .5 .5"), symmetry="", operations=("x,y,z", "-x,-y,-z"))
    return (one + listed).encode()


def _res() -> bytes:
    one = (
        "TITL mgo-{0} 0.00 74.088 -12.5 0 0 2 (P1) n - 1\nCELL 1.54180 4.2 4.2 4.2 90 90 90\n"
        "LATT -1\nSFAC Mg O\nMg 1 0.0 0.0 0.0 1.0\nO 2 0.5 0.5 0.5 1.0 0.5\nEND\n"
    )
    return (one.format(1) + one.format(2)).encode()


def _written(name: str, **how: object) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        several = name not in ("POSCAR", "a.xsf")
        ase.io.write(path, _crystals() if several else _crystals()[1], **how)
        return path.read_bytes()


def _database(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        with ase.db.connect(path) as db:
            for atoms in _crystals():
                db.write(atoms, data={"info": dict(atoms.info)})
        return path.read_bytes()


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.cif", "b.res", "c.extxyz", "d/POSCAR"):
            archive.writestr(
                name, FORMATS[Path(name).name.replace("b.", "a.").replace("c.", "a.")]()
            )
    return buffer.getvalue()


def _entries() -> bytes:
    entries = [
        {"composition": {"Mg": 1.0}, "energy": -1.5, "parameters": {"model": "m"}},
        {"composition": {"Mg2+": 1.0, "O2-": 1.0}, "energy": -12.1, "correction": 0.1},
    ]
    return json.dumps(entries, indent=1).encode()


#: Contents of undamaged files by name.
FORMATS: dict[str, Callable[[], bytes]] = {
    "a.cif": _cif,
    "a.res": _res,
    "a.extxyz": lambda: _written("a.extxyz"),
    "POSCAR": lambda: _written("POSCAR", format="vasp", direct=True),
    "a.json": lambda: _database("a.json"),
    "a.db": lambda: _database("a.db"),
    "a.traj": lambda: _written("a.traj"),
    "a.xsf": lambda: _written("a.xsf"),
    "a.zip": _zip,
    "b.cif.gz": lambda: gzip.compress(_cif(), mtime=0),
    "b.extxyz.gz": lambda: gzip.compress(_written("a.extxyz"), mtime=0),
    "entries.json": _entries,
    "entries.csv": lambda: b"# model: m\nformula,energy_per_atom\nMg,-1.5\nO,-4.9\nMgO,-5.9\n",
}


def damaged(content: bytes, rng: Random) -> bytes:
    """One to four faults in a file."""
    for _ in range(int(rng.integers(1, 5))):
        content = _FAULTS[int(rng.integers(len(_FAULTS)))](content, rng)
    return content


def _flip(content: bytes, rng: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 9)) if changed else 0):
        changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut(content: bytes, rng: Random) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def _lines(content: bytes, rng: Random, change: Callable[[list[bytes], int], None]) -> bytes:
    lines = content.splitlines(keepends=True)
    if lines:
        change(lines, int(rng.integers(len(lines))))
    return b"".join(lines)


def _drop_line(content: bytes, rng: Random) -> bytes:
    return _lines(content, rng, lambda lines, n: lines.__delitem__(n))


def _double_line(content: bytes, rng: Random) -> bytes:
    return _lines(content, rng, lambda lines, n: lines.insert(n, lines[n]))


def _swap_lines(content: bytes, rng: Random) -> bytes:
    other = int(rng.integers(1 << 30))

    def change(lines: list[bytes], n: int) -> None:
        m = other % len(lines)
        lines[n], lines[m] = lines[m], lines[n]

    return _lines(content, rng, change)


def _words(content: bytes) -> list[tuple[int, int]]:
    """Where the words of a text are."""
    found: list[tuple[int, int]] = []
    begin: int | None = None
    for place, byte in enumerate(content + b" "):
        if byte in b" \n\t,:'\"()[]":
            if begin is not None:
                found.append((begin, place))
            begin = None
        elif begin is None:
            begin = place
    return found


def _swap_words(content: bytes, rng: Random) -> bytes:
    words = _words(content)
    if len(words) < 2:
        return content
    (a, b), (c, d) = sorted(words[int(n)] for n in rng.choice(len(words), 2, replace=False))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def _replace_word(content: bytes, rng: Random) -> bytes:
    words = _words(content)
    if not words:
        return content
    a, b = words[int(rng.integers(len(words)))]
    return content[:a] + _TOKENS[int(rng.integers(len(_TOKENS)))] + content[b:]


def _replace_number(content: bytes, rng: Random) -> bytes:
    numbers = [(a, b) for a, b in _words(content) if content[a:b].lstrip(b"+-.").isalnum()]
    numbers = [(a, b) for a, b in numbers if content[a:b].strip(b"+-.")[:1].isdigit()]
    if not numbers:
        return content
    a, b = numbers[int(rng.integers(len(numbers)))]
    return content[:a] + _TOKENS[int(rng.integers(9))] + content[b:]


def _insert(content: bytes, rng: Random) -> bytes:
    place = int(rng.integers(len(content) + 1))
    return content[:place] + _TOKENS[int(rng.integers(len(_TOKENS)))] + content[place:]


_FAULTS: Sequence[Callable[[bytes, Random], bytes]] = (
    _flip, _cut, _drop_line, _double_line, _swap_lines, _swap_words, _replace_word,
    _replace_number, _insert,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of one file.

    Attributes:
        name: of the file.
        seed: that it was damaged with.
        structures: how many were read.
        reasons: of those that were not.
        fault: what should not have happened; empty where nothing did.
        seconds: that it took.
    """

    name: str
    seed: int
    structures: int
    reasons: tuple[str, ...]
    fault: str
    seconds: float


class _TooLong(BaseException):
    """Not an ``Exception``: no reader may take it for a fault of the file."""


def read_damaged(count: int, *, first: int = 0) -> Iterator[Reading]:
    """Damage and read so many files, one of each format in turn."""
    undamaged = {name: make() for name, make in FORMATS.items()}
    names = list(undamaged)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            name = names[seed % len(names)]
            path = Path(folder) / name
            path.write_bytes(damaged(undamaged[name], np.random.default_rng(seed)))
            yield _read(path, seed, Path(folder))


def _read(path: Path, seed: int, folder: Path) -> Reading:
    found: list[Atoms] = []
    reasons: list[str] = []
    fault = ""
    begin = time.perf_counter()
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(SECONDS)
    try:
        _read_all(path, found, reasons)
        _use(found, folder)
    except _TooLong:
        fault = f"more than {SECONDS} s"
    except Exception as error:  # noqa: BLE001 - what must not happen is what is looked for
        fault = f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    for reason in reasons:
        if "MemoryError" in reason or "allocate" in reason:
            fault = f"more than {MEMORY} bytes: {reason}"
        elif "\n" in reason or path.name not in reason:
            fault = f"no sentence that names the file: {reason!r}"
    seconds = time.perf_counter() - begin
    return Reading(path.name, seed, len(found), tuple(reasons), fault, seconds)


def _read_all(path: Path, found: list[Atoms], reasons: list[str]) -> None:
    if path.name.startswith("entries"):
        try:
            read_references(path, model="m")
        except GencspError as error:
            reasons.append(str(error))
        return
    for source in sources([path]):
        try:
            found.extend(source.load())
        except GencspError as error:
            reasons.append(str(error))


def _use(found: Sequence[Atoms], folder: Path) -> None:
    """What was read can be written and read again, and judged."""
    if not found:
        return
    again = read_structures([write_extxyz(folder / "again" / "again.extxyz", found)])
    if [len(atoms) for atoms in again] != [len(atoms) for atoms in found]:
        raise AssertionError("what was written is not what is read again")
    distances = get_filter("distances")
    for atoms in found:
        distances.judge(atoms)


def _stop(*_: object) -> None:
    raise _TooLong


def limit_memory() -> None:
    """Let this process take ``MEMORY`` more than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main(count: int, first: int) -> int:
    """Read so many damaged files and say what came of them; returns the number of faults."""
    # What readers import when they are first used is no cost of a file.
    for _ in read_damaged(len(FORMATS), first=first):
        pass
    limit_memory()
    faults, structures, reasons, slowest = 0, 0, 0, 0.0
    for one in read_damaged(count, first=first):
        structures += one.structures
        reasons += len(one.reasons)
        slowest = max(slowest, one.seconds)
        if one.fault:
            faults += 1
            sys.stdout.write(f"{one.name}, seed {one.seed}: {one.fault}\n")
    sys.stdout.write(
        f"{count} damaged files: {structures} structures, {reasons} reasons, {faults} faults, "
        f"slowest {slowest:.1f} s\n"
    )
    return faults


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]] + [1000, 0][len(sys.argv) - 1 :]
    sys.exit(main(*numbers) > 0)
