"""The C++ extension; gencsp.engine.native is its face."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int32]

def available_isas() -> list[str]: ...

class Model:
    def __init__(
        self,
        weights: Mapping[str, NDArray[np.float32]],
        *,
        atom_cutoff: float,
        bond_cutoff: float,
        envelope_power: int,
        isa: str = "",
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    def evaluate(
        self,
        numbers: _Ints,
        positions: _Floats,
        cells: _Floats,
        periodic: NDArray[np.bool_],
        first: _Ints,
        *,
        forces: bool = True,
        magmoms: bool = False,
        merge: bool = False,
        workers: int = 1,
    ) -> tuple[_Floats, _Floats, _Floats, _Floats, _Floats, _Floats, _Floats]: ...

class RelaxPool:
    def __init__(
        self,
        model: Model,
        *,
        quasi_newton: bool,
        fmax: float,
        steps: int,
        time_limit: float,
        ceiling: float,
        patience: int,
        least_volume: float,
        most_volume: float,
        least_vector: float,
        least_distance: float,
        pressure: float,
        fixed_cell: bool,
        record_path: bool,
        atom_stiffness: float,
        cell_stiffness: float,
        first_radius: float,
        least_radius: float,
        most_radius: float,
        uphill: float,
        most_atoms: int,
        on_step: Callable[[int, int, float, float], bool | None] | None,
        workers: int,
        members: int,
    ) -> None: ...
    def submit(
        self,
        index: int,
        numbers: _Ints,
        positions: _Floats,
        cell: _Floats,
        periodic: Sequence[bool],
        fixed: NDArray[np.bool_],
        rotations: _Floats,
        images: _Ints,
    ) -> None: ...
    def take(self, seconds: float) -> tuple[int, dict[str, Any]] | None: ...
