"""Trajectories and logs of relaxations, in ASE's forms."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, TypeAlias

from ase import Atoms
from ase.io.trajectory import Trajectory, TrajectoryWriter

from gencsp.errors import RequestError
from gencsp.files import file_name, storage_errors
from gencsp.minimise.result import PathCallback, StepCallback
from gencsp.store.base import writable

#: A file, a folder, a naming scheme with ``{index}``, or one of ASE's open trajectories.
TrajectoryTarget: TypeAlias = str | Path | TrajectoryWriter
#: A path, ``"-"`` for standard output, or an open text file.
LogTarget: TypeAlias = str | Path | IO[str]

#: What a naming scheme must hold.
_INDEX = "{index"


class Trajectories:
    """Writes the path of each structure when it is done.

    Args:
        target: an open trajectory, or a path with a suffix, for one structure; a folder (a path
            without a suffix), which gets ``0000.traj``, ``0001.traj``, …; or a scheme such as
            ``"paths/{index:03d}.traj"``, in which ``index`` is the structure's place in the input.
    """

    def __init__(self, target: TrajectoryTarget) -> None:
        self.target = target

    def check(self, structures: Iterable[Atoms]) -> Iterator[Atoms]:
        """Yield the structures unchanged, after checking that the target can take them all.

        Raises:
            RequestError: a target for one structure, and there are several.
        """
        left = iter(structures)
        first = list(islice(left, 2))
        if len(first) > 1 and not self._many():
            raise RequestError(
                "several structures cannot share one trajectory: name a folder, or a scheme such "
                "as 'paths/{index:04d}.traj'."
            )
        return chain(first, left)

    def write(self, index: int, path: Sequence[Atoms]) -> None:
        """Write one path; a structure that could not be evaluated has none."""
        if not path:
            return
        frames = [writable(atoms) for atoms in path]
        if not isinstance(self.target, str | Path):
            for atoms in frames:
                self.target.write(atoms)
            return
        file = self._file(index)
        file.parent.mkdir(parents=True, exist_ok=True)
        with Trajectory(str(file), "w") as trajectory:
            for atoms in frames:
                trajectory.write(atoms)

    def _many(self) -> bool:
        if not isinstance(self.target, str | Path):
            return False
        path = Path(self.target)
        return _INDEX in str(path) or path.is_dir() or not path.suffix

    def _file(self, index: int) -> Path:
        path = Path(str(self.target))
        if _INDEX in str(path):
            return Path(str(path).format(index=index))
        if self._many():
            return path / f"{index:04d}.traj"
        return path


class PathFolder:
    """Keeps paths in a folder, ``ID.traj`` each, as trajectories that ASE reads.

    Args:
        folder: made when the first path is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, structure_id: str, path: Sequence[Atoms]) -> None:
        """Write one path, whole or not at all.

        Raises:
            StoreError: it cannot be written, or there is no space left.
        """
        file = self.folder / f"{file_name(structure_id)}.traj"
        aside = file.with_name(f".{file.name}.new")
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with Trajectory(str(aside), "w") as trajectory:
                for atoms in path:
                    trajectory.write(writable(atoms))
            aside.replace(file)


class Log:
    """One line for each step, as ASE's optimisers write them, with the structure's index.

    Args:
        file: open for writing.
        minimiser: its name, which begins the lines.
    """

    def __init__(self, file: IO[str], minimiser: str) -> None:
        self.file = file
        self.minimiser = minimiser
        self._begun = False

    def step(self, index: int, step: int, energy: float, fmax: float) -> None:
        """Write a line; energy in eV, fmax in eV/Å."""
        width = max(len(self.minimiser), 14)
        if not self._begun:
            self._begun = True
            titles = f"{'':{width}} {'Structure':>9} {'Step':>5} {'Time':>8}"
            self.file.write(f"{titles} {'Energy':>15} {'fmax':>12}\n")
        clock = time.strftime("%H:%M:%S")
        begin = f"{self.minimiser + ':':{width}} {index:9d} {step:5d} {clock}"
        self.file.write(f"{begin} {energy:15.6f} {fmax:12.6f}\n")
        self.file.flush()


@contextmanager
def open_log(target: LogTarget | None) -> Iterator[IO[str] | None]:
    """The file of a log, closed again where it was opened here."""
    with ExitStack() as stack:
        if target is None:
            yield None
        elif target == "-":
            yield sys.stdout
        elif isinstance(target, str | Path):
            path = Path(target)
            path.parent.mkdir(parents=True, exist_ok=True)
            yield stack.enter_context(path.open("a", encoding="utf-8"))
        else:
            yield target


def log_and_call(log: Log, on_step: StepCallback | None) -> StepCallback:
    """A callback that writes the log and then calls the caller's own callback."""

    def both(index: int, step: int, energy: float, fmax: float) -> bool | None:
        log.step(index, step, energy, fmax)
        return None if on_step is None else on_step(index, step, energy, fmax)

    return both


def path_writer(trajectories: Trajectories | None) -> PathCallback | None:
    """The callback that writes paths, or ``None`` where no trajectory is wanted."""
    return None if trajectories is None else trajectories.write
