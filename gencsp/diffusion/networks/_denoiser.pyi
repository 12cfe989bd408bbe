"""The C++ extension; gencsp.diffusion.networks.native is its face."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]

def available_isas() -> list[str]: ...
def why_not(*, channels: int, layers: int, n_radial: int) -> str: ...

class Network:
    def __init__(
        self,
        weights: Mapping[str, _Floats],
        *,
        joint: bool,
        channels: int,
        layers: int,
        n_radial: int,
        waves: int,
        reach: float,
        isa: str = "",
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    def predict(
        self,
        numbers: NDArray[np.int32],
        positions: NDArray[np.float64],
        cells: NDArray[np.float64],
        first: NDArray[np.int32],
        noise: _Floats,
        *,
        workers: int = 1,
    ) -> dict[str, _Floats]: ...
