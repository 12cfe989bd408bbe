"""Match rates: how many known crystals are found, and how well, as generative models are measured.

Two crystals match by pymatgen's ``StructureMatcher``, at the tolerances of CDVAE (stol 0.5, ltol
0.3, angles 10°) unless others are given. Their distance δ_rms is the root mean square distance of
their atoms in units of (V/N)^(1/3). As in CDVAE's program (``scripts/compute_metrics.py``,
``RecEval``), a structure whose atoms are too close or whose cell has hardly any volume does not
match, nor does one that the matcher cannot reduce.

- :func:`match_rate`: pairs of a crystal and its reconstruction (CDVAE; DP-CDVAE, Tables I and S1).
- :func:`match_rate_at`: the best of the first k samples of each composition (DiffCSP: R. Jiao et
  al., NeurIPS 2023, Table 1).
- :func:`match_everyone`: METRe, "match everyone to reference" (M. M. Martirossyan et al.,
  arXiv:2509.12178, 2025). Any generated structure may match any reference, so that a model is not
  blamed for giving the polymorphs of a composition in another order.

Each comes with the mean of the distances that match (RMSE) and with cRMSE, in which a crystal that
nothing matches counts with the distance stol (arXiv:2509.12178): the mean of matches alone falls
when a model fails at the hard ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Self

import numpy as np
from ase import Atoms

from gencsp.composition import Composition
from gencsp.deck import Count, check
from gencsp.errors import RequestError
from gencsp.measure.validity import structurally_valid
from gencsp.similarity.matching import LOOSE, Tolerances, as_structure, structure_matcher

if TYPE_CHECKING:
    from pymatgen.analysis.structure_matcher import StructureMatcher

NO_MATCH = float("nan")


@dataclass(frozen=True, slots=True)
class MatchRate:
    """How many of some crystals are found, and how well.

    Attributes:
        crystals: that were to be found.
        matched: how many of them something matches.
        rms: RMSE, the mean δ_rms of these, no unit; not a number where there are none.
        corrected_rms: cRMSE, the mean over all crystals, with stol for those that nothing matches;
            not a number for no crystals.
    """

    crystals: int
    matched: int
    rms: float
    corrected_rms: float

    @classmethod
    def of(cls, distances: Sequence[float], *, tolerances: Tolerances = LOOSE) -> Self:
        """That of a :func:`distance` for each crystal, not a number where there is no match."""
        found = np.asarray(distances, dtype=float)
        matched = found[~np.isnan(found)]
        corrected = np.where(np.isnan(found), tolerances.stol, found)
        return cls(len(found), len(matched), _mean(matched), _mean(corrected))

    @property
    def share(self) -> float:
        """Share of the crystals that are found; not a number for no crystals."""
        return self.matched / self.crystals if self.crystals else float("nan")


def match_rate(
    pairs: Iterable[tuple[Atoms, Atoms]], *, tolerances: Tolerances = LOOSE
) -> MatchRate:
    """Match rate of pairs of a crystal and its reconstruction."""
    found = [distance(made, crystal, tolerances=tolerances) for crystal, made in pairs]
    return MatchRate.of(found, tolerances=tolerances)


def match_rate_at(
    k: int,
    crystals: Sequence[Atoms],
    samples: Sequence[Sequence[Atoms]],
    *,
    tolerances: Tolerances = LOOSE,
) -> MatchRate:
    """Match rate at k: the best of the first k samples made for each crystal counts.

    Args:
        k: samples that count.
        crystals: the known ones, n of them.
        samples: those made for each of them, in the order in which their maker trusts them.
        tolerances: of the matcher.

    Raises:
        RequestError: k is no positive number, or there is not a list of samples for each crystal.
    """
    check("k", k, Count)
    if len(crystals) != len(samples):
        raise RequestError(
            f"{len(crystals)} crystals and samples of {len(samples)}: give a list of samples for "
            "each crystal, an empty one where nothing was made."
        )
    return MatchRate.of(
        [
            best_distance(made[:k], crystal, tolerances=tolerances)
            for crystal, made in zip(crystals, samples, strict=True)
        ],
        tolerances=tolerances,
    )


def match_everyone(
    references: Sequence[Atoms], made: Iterable[Atoms], *, tolerances: Tolerances = LOOSE
) -> MatchRate:
    """METRe: share of the references that any of the structures matches, the nearest counting.

    Args:
        references: known crystals; of copies of one crystal each counts, so leave copies out.
        made: structures of any of their compositions, in any order.
        tolerances: of the matcher.
    """
    alike: defaultdict[Composition, list[Atoms]] = defaultdict(list)
    for atoms in made:
        alike[Composition.of(atoms).reduced].append(atoms)
    return MatchRate.of(
        [
            best_distance(alike[Composition.of(one).reduced], one, tolerances=tolerances)
            for one in references
        ],
        tolerances=tolerances,
    )


def best_distance(
    made: Iterable[Atoms], crystal: Atoms, *, tolerances: Tolerances = LOOSE
) -> float:
    """The least δ_rms of structures from a crystal; not a number where none matches."""
    found = [distance(one, crystal, tolerances=tolerances) for one in made]
    return min((value for value in found if not np.isnan(value)), default=NO_MATCH)


def distance(one: Atoms, other: Atoms, *, tolerances: Tolerances = LOOSE) -> float:
    """δ_rms of two crystals, no unit; not a number where they do not match.

    As pymatgen's ``StructureMatcher.get_rms_dist(one, other)``, which is not quite symmetric: CDVAE
    gives it the reconstruction first, DP-CDVAE's Table III the relaxed structure. Crystals that are
    not structurally valid match none.
    """
    if Composition.of(one).reduced != Composition.of(other).reduced:
        return NO_MATCH
    if not (structurally_valid(one) and structurally_valid(other)):
        return NO_MATCH
    try:
        found = _matcher(tolerances).get_rms_dist(as_structure(one), as_structure(other))
    except ValueError:  # pymatgen finds no Niggli cell of a very flat one
        return NO_MATCH
    return NO_MATCH if found is None else float(found[0])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


@cache
def _matcher(tolerances: Tolerances) -> StructureMatcher:
    return structure_matcher(tolerances)
