"""Everyday compounds: their known phases are references, and CHGNet finds them near the hull.

All of them are looked at by ``gencsp bench everyday``.
"""

from __future__ import annotations

import numpy as np
import pytest

from gencsp import records
from gencsp.api import hull as judge
from gencsp.composition import Composition
from gencsp.convex_hull.crystals import reference_crystal
from gencsp.convex_hull.hull import Hull
from gencsp.runs.relaxing import relax
from gencsp.symmetry.refinement import space_group

#: Space groups at ambient conditions (mineral names, where there are any, beside them).
KNOWN = {
    "NaCl": 225,
    "MgO": 225,
    "Al2O3": 167,  # corundum
    "CeO2": 225,
    "ZnS": 216,  # sphalerite
    "Mg2SiO4": 62,  # forsterite
    "LiFePO4": 62,  # olivine
    "CaTiO3": 62,  # perovskite
    "Cu2ZnSnS4": 82,  # kesterite, found by gencsp
}
#: eV/atom: so far below the hull a known phase would be taken for a discovery, so far above it for
#: no phase.
NEAR = (-0.01, 0.03)


@pytest.mark.parametrize("formula", KNOWN)
def test_the_known_phase_relaxes_to_its_reference(formula: str) -> None:
    hull, composition = Hull.load(), Composition.parse(formula)
    phases = [
        crystal
        for one in hull.references(composition)
        if one.space_group == KNOWN[formula] and (crystal := reference_crystal(one)) is not None
    ]
    start = phases[0]
    start.set_cell(start.cell.array * 1.02, scale_atoms=True)
    start.rattle(0.02, rng=np.random.default_rng(0))
    (result,) = relax([start], fmax=0.02, steps=300)
    assert result.converged
    assert space_group(result.atoms).number == KNOWN[formula]
    (found,) = judge(result.atoms, hull=hull)
    assert NEAR[0] < found.info[records.DECOMPOSITION_ENERGY] < NEAR[1]
    assert found.info[records.HAS_REFERENCE] is True
    formula_named = str(found.info[records.REFERENCE_PHASE]).partition(" ")[0]
    assert Composition.parse(formula_named) == composition
