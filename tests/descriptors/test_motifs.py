"""Motifs: the shortcut finds what the whole computation finds."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from known_crystals import known, uneven
from pymatgen.core.local_env import CN_OPT_PARAMS, LocalStructOrderParams
from pymatgen.io.ase import AseAtomsAdaptor

from gencsp.descriptors.motifs import MOTIF_NAMES, MOTIFS, motif_indices


def all_order_parameters(atoms: Atoms, site: int) -> list[float]:
    """Every one of the 37, at every width, straight from the description."""
    structure = AseAtomsAdaptor.get_structure(atoms)
    neighbours = sorted(structure.get_neighbors(structure[site], 9.0), key=lambda n: n.nn_distance)
    relative = np.array([n.nn_distance for n in neighbours]) / neighbours[0].nn_distance
    values: list[list[float]] = [[], [], []]
    for row, width in zip(values, (0.09, 0.10, 0.11), strict=True):
        bins = np.floor(relative / width + 0.5 + 1e-9).astype(int)
        for cn, names in MOTIFS.items():
            for name in names:
                if cn == 1:
                    row.append(1 - relative[0] / relative[1])
                    continue
                full = cn < len(bins) and bins[cn] != bins[cn - 1]
                if not full:
                    row.append(0.0)
                    continue
                kind, *parameters = CN_OPT_PARAMS.get(cn, {}).get(name, [name])
                measure = LocalStructOrderParams([kind], parameters=parameters or [None])
                sites = [structure[site], *neighbours[:cn]]
                found = measure.get_order_parameters(sites, 0, list(range(1, cn + 1)))[0] or 0.0
                row.append(found * np.mean(1 / relative[:cn]) ** 2)
    agreed = []
    for three in zip(*values, strict=True):
        low, middle, high = sorted(three)
        agreed.append(high if high - middle < 1e-3 < middle - low else low)
    return agreed


def test_there_are_37() -> None:
    assert len(MOTIF_NAMES) == len(set(MOTIF_NAMES)) == 37


@pytest.mark.parametrize("atoms", [uneven(1), known()["MgAl2O4"]], ids=["uneven", "spinel"])
def test_greatest_order_parameter(atoms: Atoms) -> None:
    sites = np.array([0, len(atoms) // 2, len(atoms) - 1])
    for site, found in zip(sites, motif_indices(atoms, sites), strict=True):
        values = all_order_parameters(atoms, int(site))
        assert values[found] == pytest.approx(max(values), abs=2e-3)


def test_as_matminer() -> None:
    fingerprints = pytest.importorskip(
        "matminer.featurizers.site.fingerprint", reason="matminer holds pandas below 3"
    )
    measure = fingerprints.OPSiteFingerprint()
    assert list(MOTIF_NAMES) == measure.feature_labels()
    for atoms in (uneven(2), *known().values()):
        structure = AseAtomsAdaptor.get_structure(atoms)
        theirs = [int(np.argmax(measure.featurize(structure, i))) for i in range(len(atoms))]
        assert motif_indices(atoms, np.arange(len(atoms))) == theirs
