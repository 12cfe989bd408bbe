"""CrySPY as a method of suites of searches: it searches, and what it would submit is relaxed here.

CrySPY runs in an environment of its own (:mod:`gencsp.suites.cryspy_client`), with its own random
structures (PyXtal), operators and generations; the population is that of its tutorial for the
evolutionary search. Its structures relax with the potential, minimiser and limits of the suite, one
after another.
"""

from __future__ import annotations

import subprocess
import tempfile
import weakref
from collections import Counter
from collections.abc import Generator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import IO, Self

import ase.io
from pydantic import Field

from gencsp import records
from gencsp.composition import Composition
from gencsp.deck import Count, Deck
from gencsp.errors import ProgramError
from gencsp.minimise.result import Relaxed
from gencsp.minimise.settings import RelaxSettings
from gencsp.plugins import Choice
from gencsp.programs.launch import find_program, program_variables
from gencsp.provenance import Provenance, Stage
from gencsp.searches import tasks
from gencsp.searches.contracts import RelaxerMaker
from gencsp.suites.searchers import Step
from gencsp.suites.truths import KnownCrystal

CLIENT = Path(__file__).parent / "cryspy_client.py"
#: CrySPY's name of the algorithm, by the name of the method here.
CRYSPY = MappingProxyType({"cryspy-rs": "RS", "cryspy-ea": "EA"})
POPULATION = 20
#: Random structures that are made before the first is relaxed; more follow as they are needed.
FIRST = 20


class CryspyOptions(Deck):
    """Options of CrySPY as a method; the meaning of each stands in its description."""

    environment: Path = Field(description="Folder of the environment in which csp-cryspy is.")


