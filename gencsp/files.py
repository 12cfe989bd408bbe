"""Files and sets of files written whole or not at all, errors of the operating system in words."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from gencsp.errors import StoreError, StructureFileError

#: What commands wrote into a folder, by the name of each set of files.
OUTPUTS = ".gencsp-outputs.json"
_NEW = ".gencsp-new"
_LOCK = ".gencsp-outputs.lock"
#: Bytes of a file's name that file systems take, less room for a number and a suffix.
LONGEST_NAME = 120


def user_cache(name: str) -> Path:
    """The folder of the user's cache for one purpose; it need not be there."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "gencsp" / name


def write_whole(path: Path, write: Callable[[Any], object]) -> Path:
    """Write text beside its place and move it there, so that no half file is ever seen."""
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                write(file)
            # mkstemp makes files that only their owner can read.
            Path(aside).chmod(0o666 & ~_umask())
            os.replace(aside, path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn what the operating system and SQLite say about a folder into :class:`StoreError`."""
    try:
        yield
    except sqlite3.Error as error:
        if "full" in str(error):
            raise _no_space(folder) from error
        if "locked" in str(error):
            raise StoreError(
                f"another program is writing to the database in {folder}: close it, and repeat the "
                f"same command to go on."
            ) from error
        raise StoreError(
            f"the database in {folder} cannot be used ({one_line(error)}): choose another folder "
            f"with --out."
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_space(folder) from error
        raise StoreError(
            f"{folder} cannot be written ({error.strerror or error}): choose another folder "
            f"with --out."
        ) from error


def _no_space(folder: Path) -> StoreError:
    return StoreError(
        f"no space left for {folder}: make room and repeat the same command to go on; what was "
        f"finished is kept."
    )


def file_name(text: str, *, longest: int = LONGEST_NAME) -> str:
    """A name for a file that says what ``text`` says, whatever that is.

    What shells, archives, file systems or ASE (``@`` chooses frames) trip over becomes ``_``, and a
    text that is too long is cut; in both cases eight hexadecimal digits of its hash keep different
    texts apart.

    Args:
        text: such as the id of a structure.
        longest: most bytes.
    """
    plain = re.sub(r"[^\w.+()-]", "_", text, flags=re.ASCII).lstrip(".")
    if plain == text and 0 < len(plain) <= longest:
        return plain
    mark = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain[: longest - 9].rstrip('.')}-{mark}"


def one_line(text: object) -> str:
    """Text of others on one line, without characters that control a terminal or end a record."""
    return "".join(one if one.isprintable() else " " for one in str(text))


def csv_cell(value: object) -> object:
    """A cell of a CSV file: text on one line, and never one that a spreadsheet takes for a formula.

    Such text begins with =, +, - or @; an apostrophe before it says that it is text.
    """
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill, beside ``target``, that takes its place once it is filled.

    Raises:
        StoreError: ``target`` holds something, cannot be written, or there is no space left.
    """
    if target.exists() and not target.is_dir():
        raise StoreError(f"{target} is a file: choose another folder.")
    if target.exists() and any(target.iterdir()):
        raise StoreError(f"{target} is not empty: choose another folder.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            yield aside
            # mkdtemp makes folders that only their owner can enter.
            aside.chmod(0o777 & ~_umask())
            os.replace(aside, target)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(f"no space left for {target}: make room and try again.") from error
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise StoreError(f"{target} is not empty: choose another folder.") from error
        raise StoreError(
            f"{target} cannot be written ({error.strerror or error}): choose another folder."
        ) from error


@contextmanager
def replace_outputs(folder: Path, name: str, *, last: str = "") -> Iterator[Path]:
    """A new folder to fill with what a command writes, in place of what it wrote there before.

    Once it is filled, its files take their places in ``folder``, and those that an earlier run of
    the command left and this one has not are removed. Nothing else in the folder is touched; a file
    of somebody else that has the name of a new one is kept beside it, as ``NAME.old``. Until then
    the earlier files stay as they are. :data:`OUTPUTS` in the folder lists the files of each
    command and says whether they are all there, so that the next run clears up behind one that was
    killed at any moment.

    Args:
        folder: of the results; it is made if need be.
        name: of the set of files, the same in every run.
        last: a file that says that the set is whole: the old one is removed before anything else is
            changed, and the new one comes when all others are there.

    Raises:
        StoreError: the folder cannot be written or is full, another command writes to it, or
            something else has the name of a file of the set.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    new = folder / _NEW
    try:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with _one_writer(folder):
                shutil.rmtree(new, ignore_errors=True)  # of a run that was killed
                try:
                    new.mkdir()
                    yield new
                    _take_places(folder, new, name, last)
                finally:
                    shutil.rmtree(new, ignore_errors=True)
    except BaseException:
        _unmake(made)
        raise


def _unmake(made: list[Path]) -> None:
    """Remove folders that were made for nothing, the innermost first."""
    if made:
        (made[0] / _LOCK).unlink(missing_ok=True)
    for place in made:
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()


def _take_places(folder: Path, new: Path, name: str, last: str) -> None:
    made = sorted(f.relative_to(new).as_posix() for f in new.rglob("*") if f.is_file())
    made.sort(key=last.__eq__)
    for file in made:
        _require_place(folder, file)
    sets = _read_outputs(folder)
    old = sets.get(name, [])
    stale = [file for file in old if file not in made]
    others = {key: [f for f in files if f not in made] for key, files in sets.items()}
    _write_outputs(folder, new, others | {name: [*made, *stale]}, unfinished=name)
    if last:
        (folder / last).unlink(missing_ok=True)
    for file in stale:
        _remove(folder, file)
    ours = {file for files in sets.values() for file in files}
    for file in made:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        if file not in ours:
            _keep(folder / file)
        os.replace(new / file, folder / file)
    _write_outputs(folder, new, others | {name: made})


def _require_place(folder: Path, file: str) -> None:
    """Raise unless a file can be put there: found out before anything is moved."""
    place = folder / file
    above = [p for p in place.parents if p != folder and folder in p.parents]
    blocked = [p for p in above if p.exists() and not p.is_dir()]
    if place.is_dir():
        blocked.append(place)
    if blocked:
        raise StoreError(
            f"{blocked[0]} is in the way of the results: move it, or choose another folder with "
            f"--out."
        )


def _keep(place: Path) -> None:
    """Put a file of somebody else out of the way."""
    if not place.exists():
        return
    number, beside = 1, place.with_name(f"{place.name}.old")
    while beside.exists():
        number += 1
        beside = place.with_name(f"{place.name}.old{number}")
    os.replace(place, beside)


def _remove(folder: Path, file: str) -> None:
    place = folder / file
    place.unlink(missing_ok=True)
    for above in place.parents:
        if above == folder or not above.is_dir() or any(above.iterdir()):
            return
        above.rmdir()


def _read_outputs(folder: Path) -> dict[str, list[str]]:
    """Files by the name of their set; nothing where there is no list that can be read."""
    try:
        content = json.loads((folder / OUTPUTS).read_text(encoding="utf-8"))
        sets = {str(name): list(one["files"]) for name, one in content.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {name: [f for f in files if _is_inside(folder, f)] for name, files in sets.items()}


def _is_inside(folder: Path, file: object) -> bool:
    """Whether a list names a file of this folder: it may have been written by anybody."""
    if not isinstance(file, str) or not file or "\0" in file:
        return False
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts:
        return False
    return (folder / path).parent.resolve().is_relative_to(folder.resolve())


def _write_outputs(
    folder: Path, new: Path, sets: dict[str, list[str]], *, unfinished: str = ""
) -> None:
    content = {
        name: {"complete": name != unfinished, "files": files}
        for name, files in sorted(sets.items())
        if files
    }
    (new / OUTPUTS).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(new / OUTPUTS, folder / OUTPUTS)


@contextmanager
def _one_writer(folder: Path) -> Iterator[None]:
    """Keep other commands from writing to a folder; the lock ends with the process."""
    # SQLite's lock is portable, and a killed process does not leave it behind.
    with closing(sqlite3.connect(folder / _LOCK, timeout=0, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise StoreError(
                f"another command writes its results to {folder}: wait for it, or choose another "
                f"folder with --out."
            ) from error
        yield


def require_files(paths: Iterable[Path]) -> None:
    """Find out at once, before anything is loaded, whether files or folders to be read are there.

    Raises:
        StructureFileError: one of them is not.
    """
    for path in paths:
        if not path.exists():
            raise StructureFileError(f"there is no file {path}.")
