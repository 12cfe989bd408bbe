"""Worked values: by hand, and by independent implementations."""

from __future__ import annotations

from math import e, log2, pi

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from known_crystals import known
from pymatgen.core import Composition as PymatgenComposition
from scipy.stats import entropy

from gencsp.composition import ELEMENTS, Composition
from gencsp.descriptors.compactness import compactness, radius
from gencsp.descriptors.complexity import complexity
from gencsp.descriptors.local_diversity import local_diversity
from gencsp.descriptors.motifs import MOTIF_NAMES
from gencsp.errors import DeckError, StructureFileError
from gencsp.filters import get_filter
from gencsp.filters.charge_balance import least_charge

# (4/3) π Σ r³ / V with Slater's radii, worked by hand (r in Å: Mg 1.50, O 0.60, Cs 2.60, Cl 1.00,
# C 0.70, Sr 2.00, Ti 1.40, Al 1.25).
COMPACTNESS = {"MgO": 0.8052, "CsCl": 1.1102, "C": 0.2533, "SrTiO3": 0.8013, "MgAl2O4": 0.5168}
# Orbits of the primitive cell, by hand.
ORBITS = {"MgO": (1, 1), "CsCl": (1, 1), "C": (2,), "SrTiO3": (1, 1, 3), "MgAl2O4": (2, 4, 8)}
# Motif of each element and how many atoms have it, as matminer 0.10.1 finds them.
MOTIFS = {
    "MgO": {"octahedral CN_6": 2},
    "CsCl": {"body-centered cubic CN_8": 2},
    "C": {"tetrahedral CN_4": 2},
    "SrTiO3": {"cuboctahedral CN_12": 1, "octahedral CN_6": 1, "linear CN_2": 3},
    "MgAl2O4": {"tetrahedral CN_4": 2, "octahedral CN_6": 4, "trigonal pyramidal CN_4": 8},
}


@pytest.mark.parametrize("name", COMPACTNESS)
def test_compactness(name: str) -> None:
    assert compactness(known()[name]) == pytest.approx(COMPACTNESS[name], abs=2e-4)
    passed = get_filter("compactness").judge(known()[name]).passed
    assert passed == (0.55 <= COMPACTNESS[name] <= 0.85)


@pytest.mark.parametrize(("name", "limit"), [("local_diversity", 9.0), ("complexity", 3.9)])
def test_thresholds_of_the_paper_must_be_exceeded(
    name: str, limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Extended Data Table 1: M_LED > 9 and K > 3.9."""
    for value, passes in ((limit - 1e-9, False), (limit, False), (limit + 1e-9, True)):
        monkeypatch.setattr(f"gencsp.filters.{name}.{name}", lambda *_, v=value, **__: v)
        assert get_filter(name).judge(bulk("NaCl", "rocksalt", a=5.64)).passed is passes


def test_every_element_has_a_radius() -> None:
    from ase.data import atomic_numbers

    assert all(0.2 < radius(atomic_numbers[symbol]) < 3 for symbol in ELEMENTS)


@pytest.mark.parametrize("name", ORBITS)
def test_complexity(name: str) -> None:
    assert complexity(known()[name]) == pytest.approx(entropy(ORBITS[name], base=2), abs=1e-9)


def test_complexity_without_symmetry_is_the_logarithm_of_the_atoms() -> None:
    rng = np.random.default_rng(0)
    atoms = Atoms("Li16", scaled_positions=rng.random((16, 3)), cell=[6, 7, 8], pbc=True)
    assert complexity(atoms, symprec=0.01) == pytest.approx(4)
    verdict = get_filter("complexity", {"symprec": 0.01}).judge(atoms)
    assert verdict.passed
    assert not get_filter("complexity").judge(known()["MgO"]).passed


@pytest.mark.parametrize("name", MOTIFS)
def test_local_diversity(name: str) -> None:
    """From the motifs that matminer finds, with scipy's entropy."""
    atoms = known()[name]
    motifs = MOTIFS[name]
    axis = np.arange(2 * 37 + 85)
    centres = {2 * MOTIF_NAMES.index(m) for m in motifs} | {73 + int(z) for z in atoms.numbers}
    curve = sum(np.exp(-((axis - c) ** 2) / 200) for c in centres)
    expected = entropy(list(motifs.values()), base=2) + entropy(curve, base=2)
    assert local_diversity(atoms) == pytest.approx(expected, abs=1e-9)


def test_one_repeating_environment_is_least_diverse() -> None:
    """PIGEN, Fig. 2: MgO has one motif, so no entropy of motifs; more motifs, more diversity."""
    values = {name: local_diversity(atoms) for name, atoms in known().items()}
    for name in ("MgO", "CsCl", "C"):
        # One motif leaves H(p), and that is less than an even spread over the whole axis.
        assert values[name] < log2(2 * 37 + 85) < values["SrTiO3"] < 9
    # One Gaussian of 10 steps has log₂(10 √(2πe)) bits: there is nothing below that.
    assert min(values.values()) > log2(10 * (2 * pi * e) ** 0.5)


def test_local_diversity_of_atoms_at_one_place_is_undefined() -> None:
    atoms = Atoms("LiF", positions=[(0, 0, 0), (0, 0, 0)], cell=[3, 3, 3], pbc=True)
    verdict = get_filter("local_diversity").judge(atoms)
    assert not verdict.passed
    assert np.isnan(verdict.value)


FORMULAS = (
    "NaCl Na2Cl MgO Fe3O4 Fe2O3 LiCoO2 NaClO CsPbI3 Li10GeP2S12 SiO2 SiO TiO2 KFeO4 CO2 CaC2 "
    "NH4Cl ZnS Zn2S3 As2Pb4Cl2O11 RbErO2 Rb2Er4O7 XeO4 Bi2Te3 GaAs Mg3N2 AlO"
)


@pytest.mark.parametrize("formula", FORMULAS.split())
def test_charge_balance_agrees_with_pymatgen(formula: str) -> None:
    neutral = bool(PymatgenComposition(formula).oxi_state_guesses())
    assert (least_charge(Composition.parse(formula)) == 0) == neutral


def test_charge_balance_exempts_by_rule() -> None:
    judge = get_filter("charge_balance").judge
    assert judge(bulk("Cu")).note == "one element: exempt"
    alloy = bulk("NiAl", "cesiumchloride", a=2.88)
    assert judge(alloy).passed
    assert judge(alloy).note == "metals alone: exempt"
    assert not get_filter("charge_balance", {"exempt_metals": False}).judge(alloy).passed
    wrong = bulk("NaO", "rocksalt", a=4.5)
    wrong.symbols[1] = "Mg"
    assert judge(bulk("NaCl", "rocksalt", a=5.6)).passed
    assert judge(wrong).note == "metals alone: exempt"
    odd = Atoms("MgCl", scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5)], cell=[4] * 3, pbc=True)
    verdict = judge(odd)
    assert not verdict.passed
    assert verdict.value == pytest.approx(0.5)