class Client:
    """CrySPY's own Python, which makes one search after another.

    Args:
        environment: CrySPY's.

    Attributes:
        version: of CrySPY.
        cpu_seconds: that its process has used, when it last spoke.

    Raises:
        ProgramError: there is no Python, or no CrySPY.
    """

    def __init__(self, environment: Path) -> None:
        if not environment.is_dir():
            raise ProgramError(
                f"there is no environment {environment}: make one, and install csp-cryspy there."
            )
        variables = program_variables(environment, {"OMP_NUM_THREADS": "1"})
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self._process = subprocess.Popen(
            # Isolated: the folder of the client has a cryspy.py as well.
            [find_program("python", variables["PATH"]), "-I", str(CLIENT.absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env=variables,
        )
        self._close = weakref.finalize(self, _close, self._process)
        self.cpu_seconds = 0.0
        self.version = self._hear()[1]

    def begin(self, folder: Path, deck: str) -> None:
        """Begin a search in an empty folder.

        Args:
            folder: the empty one.
            deck: ``cryspy.in``.
        """
        (folder / "calc_in").mkdir()
        for name in ("ase_in.py", "job_cryspy"):
            (folder / "calc_in" / name).write_text("# relaxed elsewhere\n")
        (folder / "cryspy.in").write_text(deck)
        self._say(str(folder.absolute()))

    def job(self) -> str:
        """The folder of the next structure to relax; empty where the search has ended.

        Raises:
            ProgramError: the process ended.
        """
        kind, place = self._hear()
        return place if kind == "job" else ""

    def go_on(self) -> None:
        """Say that the structure is relaxed."""
        self._say("go on")

    def stop(self) -> None:
        """End the search in place of going on."""
        self._say("stop")
        self._hear()

    def close(self) -> None:
        """End the process."""
        self._close()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error

    def _hear(self) -> tuple[str, str]:
        """Kind and content of the next line, which also holds the seconds so far."""
        assert self._process.stdout is not None
        words = self._process.stdout.readline().strip().split(" ", 2)
        if len(words) < 2:
            raise self._ended()
        self.cpu_seconds = float(words[1])
        return words[0], "".join(words[2:])

    def _ended(self) -> ProgramError:
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        words = f" ({lines[-1].strip()[:300]})" if lines else ""
        return ProgramError(
            f"CrySPY's process ended{words}: install csp-cryspy in the environment that the method "
            f"names, and repeat the same command to go on."
        )


@dataclass(frozen=True, slots=True)
class CryspyClient:
    """Makes a :class:`Client`, one in each worker."""

    environment: Path

    def __call__(self) -> Client:
        """Start CrySPY's Python."""
        return Client(self.environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class CryspySearcher:
    """See :class:`~gencsp.suites.searchers.Searcher`.

    Attributes:
        kind: of :data:`CRYSPY`.
        client: makes the client.
        relaxer: makes the relaxer.
        relax: how to relax.
        budget: most relaxations.
    """

    kind: str
    client: CryspyClient
    relaxer: RelaxerMaker
    relax: RelaxSettings
    budget: Count

    @classmethod
    def of(
        cls, choice: Choice, *, relaxer: RelaxerMaker, relax: RelaxSettings, budget: int
    ) -> Self:
        """From the method as a deck has it, such as ``cryspy-rs:ENVIRONMENT``.

        Raises:
            DeckError: it does not name the environment.
        """
        named = {"environment": choice.value} if choice.value else choice.options
        environment = CryspyOptions.make(**named).environment.expanduser().absolute()
        return cls(
            kind=choice.name,
            client=CryspyClient(environment),
            relaxer=relaxer,
            relax=relax,
            budget=budget,
        )

    def steps(self, crystal: KnownCrystal, *, seed: int, failures: Counter[str]) -> Generator[Step]:
        """See :class:`~gencsp.suites.searchers.Searcher`.

        Raises:
            ProgramError: CrySPY cannot be started, or fails.
        """
        client = tasks.cached_make(self.client)
        before = client.cpu_seconds
        deck = cryspy_deck(self.kind, crystal.composition, crystal.units, seed=seed)
        with TemporaryDirectory() as place:
            folder = Path(place)
            client.begin(folder, deck)
            for number in range(1, self.budget + 1):
                job = client.job()
                if not job:
                    return
                done = self._relaxed(folder / job)
                if not done.converged:
                    failures[str(done.outcome)] += 1
                atoms = None
                if done.converged:
                    atoms = records.record(done, records.SymmetryTolerance())
                    Provenance(
                        structure_id=f"c{number:05d}",
                        proposer="cryspy",
                        seed=seed,
                        stage=Stage.RELAXED,
                    ).write(atoms)
                try:
                    yield Step(number, atoms, client.cpu_seconds - before)
                except GeneratorExit:
                    client.stop()
                    raise
                if number == self.budget:
                    client.stop()
                else:
                    client.go_on()

    def _relaxed(self, job: Path) -> Relaxed:
        """What CrySPY would have a job for, relaxed and handed back."""
        relaxer = tasks.cached_make(self.relaxer)
        done: Relaxed = next(iter(relaxer([ase.io.read(job / "POSCAR")], self.relax)))
        _hand_back(done, job)
        return done


def cryspy_version(executor: Executor, client: CryspyClient) -> str:
    """The version of CrySPY, asked for in a worker.

    Raises:
        ProgramError: there is none.
    """
    version: str = executor.submit(_version, client).result()
    return version


def _version(client: CryspyClient) -> str:
    return str(tasks.cached_make(client).version)


def cryspy_deck(kind: str, composition: Composition, units: int, *, seed: int) -> str:
    """``cryspy.in``.

    Args:
        kind: of :data:`CRYSPY`.
        composition: the formula unit.
        units: formula units in the cell.
        seed: of CrySPY's random numbers.
    """
    algorithm = CRYSPY[kind]
    counts = [n * units for _, n in composition.counts]
    lines = ["[basic]", f"algo = {algorithm}", "calc_code = ASE", "nstage = 1", "njob = 1"]
    lines += ["jobcmd = true", "jobfile = job_cryspy"]
    if algorithm == "RS":
        lines.append(f"tot_struc = {FIRST}")
    lines += ["[structure]", f"atype = {' '.join(composition.elements)}"]
    lines += [f"nat = {' '.join(map(str, counts))}", "[ASE]", "ase_python = ase_in.py"]
    if algorithm == "EA":
        permuted = 2 if len(counts) > 1 else 0
        shares = {"n_pop": POPULATION, "n_crsov": 14 - permuted - 2, "n_perm": permuted}
        shares |= {"n_strain": 2, "n_rand": 6, "n_elite": 2, "n_fittest": 10, "t_size": 2}
        lines += ["[EA]", *(f"{key} = {value}" for key, value in shares.items())]
        lines += ["slct_func = TNM", "crs_lat = random", "maxgen_ea = 0"]
    lines += ["[option]", f"seed = {seed}", "backup_interval = 0", "energy_output_interval = 0"]
    return "\n".join(lines) + "\n"


def _hand_back(done: Relaxed, job: Path) -> None:
    """What CrySPY's example job leaves: nothing readable where the relaxation failed."""
    if done.converged:
        ase.io.write(job / "CONTCAR", done.atoms, format="vasp", direct=True, sort=False)
        (job / "log.tote").write_text(f"{done.energy:.10f}\n")
    else:
        (job / "log.tote").write_text("nan\n")
        (job / "CONTCAR").write_text("")
    (job / "out_check_opt").write_text("done\n" if done.converged else "not_yet\n")


def _close(process: subprocess.Popen[str]) -> None:
    """End CrySPY's Python: it ends when nothing more can be said to it."""
    streams: tuple[IO[str] | None, ...] = (process.stdin, process.stdout)
    for stream in streams:
        if stream is not None:
            stream.close()
    process.wait()
