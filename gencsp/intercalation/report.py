"""A series of guest contents as tables, JSON and a figure."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gencsp.composition import Composition
from gencsp.files import csv_cell
from gencsp.intercalation.contents import formula_at, shown
from gencsp.intercalation.profile import Profile
from gencsp.io.figures import empty_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STABLE, UNSTABLE = "#2b6cb0", "#c05621"


def content_rows(found: Profile, guest: str, unit: Composition) -> list[dict[str, Any]]:
    """One row for each content: energies in eV per formula unit, volumes in Å³ per formula unit."""
    return [
        {
            "x": round(float(point.x), 6),
            "fraction": shown(point.x),
            "formula": formula_at(point.x, guest, unit),
            "energy": round(point.energy, 6),
            "formation_energy": round(formation, 6),
            "above_hull": round(above, 6),
            "stable": above == 0.0,
            "volume": round(point.volume, 4),
            "volume_change": round(found.volume_change(point), 6),
            "structure_id": point.label,
        }
        for point, formation, above in zip(found.points, found.formation, found.above, strict=True)
    ]


def step_rows(found: Profile) -> list[dict[str, Any]]:
    """One row for each plateau of the voltage, in V."""
    return [
        {
            "x_first": round(float(step.first), 6),
            "x_last": round(float(step.last), 6),
            "voltage": round(step.voltage, 4),
            "volume_change": round(step.volume_change, 6),
        }
        for step in found.steps
    ]


def write_report(
    folder: Path,
    name: str,
    found: Profile,
    *,
    guest: str,
    unit: Composition,
    metal: str,
    charge: int | None,
) -> list[str]:
    """Write ``NAME-contents.csv``, ``NAME-voltage.csv``, ``NAME.json`` and the figure.

    Args:
        folder: that is there.
        name: of the files.
        found: the profile.
        guest: element symbol.
        unit: formula unit of the host.
        metal: reference phase of the guest's element; empty where there are no voltages.
        charge: of a guest ion, e; ``None`` where there are no voltages.

    Returns:
        The names of the files.
    """
    contents, steps = content_rows(found, guest, unit), step_rows(found)
    written = [_write_csv(folder / f"{name}-contents.csv", contents)]
    if steps:
        written.append(_write_csv(folder / f"{name}-voltage.csv", steps))
    average = found.average_voltage
    said = {
        "host": unit.formula,
        "guest": guest,
        "metal": metal or None,
        "charge": charge,
        "average_voltage": None if average is None else round(average, 4),
        "volume_change": round(found.volume_change(found.points[-1]), 6),
        "units": {
            "energy": "eV per formula unit of the host",
            "volume": "Å³ per formula unit of the host",
            "voltage": "V against the metal of the guest",
            "volume_change": "share of the volume at the first content; of a step, at its first",
        },
        "contents": contents,
        "voltage": steps,
    }
    file = folder / f"{name}.json"
    file.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    drawn = draw_profile(found, folder / name, guest=guest, unit=unit)
    return [*written, file.name, *(one.name for one in drawn)]


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows({key: csv_cell(value) for key, value in row.items()} for row in rows)
    return path.name


def draw_profile(found: Profile, path: Path, *, guest: str, unit: Composition) -> list[Path]:
    """Draw the hull over x and below it the voltage; returns the files.

    Args:
        found: the profile.
        path: without an ending: one file of each of :data:`gencsp.io.figures.FORMATS`.
        guest: element symbol.
        unit: formula unit of the host.
    """
    panels = 2 if found.steps else 1
    figure = empty_figure(5.5, 2.2 + 2.0 * panels)
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    _draw_hull(axes[0], found, unit)
    if found.steps:
        _draw_voltage(axes[1], found, guest)
    axes[-1].set_xlabel(f"x in {guest}$_x${unit.formula}")
    return save_figure(figure, path)


def _draw_hull(axes: Axes, found: Profile, unit: Composition) -> None:
    rows = list(zip(found.points, found.formation, found.above, strict=True))
    stable = [(float(p.x), energy) for p, energy, above in rows if above == 0.0]
    others = [(float(p.x), energy) for p, energy, above in rows if above > 0.0]
    axes.axhline(0.0, color="0.7", linewidth=0.8)
    axes.plot(*zip(*stable, strict=True), "-o", color=STABLE, markersize=5, label="on the hull")
    if others:
        axes.plot(*zip(*others, strict=True), "x", color=UNSTABLE, label="lowest found, above it")
    axes.set_ylabel(f"formation energy (eV per {unit.formula})")
    axes.legend(fontsize=8, frameon=False)


def _draw_voltage(axes: Axes, found: Profile, guest: str) -> None:
    edges = [float(found.steps[0].first), *(float(step.last) for step in found.steps)]
    axes.stairs([step.voltage for step in found.steps], edges, baseline=None, color=STABLE)
    if found.average_voltage is not None:
        axes.axhline(found.average_voltage, color="0.6", linewidth=0.8, linestyle="--")
    axes.set_ylabel(f"voltage against {guest} (V)")
    axes.margins(y=0.15)