def test_charge_balance_of_many_elements_is_quick() -> None:
    balanced = Composition.parse("LiBeBCNO9F30NaMgAlSiPS4ClK12CaFe8")
    assert least_charge(balanced) == 0
    # All of these are cations: 1 to 2 e each.
    assert least_charge(Composition.parse("LiBeNaMgK12Ca9Rb20")) >= 45


def test_distances() -> None:
    judge = get_filter("distances").judge
    assert judge(known()["MgO"]).value == pytest.approx(2.106)
    near = Atoms("LiF", positions=[(0, 0, 0), (0, 0, 0.5)], cell=[3, 3, 3], pbc=True)
    assert not judge(near).passed
    image = Atoms("Li", cell=[0.4, 5, 5], pbc=True)
    assert judge(image).value == pytest.approx(0.4)
    assert not judge(Atoms("Li", cell=[5, 5, 1e-3], pbc=True)).passed


def test_pair_separations() -> None:
    salt = known()["MgO"]
    given = get_filter("pair_separations", {"separations": {"O-Mg": 2.0, "Mg-Mg": 2.0}})
    # O-O keeps 0.6 * 2 * 0.66 Å, Mg-O has 2.106 of 2.0.
    assert given.judge(salt).value == pytest.approx(1.053)
    further = get_filter("pair_separations", {"separations": {"O-O": 2.95}})
    # Mg-O is nearer, O-O at 2.978 is nearer to what it must keep.
    assert further.judge(salt).value == pytest.approx(4.212 / 2**0.5 / 2.95)
    assert not get_filter("pair_separations", {"separations": {"O-O": 3.0}}).judge(salt).passed
    with pytest.raises(DeckError, match="not a pair"):
        get_filter("pair_separations", {"separations": {"Zz-O": 2.0}})


def test_compositional_novelty(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """RbErO2 is known, Rb2Er4O7 is not (PIGEN, Fig. 4b)."""
    judge = get_filter("compositional_novelty").judge
    cell = [5, 5, 5]
    assert not judge(Atoms("O4Rb2Er2", cell=cell, pbc=True)).passed
    assert judge(Atoms("Rb2Er4O7", cell=cell, pbc=True)).passed
    own = tmp_path / "known.txt"
    own.write_text("Rb2Er4O7\nNaCl\n")
    judge = get_filter("compositional_novelty", {"reference": own}).judge
    assert judge(Atoms("O4Rb2Er2", cell=cell, pbc=True)).passed
    assert not judge(Atoms("O14Er8Rb4", cell=cell, pbc=True)).passed
    own = tmp_path / "wrong.txt"
    own.write_text("no formula\n")
    with pytest.raises(StructureFileError, match="not a list of formulas"):
        get_filter("compositional_novelty", {"reference": own}).judge(known()["MgO"])
