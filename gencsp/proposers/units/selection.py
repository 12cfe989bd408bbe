"""Which examples a model of crystals of units proposes by: those of lowest energy.

Truncation selection, as in estimation-of-distribution algorithms (H. Mühlenbein, G. Paaß, "From
recombination of genes to the estimation of distributions I", PPSN IV, LNCS 1141, 178, 1996) and in
the cross-entropy method: a model of the best of what was found proposes what is found next. A model
of all of it returns the distribution that it was given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Fewest examples that are selected, where there are as many: of fewer, a network learns each by
#: heart.
FEWEST_SELECTED = 20


def of_lowest_energy(energies: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Which examples are among the lowest share of all, shape (n,).

    At least :data:`FEWEST_SELECTED` of them, or all where there are fewer, and every example whose
    energy is that of the highest one selected: what is selected does not depend on their order.

    Args:
        energies: finite, shape (n,), n at least 1.
        share: above 0, up to 1.
    """
    n = len(energies)
    wanted = min(n, max(FEWEST_SELECTED, round(share * n)))
    return np.asarray(energies <= np.sort(energies)[wanted - 1])
