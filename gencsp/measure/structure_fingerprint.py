"""Structure fingerprints: order parameters of the neighbours that CrystalNN finds.

The local fingerprint of a site (N. E. R. Zimmermann and A. Jain, RSC Adv. 10, 6063, 2020) has, for
each coordination number from 1 to 24, the weight that CrystalNN (H. Pan et al., Inorg. Chem. 60,
1590, 2021) gives it, and this weight times how like its neighbours are to the motifs of that
number. CDVAE's fingerprint of a crystal is the mean over its sites. matminer's
``CrystalNNFingerprint.from_preset("ops")`` gives the same numbers.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.descriptors.motifs import MOTIFS, order_parameter
from gencsp.measure.validity import structurally_valid
from gencsp.similarity.matching import as_structure

if TYPE_CHECKING:
    from pymatgen.analysis.local_env import CrystalNN
    from pymatgen.core import Structure

#: The highest coordination number.
HIGHEST = 24
#: Numbers in a fingerprint: a weight of each coordination number, and the motifs.
LENGTH = HIGHEST + sum(map(len, MOTIFS.values()))
#: What pymatgen and qhull raise where they cannot find the neighbours of a site.
_NO_NEIGHBOURS = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)


def structure_fingerprint(atoms: Atoms) -> NDArray[np.float64] | None:
    """CDVAE's structure fingerprint: the mean of those of the sites.

    Args:
        atoms: a crystal, periodic in three directions.

    Returns:
        Shape (61,): by coordination number its weight, and weight times order parameter of each of
        its :data:`~gencsp.descriptors.motifs.MOTIFS`; an atom far from all others has zeros.
        ``None`` for a crystal that is not structurally valid, whose neighbours can take minutes to
        find (CDVAE's program tries), and where the neighbours of a site cannot be found.
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
    found = _neighbours().get_nn_data(structure, site)
    fingerprint: list[float] = []
    for number in range(1, HIGHEST + 1):
        weight = found.cn_weights.get(number, 0.0)
        fingerprint.append(weight)
        motifs = MOTIFS.get(number, ())
        if not weight:
            fingerprint += [0.0] * len(motifs)
            continue
        around = [structure[site], *(each["site"] for each in found.cn_nninfo[number])]
        places = list(range(1, number + 1))
        for motif in motifs:
            # pymatgen asks for a structure, and takes any sequence of sites.
            sites: Any = around
            parameter = order_parameter(number, motif)
            value = parameter.get_order_parameters(sites, 0, indices_neighs=places)[0]
            fingerprint.append(weight * (value or 0.0))
    return fingerprint


@cache
def _neighbours() -> CrystalNN:
    # Slow to import.
    from pymatgen.analysis.local_env import CrystalNN

    return CrystalNN()
