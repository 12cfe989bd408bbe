"""Runs that are killed at random moments, against the same runs left alone.

    python benchmarks/kills.py --work FOLDER

Each of the searches and the cycle runs once to its end by the command. Then it runs again and again
in a folder of its own, and is killed (SIGKILL) at a random moment: some time after its start, or
some time after its database has grown for the n-th time. The same command goes on after each kill
until it ends by itself; the run is then compared with the one that was left alone: the ranked
structures byte by byte, the results of all trials number by number. What is done is noted in
``FOLDER``, so that the benchmark goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gencsp.measure.record import record
from gencsp.store.disk import DiskStore, read_manifest

SEARCH = ("search", "MgO", "--atoms", "4", "--no-seeds", "--steps", "40", "--fmax", "0.3")
CYCLE = ("cycle", "MgO", "--atoms", "4", "--proposer", "random", "--steps", "40", "--fmax", "0.3")
CASES = {
    "random": (*SEARCH, "--method", "random", "--budget", "24"),
    "hop": (*SEARCH, "--method", "hop", "--budget", "24"),
    "genetic": (*SEARCH, "--method", "genetic", "--budget", "24"),
    "cycle": (*CYCLE, "-n", "6"),
}
#: Share of the kills whose moment counts from the start of the process.
EARLY = 0.3
#: The others: after which growth of the database at most, and seconds after it at most.
GROWTHS, LATER = 6, 0.3
#: Kills after which a run is left to end, so that every end is compared.
KILLS = 6


def command(case: str, folder: Path) -> list[str]:
    """The command of a run in a folder."""
    seed, workers = "3", "1"
    options = ("--seed", seed, "--workers", workers, "--out", str(folder))
    return [sys.executable, "-m", "gencsp", *CASES[case], *options]


def run(case: str, folder: Path, rng: np.random.Generator | None, length: float) -> str:
    """Run until the end, or kill at a random moment.

    Args:
        case: which run.
        folder: of the run.
        rng: draws the moment; ``None`` lets it end.
        length: seconds that the uninterrupted run took.

    Returns:
        ``ended``, or what the moment was counted from: ``start`` or ``database``.
    """
    with (folder.parent / f"{folder.name}.log").open("ab") as log:
        process = subprocess.Popen(
            command(case, folder), stdout=log, stderr=log, start_new_session=True
        )
        moment = "ended"
        if rng is not None:
            early = rng.random() < EARLY
            delay = rng.uniform(0, length if early else LATER)
            growths = 0 if early else int(rng.integers(1, GROWTHS + 1))
            if _wait(process, folder / "run.db", growths, delay):
                process.send_signal(signal.SIGKILL)
                moment = "start" if early else "database"
        status = process.wait()
        _require_no_orphans(process.pid)
    if status == -signal.SIGKILL:
        return moment
    assert status == 0, f"{case} ended with {status}: see {log.name}"
    return "ended"


def _wait(process: subprocess.Popen[bytes], database: Path, growths: int, delay: float) -> bool:
    """Wait for the moment of a kill; whether the process still runs then."""
    seen, begun = _stamp(database), time.monotonic()
    while process.poll() is None:
        if growths and (now := _stamp(database)) != seen:
            seen, growths, begun = now, growths - 1, time.monotonic()
        if not growths and time.monotonic() - begun >= delay:
            return True
        time.sleep(0.001)
    return False


def _stamp(database: Path) -> int:
    return database.stat().st_mtime_ns if database.exists() else 0


def _require_no_orphans(group: int) -> None:
    """Workers end with their parent, however it ended."""
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("workers live on after a minute")


def results(folder: Path) -> dict[str, Any]:
    """All that a run found, in full; proposals that nobody used are left out."""
    manifest = read_manifest(folder)
    assert manifest is not None
    with DiskStore(folder, manifest) as store:
        found = store.load()
    return {
        task: [
            (atoms.positions.tolist(), atoms.cell.array.tolist(), repr(atoms.info))
            for atoms in finished.structures
        ]
        for task, finished in found.items()
        if manifest["kind"] == "cycle" or not task.startswith("generated-")
    }


def measure(case: str, *, kills: int, seed: int, work: Path) -> dict[str, int]:
    """Kill a case so often; returns what happened, by kind."""
    notes = work / f"{case}.json"
    done: dict[str, Any] = json.loads(notes.read_text()) if notes.exists() else {"kills": []}
    alone = work / f"{case}-alone"
    if "length" not in done:
        shutil.rmtree(alone, ignore_errors=True)
        begun = time.monotonic()
        run(case, alone, None, 0.0)
        done |= {"length": time.monotonic() - begun, "equal": 0, "runs": 0}
    whole = (alone / "ranked.extxyz").read_bytes(), results(alone)
    while len(done["kills"]) < kills:
        number = done["runs"]
        folder = work / f"{case}-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        new: list[str] = []
        moment = ""
        while moment != "ended":
            left = min(KILLS, kills - len(done["kills"])) - len(new)
            entropy = [seed, list(CASES).index(case), number, len(new)]
            rng = np.random.default_rng(entropy) if left > 0 else None
            moment = run(case, folder, rng, done["length"])
            if moment != "ended":
                new.append(moment)
        equal = ((folder / "ranked.extxyz").read_bytes(), results(folder)) == whole
        done["runs"], done["equal"] = number + 1, done["equal"] + equal
        done["kills"] += new
        notes.write_text(json.dumps(done))
        print(f"{case}: {len(done['kills'])} kills, {done['equal']} of {done['runs']} equal")
        if equal:
            shutil.rmtree(folder)
    counts = {moment: done["kills"].count(moment) for moment in ("start", "database")}
    return {"kills": len(done["kills"]), "runs": done["runs"], "equal": done["equal"], **counts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--kills", type=int, default=25, help="of each case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side-by-side", type=int, default=2, help="cases at once")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    one = partial(measure, kills=options.kills, seed=options.seed, work=options.work)
    with ThreadPoolExecutor(options.side_by_side) as threads:
        found = dict(zip(CASES, threads.map(one, CASES), strict=True))
    total = {key: sum(case[key] for case in found.values()) for key in found["random"]}
    path = record(
        Path(__file__).parent / "results" / "kills.json",
        measured="runs that were killed (SIGKILL) at random moments and gone on with until they "
        "ended, and how many of them are equal to the run that was left alone",
        sample_size={"kills": total["kills"], "runs": total["runs"]},
        seed=options.seed,
        intervals=(),
        protocol={
            "commands": {case: " ".join(["gencsp", *words]) for case, words in CASES.items()},
            "moments": f"{EARLY:.0%} at a uniformly drawn time within the length of the run left "
            f"alone, counted from the start of the process; the others up to {LATER} s after the "
            f"database has grown for the n-th time, n drawn from 1 to {GROWTHS}",
            "kills of a case": "those noted in the folder by earlier calls count too",
            "kills of one run": f"at most {KILLS}, then it is left to end",
            "equal": "ranked.extxyz byte by byte; positions, cell and info of the structures of "
            "every trial, or of every task of the cycle",
            "after each kill": "no worker is left after a minute",
        },
        results={"total": total, "by case": found},
    )
    print(path.read_text("utf-8"))


if __name__ == "__main__":
    main()
