"""Tables of crystals of rigid units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from record_values import RESULTS, number, protocol, results, table
from scipy.stats import combine_pvalues

from gencsp.symmetry.symbols import symbol_of

Found = Mapping[str, Any]

#: Kinds of crystals, in the order of the tables.
KINDS = ("random", "unguided", "guided coordinates", "guided")
PREFIX = "unit_guidance_"


def records() -> Iterator[tuple[str, str, list[Found]]]:
    """Name, compound with the examples that its model learns from, and seeds of each record."""
    for path in sorted(RESULTS.glob(f"{PREFIX}*.json")):
        found = results(path.stem)
        seeds = [one for key, one in found.items() if key.startswith("seed ")]
        said = protocol(path.stem)
        learnt = said.get("learn_from", 1)
        part = "all examples" if learnt == 1 else f"lowest {number(learnt, '.0%')}"
        yield path.stem, f"{said['compound']}, {part}", seeds


def guided_units() -> str:
    """Energies of each kind above the known phase, seed by seed, and rank tests over all seeds."""
    rows = [
        (
            formula,
            kind,
            ", ".join(str(seed["kinds"][kind]["n"]) for seed in seeds),
            ", ".join(
                number(seed["kinds"][kind]["above_known"]["median"]["value"], ".0f", 1000)
                for seed in seeds
            ),
            ", ".join(
                number(seed["kinds"][kind]["above_known"]["quantiles"]["0"], ".0f", 1000)
                for seed in seeds
            ),
            ", ".join(number(seed["kinds"][kind]["near"]["share"], ".0%") for seed in seeds),
            ", ".join(str(one["new_near"]) for one in _of(seeds, kind) if "new_near" in one),
            ", ".join(str(seed["kinds"][kind]["known_found_after"] or "-") for seed in seeds),
            *(_chance(seeds, kind, worse) for worse in ("random", "unguided")),
        )
        for _, formula, seeds in records()
        for kind in KINDS
    ]
    return table(
        (
            "",
            "kind",
            "crystals",
            "median, meV/atom",
            "lowest",
            "within 50 meV/atom",
            "of these new and distinct",
            "known phase found after",
            "P (random)",
            "P (unguided)",
        ),
        rows,
    )


def _of(seeds: list[Found], kind: str) -> list[Found]:
    return [seed["kinds"][kind] for seed in seeds]


def _chance(seeds: list[Found], better: str, worse: str) -> str:
    """Stouffer's combination of the seeds' one-sided P that a kind is as low by chance."""
    key = f"{better} below {worse}"
    if key not in seeds[0]["rank_tests"]:
        return ""
    return f"{combine_pvalues([s['rank_tests'][key] for s in seeds], method='stouffer').pvalue:.1g}"


def encodings_of_units() -> str:
    """What each encoding gives before relaxation, medians over the seeds' medians."""
    rows = []
    for _, formula, seeds in records():
        encodings = [name for name in seeds[0]["models"] if name != "random"]
        for encoding in encodings:
            ways = [[seed["models"][encoding][way] for seed in seeds] for way in KINDS[1:]]
            rows.append(
                (
                    formula,
                    encoding,
                    ", ".join(
                        number(seed["models"][encoding]["fit_seconds"], ".0f") for seed in seeds
                    ),
                    *(
                        ", ".join(number(one["sound_as_decoded"]["share"], ".0%") for one in way)
                        for way in (ways[0], ways[2])
                    ),
                    *(
                        ", ".join(
                            number(one["above_known_as_made"]["median"]["value"], ".0f", 1000)
                            for one in way
                        )
                        for way in ways
                    ),
                )
            )
    return table(
        (
            "",
            "encoding",
            "training, s",
            "sound as decoded: unguided",
            "guided",
            "median as made, meV/atom: unguided",
            "guided coordinates",
            "guided",
        ),
        rows,
    )


def best_units() -> str:
    """The lowest crystal of each kind, as Tables S1 and S2 of the supplement have them."""
    rows = []
    for name, formula, seeds in records():
        known = results(name)["known"]
        rows.append((formula, "known phase", "0", *_crystal(known)))
        for kind in KINDS:
            lowest = min((one for s in seeds for one in s["best"][kind]), key=lambda b: b["energy"])
            above = number(lowest["energy"] - known["energy"], ".1f", 1000)
            rows.append((formula, kind, above, *_crystal(lowest)))
    titles = ("", "kind", "meV/atom", "space group", "a, b, c (Å); angles (°)", "sites")
    return table(titles, rows)


#: Space groups of a kind that the table has, the commonest ones.
MOST_GROUPS = 8


def groups_of_units() -> str:
    """In which space groups crystals were drawn and end, all seeds together (Fig. S1)."""
    rows = []
    for _, formula, seeds in records():
        for kind in ("drawn at random", *KINDS):
            counts = Counter[int]()
            for seed in seeds:
                for group, count in seed["space_groups"][kind].items():
                    counts[int(group)] += count
            common = [
                f"{symbol_of(group)} {count}" for group, count in counts.most_common(MOST_GROUPS)
            ]
            rows.append((formula, kind, str(len(counts)), ", ".join(common)))
    return table(("", "kind", "groups", "the commonest, with how many crystals"), rows)


#: Sites of a crystal beyond which a table refers to the record.
MOST_SITES = 6


def _crystal(found: Found) -> tuple[str, str, str]:
    if "space_group" not in found:
        return "-", "-", "-"
    cell = found["cell"]
    edges = ", ".join(f"{one:.3f}" for one in cell[:3])
    angles = ", ".join(f"{one:.1f}" for one in cell[3:])
    sites = found["sites"]
    if len(sites) > MOST_SITES:
        text = f"{len(sites)} sites, see the record"
    else:
        text = "; ".join(f"{place} {x:.4f} {y:.4f} {z:.4f}" for place, x, y, z in sites)
    return found["space_group"], f"{edges}; {angles}", text


TABLES: dict[str, Callable[[], str]] = {
    "guided units": guided_units,
    "encodings of units": encodings_of_units,
    "best units": best_units,
    "groups of units": groups_of_units,
}
