"""Runs CrySPY searches, whose relaxations another program does; run by CrySPY's own Python.

    python cryspy_client.py

It imports nothing of gencsp, which CrySPY's environment may lack. Each line of standard input that
names a folder with cryspy.in and calc_in/ begins a search. CrySPY makes its structures, keeps its
books and breeds its generations with its own code, called as its command ``cryspy`` does. For each
structure that it would have a job for, the line "job SECONDS FOLDER" goes to standard output, and a
line is awaited: anything but "stop", or nothing more, says that the job is done. Random searches
make their structures a few at a time, as CrySPY does where ``tot_struc`` is raised. A search ends
with the line "over SECONDS"; one before the first, "over SECONDS VERSION", says the version of
CrySPY. SECONDS are those of the processor so far.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import IO

#: Random structures that are made at a time.
STEP = 20


def main() -> None:
    """All searches that are asked for."""
    # CrySPY and its parts print; only the lines of this program may reach the other one.
    lines = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    importlib.import_module("cryspy.job.ctrl_job")
    importlib.import_module("cryspy.start.cryspy_init")
    lines.write(f"over {time.process_time()} {version('csp-cryspy')}\n")
    for folder in sys.stdin:
        os.chdir(folder.strip())
        search(lines)
        lines.write(f"over {time.process_time()}\n")


def search(lines: IO[str]) -> None:
    """One search, in the working folder."""
    from cryspy.start import cryspy_init

    try:
        cryspy_init.initialize()
    except SystemExit as ended:
        if ended.code not in (None, 0):
            raise
    going_on = True
    while going_on:
        try:
            going_on = handle_jobs()
        except SystemExit as ended:
            # So CrySPY says that a new generation is there, among other things.
            if ended.code not in (None, 0):
                raise
        for job in sorted(Path("work").iterdir()):
            status = job / "stat_job"
            if job.name == "fin" or not status.exists() or "submitted" not in status.read_text():
                continue
            lines.write(f"job {time.process_time()} {job}\n")
            if sys.stdin.readline().strip() in ("", "stop"):
                return
            status.write_text(status.read_text().replace("submitted", "done"))


def handle_jobs() -> bool:
    """What the command does between two looks at the jobs; whether anything is left to do.

    See cryspy/scripts/cryspy.py.
    """
    from cryspy.job.ctrl_job import Ctrl_job
    from cryspy.start import cryspy_restart

    rin, init_struc_data, rng = cryspy_restart.restart()
    os.makedirs("work/fin", exist_ok=True)
    jobs = Ctrl_job(rin, init_struc_data, rng)
    jobs.check_job()
    jobs.handle_job()
    while jobs.id_queueing and jobs.recheck:
        jobs.recheck = False
        jobs.check_job()
        jobs.handle_job()
    if jobs.id_queueing or jobs.id_running:
        return True
    if rin.algo == "RS":
        deck = Path("cryspy.in")
        more = f"tot_struc = {rin.tot_struc + STEP}"
        deck.write_text(deck.read_text().replace(f"tot_struc = {rin.tot_struc}", more))
        return True
    jobs.next_sg(True)
    return True


if __name__ == "__main__":
    main()
