"""CrySPY searches whose relaxations are ours: the same potential, minimiser, fmax and budget.

CrySPY runs in an environment of its own (:mod:`cryspy_client`), with its own random structures
(PyXtal), operators and generations; the population is that of its tutorial for the evolutionary
search. What it would have a job for is relaxed here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import ase.io
from ase import Atoms

from gencsp.composition import Composition
from gencsp.relax.result import Relaxed

CLIENT = Path(__file__).parent / "cryspy_client.py"
KINDS = {"CrySPY random": "RS", "CrySPY evolutionary": "EA"}
POPULATION = 20


def deck_of(kind: str, composition: Composition, units: int, *, budget: int, seed: int) -> str:
    """``cryspy.in``."""
    algorithm = KINDS[kind]
    counts = [n * units for _, n in composition.counts]
    lines = ["[basic]", f"algo = {algorithm}", "calc_code = ASE", "nstage = 1", "njob = 1"]
    lines += ["jobcmd = true", "jobfile = job_cryspy"]
    if algorithm == "RS":
        lines.append(f"tot_struc = {budget}")
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


def relaxations(
    python: Path, folder: Path, deck: str, relax_one: Callable[[Atoms], Relaxed]
) -> Iterator[Relaxed]:
    """One CrySPY search, relaxation by relaxation; closing the iterator ends it.

    Args:
        python: of CrySPY's environment.
        folder: an empty one.
        deck: ``cryspy.in``.
        relax_one: relaxes a structure.
    """
    (folder / "calc_in").mkdir()
    (folder / "calc_in" / "ase_in.py").write_text("# relaxed elsewhere\n")
    (folder / "calc_in" / "job_cryspy").write_text("# relaxed elsewhere\n")
    (folder / "cryspy.in").write_text(deck)
    process = subprocess.Popen(
        [python, CLIENT.absolute()],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(folder / "errors").open("w"),
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for line in process.stdout:
            job = folder / line.strip()
            done = relax_one(ase.io.read(job / "POSCAR"))
            _hand_back(done, job)
            yield done
            process.stdin.write("go on\n")
            process.stdin.flush()
        if process.wait() != 0:
            raise RuntimeError(f"CrySPY ended: {(folder / 'errors').read_text()[-2000:]}")
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _hand_back(done: Relaxed, job: Path) -> None:
    """What CrySPY's example job leaves: nothing readable where the relaxation failed."""
    if done.converged:
        ase.io.write(job / "CONTCAR", done.atoms, format="vasp", direct=True, sort=False)
        (job / "log.tote").write_text(f"{done.energy:.10f}\n")
    else:
        (job / "log.tote").write_text("nan\n")
        (job / "CONTCAR").write_text("")
    (job / "out_check_opt").write_text("done\n" if done.converged else "not_yet\n")
