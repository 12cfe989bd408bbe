"""Tables of DP-CDVAE: those of its paper, from the records of its suites that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from record_values import RESULTS, number, read, table

#: What each suite measures on, and the command that measures it.
SUITES = {
    "dp-cdvae": "Perov-5, `test_dev`",
    "dp-cdvae-carbon24": "Carbon-24, `test_dev`",
    "dp-cdvae-mp20": "MP-20, 500 binaries and ternaries of the test part",
}
#: The paper's names of the variants, by the ends of the records' names.
VARIANTS = {
    "base": "DP-CDVAE",
    "na": "DP-CDVAE+N_a",
    "gine": "DP-CDVAE+GINE",
    "na_gine": "DP-CDVAE+N_a+GINE",
}
#: Ways of reconstructing, by the names of their measures; the paper has the first two.
WAYS = {
    "modified": "eq. 7",
    "ancestral": "eq. 6",
    "modified, best of 4": "eq. 7, best of 4",
    "renewal": "renewal",
}
NONE_YET = "Not measured yet: `gencsp bench dp-cdvae --weights FILE`."
Row = tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """Records of a suite, and what the paper has for the same variant.

    Attributes:
        suite: its name.
        variant: of the network.
        measures: of all its records, by name.
        published: rows of the paper.
    """

    suite: str
    variant: str
    measures: Mapping[str, Any]
    published: Sequence[Mapping[str, Any]]

    def ours(self, measure: str, form: str, scale: float = 1.0) -> str:
        """A value with its interval; empty where it was not measured."""
        found = self.measures.get(measure)
        if found is None or not found["n"] or found["value"] is None:
            return ""
        value = number(found["value"], form, scale)
        if found["low"] is None:
            return value
        low, high = (number(found[end], form, scale) for end in ("low", "high"))
        return f"{value} ({low}-{high})"

    def paper(self, measure: str, form: str, scale: float = 1.0, *, of: str = "") -> str:
        """What the paper has, of the same variant or another model."""
        name = of or VARIANTS[self.variant]
        values: Mapping[str, float] = next(
            (row["values"] for row in self.published if row["name"] == name), {}
        )
        return number(values[measure], form, scale) if measure in values else "-"


def _records() -> Iterator[Measured]:
    """Of each variant; parts of a suite that were run by themselves have records named __PART."""
    for suite in SUITES:
        for variant in VARIANTS:
            name = f"suite_{suite}_{variant}"
            paths = [RESULTS / f"{name}.json", *sorted(RESULTS.glob(f"{name}__*.json"))]
            results = [read(path)["results"] for path in paths if path.exists()]
            if results:
                measures = {k: v for one in results for k, v in one["measures"].items() if v["n"]}
                yield Measured(suite, variant, measures, results[0]["published"])


def reconstruction() -> str:
    """Match rate in per cent and mean δ_rms by reverse step; the paper's Tables I and S1."""
    every = [one for one in _records() if one.ours("modified: matched", ".1f", 100)]
    ways = {
        way: title for way, title in WAYS.items() if any(f"{way}: rms" in x.measures for x in every)
    }
    rows: list[Row] = []
    for one in every:
        cells = []
        for way in ways:
            for measure, form, scale in (("matched", ".1f", 100), ("rms", ".4f", 1)):
                name = f"{way}: {measure}"
                ours = one.ours(name, form, scale)
                if ours and way in ("modified", "ancestral"):
                    ours += f" [{one.paper(name, form, scale)}]"
                cells.append(ours)
        rows.append((SUITES[one.suite], VARIANTS[one.variant], *cells))
    titles = (title for way in ways.values() for title in (f"{way}, %", "δ_rms"))
    return _table(("set", "encoder", *titles), rows)


def generation() -> str:
    """Per cent, and Wasserstein distances; the paper's Table II, its CDVAE at the end."""
    columns = {
        "structure": ("structure valid, %", ".2f", 100),
        "composition": ("composition valid, %", ".2f", 100),
        "COV-R": ("COV-R, %", ".2f", 100),
        "COV-P": ("COV-P, %", ".2f", 100),
        "density": ("density, g/cm³", ".4f", 1),
        "formation energy": ("formation energy, eV/atom", ".4f", 1),
        "elements": ("elements", ".4f", 1),
    }
    rows: list[Row] = []
    for one in _records():
        if not one.ours("structure", ".2f", 100):
            continue
        variant = VARIANTS[one.variant]
        ours = (one.ours(name, form, scale) for name, (_, form, scale) in columns.items())
        rows.append((SUITES[one.suite], variant, *ours))
        for title in (variant, "CDVAE"):
            paper = (one.paper(k, form, s, of=title) for k, (_, form, s) in columns.items())
            rows.append(("", f"{title} in the paper", *paper))
    return _table(("set", "encoder", *(title for title, _, _ in columns.values())), rows)


def ground_state() -> str:
    """Match rate in per cent, δ_rms, ΔV_rms and ΔE_rms on relaxation; the paper's Table III."""
    columns = {
        "matched": ("matched, %", ".0f", 100),
        "rms": ("δ_rms", ".4f", 1),
        "volume": ("ΔV_rms, Å³/atom", ".4f", 1),
        "energy": ("ΔE_rms, meV/atom", ".1f", 1000),
    }
    rows: list[Row] = []
    for one in _records():
        if not one.ours("ground state: matched", ".0f", 100):
            continue
        forms = {f"ground state: {name}": (f, s) for name, (_, f, s) in columns.items()}
        variant = VARIANTS[one.variant]
        rows.append(
            (f"{variant} here, CHGNet", *(one.ours(k, f, s) for k, (f, s) in forms.items()))
        )
        for title in (variant, "CDVAE"):
            paper = (one.paper(k, f, s, of=title) for k, (f, s) in forms.items())
            rows.append((f"{title} in the paper, DFT", *paper))
    return _table(("model, relaxation", *(title for title, _, _ in columns.values())), rows)


def _table(head: Row, rows: list[Row]) -> str:
    return table(head, rows) if rows else NONE_YET


TABLES: dict[str, Callable[[], str]] = {
    "DP-CDVAE reconstruction": reconstruction,
    "DP-CDVAE generation": generation,
    "DP-CDVAE ground state": ground_state,
}
