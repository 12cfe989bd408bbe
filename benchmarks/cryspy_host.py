"""CrySPY searches whose relaxations are ours: the same potential, minimiser, fmax and budget.

CrySPY runs in an environment of its own (:mod:`cryspy_client`), with its own random structures
(PyXtal), operators and generations; the population is that of its tutorial for the evolutionary
search. What it would have a job for is relaxed here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path

import ase.io
from ase import Atoms

from gencsp.composition import Composition
from gencsp.minimise.result import Relaxed

CLIENT = Path(__file__).parent / "cryspy_client.py"
KINDS = {"CrySPY random": "RS", "CrySPY evolutionary": "EA"}
POPULATION = 20
#: Random structures that are made before the first is relaxed; more follow as they are needed.
FIRST = 20


def deck_of(kind: str, composition: Composition, units: int, *, seed: int) -> str:
    """``cryspy.in``."""
    algorithm = KINDS[kind]
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


class Client:
    """CrySPY's own Python, which makes one search after another.

    Args:
        python: of CrySPY's environment.

    Attributes:
        cpu_seconds: that its process has used, by the end of its last search.
    """

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [python, CLIENT.absolute()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"},
        )
        self.cpu_seconds = float(self._hear().removeprefix("over"))

    def search(
        self, folder: Path, deck: str, relax_one: Callable[[Atoms], Relaxed]
    ) -> Generator[Relaxed, None, None]:
        """One search, relaxation by relaxation; closing the iterator ends it.

        Args:
            folder: an empty one.
            deck: ``cryspy.in``.
            relax_one: relaxes a structure.
        """
        (folder / "calc_in").mkdir()
        (folder / "calc_in" / "ase_in.py").write_text("# relaxed elsewhere\n")
        (folder / "calc_in" / "job_cryspy").write_text("# relaxed elsewhere\n")
        (folder / "cryspy.in").write_text(deck)
        self._say(str(folder.absolute()))
        try:
            while not (line := self._hear()).startswith("over"):
                done = relax_one(ase.io.read(folder / line / "POSCAR"))
                _hand_back(done, folder / line)
                yield done
                self._say("go on")
        except GeneratorExit:
            self._say("stop")
            line = self._hear()
        self.cpu_seconds = float(line.removeprefix("over"))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("CrySPY's process ended.")
        return line.strip()


def _hand_back(done: Relaxed, job: Path) -> None:
    """What CrySPY's example job leaves: nothing readable where the relaxation failed."""
    if done.converged:
        ase.io.write(job / "CONTCAR", done.atoms, format="vasp", direct=True, sort=False)
        (job / "log.tote").write_text(f"{done.energy:.10f}\n")
    else:
        (job / "log.tote").write_text("nan\n")
        (job / "CONTCAR").write_text("")
    (job / "out_check_opt").write_text("done\n" if done.converged else "not_yet\n")
