"""Guests in hosts beside measured voltages and volumes: LiCoO2, LiFePO4, graphite.

    python benchmarks/intercalation.py --work FOLDER

Each host is the published crystal with its guests; they are taken out and placed again at every
content by inpainting, and orders of guests and vacancies on their sites are relaxed beside.
"""

from __future__ import annotations

import argparse
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.spacegroup import crystal

from gencsp.convex_hull.entries import DEFAULT_MODEL
from gencsp.intercalation.report import content_rows, step_rows
from gencsp.measure.record import record
from gencsp.runs.intercalating import intercalate

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Case:
    """A host, its series, and what is measured.

    Attributes:
        host: the crystal with its guests.
        source: of the crystal.
        settings: of the series.
        measured: quantities and their sources.
    """

    host: Atoms
    source: str
    settings: dict[str, Any]
    measured: dict[str, dict[str, Any]]


def cases() -> dict[str, Case]:
    """The hosts, from their published lattices and positions."""
    return {
        "LiCoO2": Case(
            crystal(
                ["Li", "Co", "O"],
                [(0, 0, 0.5), (0, 0, 0), (0, 0, 0.2395)],
                spacegroup=166,
                cellpar=[2.8161, 2.8161, 14.0536, 90, 90, 120],
            ),
            "J. Akimoto, Y. Gotoh, Y. Oosawa, J. Solid State Chem. 141, 298 (1998)",
            {"x": "0:1:0.25", "atoms": 16, "n": 4},
            {
                "average_voltage": {
                    "value": 4.0,
                    "range": "x from about 0.5 to 1",
                    "source": "T. Ohzuku, A. Ueda, J. Electrochem. Soc. 141, 2972 (1994)",
                }
            },
        ),
        "LiFePO4": Case(
            crystal(
                ["Li", "Fe", "P", "O", "O", "O"],
                [
                    (0, 0, 0),
                    (0.2822, 0.25, 0.9747),
                    (0.0948, 0.25, 0.4182),
                    (0.0968, 0.25, 0.7428),
                    (0.4571, 0.25, 0.2060),
                    (0.1656, 0.0465, 0.2848),
                ],
                spacegroup=62,
                cellpar=[10.3320, 6.0100, 4.6920, 90, 90, 90],
            ),
            "V. A. Streltsov et al., Acta Crystallogr. B 49, 147 (1993)",
            {"x": "0,0.5,1", "atoms": 28, "n": 2, "cells": 1},
            {
                "average_voltage": {
                    "value": 3.45,
                    "range": "x from 0 to 1, one plateau",
                    "source": "A. K. Padhi et al., J. Electrochem. Soc. 144, 1188 (1997)",
                },
                "volume_change": {
                    "value": 0.0681 / (1 - 0.0681),
                    "range": "FePO4 to LiFePO4 (6.81 % less on delithiation)",
                    "source": "A. K. Padhi et al., J. Electrochem. Soc. 144, 1188 (1997)",
                },
            },
        ),
        "LiC6": Case(
            crystal(
                ["Li", "C"],
                [(0, 0, 0), (1 / 3, 0, 0.5)],
                spacegroup=191,
                cellpar=[4.305, 4.305, 3.706, 90, 90, 120],
            ),
            "D. Guerard, A. Herold, Carbon 13, 337 (1975)",
            {"x": "0,0.5,1", "unit": "C6", "atoms": 14, "n": 4, "cells": 3},
            {
                "average_voltage": {
                    "value": 0.1,
                    "range": "plateaus from about 0.21 to 0.085 V",
                    "source": "J. R. Dahn, Phys. Rev. B 44, 9170 (1991)",
                },
                "volume_change": {
                    "value": 0.105,
                    "range": "spacing of the layers, graphite 3.355 to LiC6 3.706",
                    "source": "D. Guerard, A. Herold, Carbon 13, 337 (1975)",
                },
            },
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--only", choices=sorted(cases()), action="append")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results" / "intercalation.json"
    )
    options = parser.parse_args()
    chosen = {name: one for name, one in cases().items() if name in (options.only or cases())}
    results = {name: run(name, one, options.work, options.workers) for name, one in chosen.items()}
    record(
        options.out,
        measured="voltages (V against Li), convex hull over x and volumes of Li in CoO2, FePO4 and "
        "C6, beside measured values",
        sample_size={"hosts": len(results)},
        seed=0,
        intervals=(),
        protocol={
            "method": "gencsp.intercalate: inpainting in orbits and freely, and orders of guests "
            "and vacancies on the sites of the published crystal; all atoms and the cell relaxed "
            f"with {DEFAULT_MODEL} to 0.05 eV/Å",
            "metal": "lowest reference of Li in the shipped hull",
            "in_sample": "CHGNet was trained on Materials Project data, which hold these crystals",
        },
        results=results,
    )


def run(name: str, case: Case, work: Path, workers: int) -> dict[str, Any]:
    """One series, beside what is measured."""
    begun, processor = time.time(), processor_seconds()
    found = intercalate(case.host, guest="Li", workers=workers, out=work / name, **case.settings)
    assert found.profile is not None, f"{name}: no two contents converged"
    by_origin: dict[str, int] = {}
    for atoms in found.structures:
        origin = str(atoms.info.get("origin", atoms.info.get("proposer", "")))
        by_origin[origin] = by_origin.get(origin, 0) + 1
    lowest = {point.label for point in found.profile.points}
    return {
        "crystal": case.source,
        "settings": case.settings,
        "metal": found.metal,
        "structures": by_origin,
        "lowest": {
            str(atoms.info["structure_id"]): str(atoms.info.get("origin", atoms.info["proposer"]))
            for atoms in found.structures
            if atoms.info["structure_id"] in lowest
        },
        "failures": found.failures,
        "average_voltage": round(found.profile.average_voltage or 0.0, 3),
        "volume_change": round(found.profile.volume_change(found.profile.points[-1]), 4),
        "contents": content_rows(found.profile, "Li", found.unit),
        "voltage": step_rows(found.profile),
        "measured": case.measured,
        "wall_seconds": round(time.time() - begun, 1),
        "processor_seconds": round(processor_seconds() - processor, 1),
    }


def processor_seconds() -> float:
    """Of this process and its finished children."""
    return sum(
        sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


if __name__ == "__main__":
    main()
