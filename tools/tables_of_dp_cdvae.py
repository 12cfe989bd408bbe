"""Tables of DP-CDVAE: those of its paper, as far as they were measured here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from record_values import RESULTS, number, percent, percents, results, span, table

SETS = {
    "perov_5": "Perov-5, `test_dev`",
    "carbon_24": "Carbon-24, `test_dev`",
    "mp_20": "MP-20, 500 binaries and ternaries of the test part",
}
#: The paper's names of the variants, by those of the records.
VARIANTS = {
    "base": "DP-CDVAE",
    "na": "DP-CDVAE+N_a",
    "gine": "DP-CDVAE+GINE",
    "na_gine": "DP-CDVAE+N_a+GINE",
}
NONE_YET = "Not measured yet: `gencsp bench dp-cdvae --weights FILE`."
UNKNOWN = "-"
Row = tuple[str, ...]


def reconstruction() -> str:
    """Match rate in per cent and mean δ_rms by reverse step; the paper's Tables I and S1."""
    rows: list[Row] = []
    for name, variant, found in _records("dp_cdvae_reconstruction"):
        paper = found["published"]
        ours = (_matched(found["rules"].get(rule)) for rule in ("modified", "ancestral", "renewal"))
        modified, ancestral, renewal = ours
        published = [
            _of_paper(paper[rule][VARIANTS[variant]]) for rule in ("modified", "ancestral")
        ]
        cells = (modified, published[0], ancestral, published[1], renewal)
        rows.append((SETS[name], VARIANTS[variant], *cells))
    head = ("set", "encoder", "eq. 7", "paper", "eq. 6", "paper", "renewal")
    return _table(head, rows)


def generation() -> str:
    """Per cent, and Wasserstein distances; the paper's Table II, its CDVAE at the end."""
    rows: list[Row] = []
    last = ""
    for name, variant, found in reversed(_records("dp_cdvae_generation")):
        published = found["published"]
        if name != last:
            rows.append(("", "CDVAE in the paper", *_published(published["CDVAE"])))
            last = name
        shares = (
            f"{percent(found[key])} ({percents(found[key])})"
            for key in ("structure", "composition", "COV-R", "COV-P")
        )
        distances = (_distance(found.get(k)) for k in ("density", "formation_energy", "elements"))
        rows.append(("", "in the paper", *_published(published[VARIANTS[variant]])))
        rows.append((SETS[name], VARIANTS[variant], *shares, *distances))
    rows.reverse()
    head = (
        "set",
        "encoder",
        "structure valid, %",
        "composition valid, %",
        "COV-R, %",
        "COV-P, %",
        "density, g/cm³",
        "formation energy, eV/atom",
        "elements",
    )
    return _table(head, rows)


def ground_state() -> str:
    """Match rate in per cent, δ_rms, ΔV_rms, ΔE_rms and the commonest bin; Table III, Fig. S2."""
    rows: list[Row] = []
    published: Mapping[str, Any] = {}
    for variant, title in VARIANTS.items():
        path = RESULTS / f"dp_cdvae_ground_state_{variant}.json"
        if not path.exists():
            continue
        found = results(path.stem)
        published = found["published"]
        bins = found["energy_histogram"]
        commonest = max(range(len(bins["shares"])), key=bins["shares"].__getitem__)
        rows.append(
            (
                f"{title} here, CHGNet",
                f"{percent(found['matched'], 0)} ({percents(found['matched'])})",
                _estimate(found["rms"], ".4f"),
                _estimate(found["volume_rms"], ".4f"),
                _estimate(found["energy_rms"], ".1f", 1000),
                span(bins["edges"][commonest : commonest + 2], ".0f", 1000),
            )
        )
    for title, (matched, rms, volume, energy) in published.items():
        cells = (number(matched, ".0f"), number(rms, ".4f"), number(volume, ".4f"))
        rows.append((f"{title} in the paper, DFT", *cells, number(energy, ".1f"), ""))
    head = (
        "model, relaxation",
        "matched, %",
        "δ_rms",
        "ΔV_rms, Å³/atom",
        "ΔE_rms, meV/atom",
        "commonest ΔE, meV/atom",
    )
    return _table(head, rows)


def _records(program: str) -> list[tuple[str, str, Any]]:
    """Set, variant and results of each record that is there."""
    names = [
        (name, variant, f"{program}_{name}_{variant}") for name in SETS for variant in VARIANTS
    ]
    return [
        (name, variant, results(record))
        for name, variant, record in names
        if (RESULTS / f"{record}.json").exists()
    ]


def _table(head: Row, rows: list[Row]) -> str:
    return table(head, rows) if rows else NONE_YET


def _matched(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    rate = f"{percent(row['matched'])} ({percents(row['matched'])})"
    return f"{rate}, {_estimate(row['rms'], '.4f')}"


def _of_paper(row: tuple[float, float]) -> str:
    rate, rms = row
    return f"{number(rate, '.1f')}, {number(rms, '.4f')}"


def _estimate(values: tuple[float, float, float] | None, spec: str, scale: float = 1.0) -> str:
    if values is None:
        return UNKNOWN
    value, low, high = values
    return f"{number(value, spec, scale)} ({span((low, high), spec, scale)})"


def _distance(found: Mapping[str, float] | None) -> str:
    return (
        UNKNOWN
        if found is None
        else _estimate((found["distance"], found["low"], found["high"]), ".4f")
    )


def _published(values: list[float | None]) -> Row:
    return tuple(
        UNKNOWN if value is None else number(value, ".2f" if k < 4 else ".4f")
        for k, value in enumerate(values)
    )


TABLES: dict[str, Callable[[], str]] = {
    "DP-CDVAE reconstruction": reconstruction,
    "DP-CDVAE generation": generation,
    "DP-CDVAE ground state": ground_state,
}
