"""Runs one CrySPY search, whose relaxations another program does; run by CrySPY's own Python.

    python cryspy_client.py        in a folder with cryspy.in and calc_in/

CrySPY makes its structures, keeps its books and breeds its generations with its own code, called
as its command ``cryspy`` does. For each structure that it would have a job for, one line with the
folder of the job goes to standard output, and a line is awaited: anything but "stop" says that the
job is done.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    answers = sys.stdin
    # CrySPY and its parts print; only the lines of this program may reach the other one.
    lines = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open("printed", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)

    from cryspy.start import cryspy_init
    from cryspy.util.utility import set_logger

    set_logger(noprint=True, logfile="log_cryspy", errfile="err_cryspy")
    cryspy_init.initialize()
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
            lines.write(f"{job}\n")
            if answers.readline().strip() == "stop":
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
        return False
    jobs.next_sg(True)
    return True


if __name__ == "__main__":
    main()
