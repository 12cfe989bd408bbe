"""The contract of engines, which evaluate and relax many structures with one potential."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from gencsp.errors import PotentialError

if TYPE_CHECKING:
    from gencsp.minimise.result import Outcome, PathCallback, Relaxed, StepCallback
    from gencsp.minimise.settings import RelaxSettings

#: Names of the CHGNet weights that the installed ``chgnet`` package carries.
ModelName = Literal["0.3.0", "0.2.0", "r2scan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Energy and derivatives of one structure, or the reason why there are none.

    Attributes:
        energy: potential energy of the cell, eV (NaN where there is a failure).
        forces: eV/Å, shape (n, 3).
        stress: eV/Å³, shape (6,), Voigt in ASE's sign and order (xx, yy, zz, yz, xz, xy).
        magmoms: magnetic moments in μ_B, shape (n,), non-negative as CHGNet gives them; ``None``
            unless requested.
        failure: ``None`` for a result; else why there is none, and all numbers are NaN.
    """

    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64]
    magmoms: NDArray[np.float64] | None = None
    failure: Outcome | None = None

    @classmethod
    def failed(cls, outcome: Outcome, n_atoms: int) -> Evaluation:
        """An evaluation that failed: its reason, and NaN in place of numbers."""
        return cls(
            energy=float("nan"),
            forces=np.full((n_atoms, 3), np.nan),
            stress=np.full(6, np.nan),
            failure=outcome,
        )


@runtime_checkable
class Engine(Protocol):
    """A potential that evaluates and relaxes many structures.

    ``name`` says what computes it ("native" or "torch" for CHGNet, "ase" for calculators),
    ``model`` which weights it runs (such as "chgnet-0.3.0") and ``digest`` is a short hash of them,
    12 hexadecimal digits, that goes into the provenance of energies. One that also has
    ``elements``, a set of symbols, is refused for others before the work begins, see
    :func:`require_elements`.
    """

    name: str
    model: str
    digest: str

    def evaluate(
        self, structures: Sequence[Atoms], *, magmoms: bool = False, workers: int = 1
    ) -> list[Evaluation]:
        """Energies, forces and stresses, in the order of the input.

        A structure that cannot be evaluated has a failure in their place; so has one with two
        nuclei within :data:`gencsp.descriptors.least_distances.CLOSEST` of each other, whose energy
        means nothing.
        """
        ...

    def relax(
        self,
        structures: Iterable[Atoms],
        settings: RelaxSettings,
        *,
        workers: int = 1,
        on_step: StepCallback | None = None,
        on_path: PathCallback | None = None,
    ) -> Iterator[Relaxed]:
        """Relax a stream of structures, yielding each as it finishes.

        The iterable is read lazily, as room comes free; ``Relaxed.index`` is the position in it.
        ``on_step`` is called at every step and may stop a structure; ``on_path`` is called with
        the path of each structure when it is done. A structure that cannot be relaxed, or whose
        constraints cannot be held, is returned with the reason and does not end the stream.
        """
        ...


def require_elements(potential: Engine, elements: Iterable[str]) -> None:
    """Find out whether a potential was made for all of these elements, where it says so.

    Raises:
        PotentialError: it was not.
    """
    known: Collection[str] | None = getattr(potential, "elements", None)
    missing = [] if known is None else sorted(set(elements) - set(known))
    if missing:
        raise PotentialError(
            f"{potential.model} was not made for {' and '.join(missing)}: take another potential."
        )


def identity(potential: Engine) -> dict[str, str]:
    """Names and hash of a potential, as manifests have them."""
    return {
        "engine": potential.name,
        "potential": potential.model,
        "potential_digest": potential.digest,
    }
