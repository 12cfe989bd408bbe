"""Structure fingerprints: order parameters of the neighbours that CrystalNN finds.

The local fingerprint of a site (N. E. R. Zimmermann and A. Jain, RSC Adv. 10, 6063, 2020) has, for
each coordination number from 1 to 24, the weight that CrystalNN (H. Pan et al., Inorg. Chem. 60,
1590, 2021) gives it, and this weight times how like its neighbours are to the motifs of that
number. CDVAE's fingerprint of a crystal is the mean over its sites. matminer's
``CrystalNNFingerprint.from_preset("ops")`` gives the same numbers.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.measure.validity import structurally_valid
from gencsp.similarity.matching import as_structure

if TYPE_CHECKING:
    from pymatgen.analysis.local_env import CrystalNN, LocalStructOrderParams
    from pymatgen.core import Structure

#: Motifs by coordination number, by pymatgen's names; q2 to q6 are Steinhardt's.
MOTIFS: dict[int, tuple[str, ...]] = {
    1: ("sgl_bd",),
    2: ("L-shaped", "water-like", "bent 120 degrees", "bent 150 degrees", "linear"),
    3: ("trigonal planar", "trigonal non-coplanar", "T-shaped"),
    4: (
        "square co-planar",
        "tetrahedral",
        "rectangular see-saw-like",
        "see-saw-like",
        "trigonal pyramidal",
    ),
    5: ("pentagonal planar", "square pyramidal", "trigonal bipyramidal"),
    6: ("hexagonal planar", "octahedral", "pentagonal pyramidal"),
    7: ("hexagonal pyramidal", "pentagonal bipyramidal"),
    8: ("body-centered cubic", "hexagonal bipyramidal"),
    9: ("q2", "q4", "q6"),
    10: ("q2", "q4", "q6"),
    11: ("q2", "q4", "q6"),
    12: ("cuboctahedral", "q2", "q4", "q6"),
}
#: The highest coordination number.
HIGHEST = 24
#: Numbers in a fingerprint: a weight of each coordination number, and the motifs.
LENGTH = HIGHEST + sum(map(len, MOTIFS.values()))
#: What pymatgen and qhull raise where they cannot find the neighbours of a site.
_NO_NEIGHBOURS = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """CrystalNN, and the order parameters of the motifs by coordination number."""

    neighbours: CrystalNN
    motifs: dict[int, list[LocalStructOrderParams]]


def structure_fingerprint(atoms: Atoms) -> NDArray[np.float64] | None:
    """CDVAE's structure fingerprint: the mean of those of the sites.

    Args:
        atoms: a crystal, periodic in three directions.

    Returns:
        Shape (61,): by coordination number its weight, and weight times order parameter of each of
        its :data:`MOTIFS`; an atom far from all others has zeros. ``None`` for a crystal that is
        not structurally valid, whose neighbours can take minutes to find (CDVAE's program tries),
        and where the neighbours of a site cannot be found.
    """
    if not structurally_valid(atoms):
        return None
    with warnings.catch_warnings():
        # Of elements without a tabulated radius.
        warnings.simplefilter("ignore")
        try:
            structure = as_structure(atoms)
            sites = [_site(structure, k) for k in range(len(structure))]
        except _NO_NEIGHBOURS:
            return None
    return np.asarray(np.mean(sites, axis=0))


def _site(structure: Structure, site: int) -> list[float]:
    parts = _parts()
    found = parts.neighbours.get_nn_data(structure, site)
    fingerprint: list[float] = []
    for number in range(1, HIGHEST + 1):
        weight = found.cn_weights.get(number, 0.0)
        fingerprint.append(weight)
        motifs = parts.motifs.get(number, [])
        if not weight:
            fingerprint += [0.0] * len(motifs)
            continue
        around = [structure[site], *(each["site"] for each in found.cn_nninfo[number])]
        places = list(range(1, number + 1))
        for motif in motifs:
            # pymatgen asks for a structure, and takes any sequence of sites.
            sites: Any = around
            value = motif.get_order_parameters(sites, 0, indices_neighs=places)[0]
            fingerprint.append(weight * (value or 0.0))
    return fingerprint


@cache
def _parts() -> _Parts:
    # Slow to import.
    from pymatgen.analysis.local_env import CN_OPT_PARAMS, CrystalNN, LocalStructOrderParams

    motifs: dict[int, list[LocalStructOrderParams]] = {}
    for number, names in MOTIFS.items():
        for name in names:
            # The type of the order parameter, and its parameters where it has some.
            kind, *parameters = CN_OPT_PARAMS.get(number, {}).get(name, [name])
            given: Any = [parameters[0] if parameters else None]
            motifs.setdefault(number, []).append(
                LocalStructOrderParams([str(kind)], parameters=given)
            )
    return _Parts(CrystalNN(), motifs)
