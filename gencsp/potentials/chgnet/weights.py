"""CHGNet's weights, read from the installed ``chgnet`` package."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from gencsp.errors import WeightsError
from gencsp.io.torch_archive import READ_ERRORS, read_archive
from gencsp.potentials.base import ModelName

_FILES: Mapping[str, str] = MappingProxyType(
    {
        "0.3.0": "0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar",
        "0.2.0": "0.2.0/chgnet_0.2.0_e30f77s348m32.pth.tar",
        "r2scan": "r2scan/chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar",
    }
)

#: Digests of the published weights. Under one name, others would be other energies.
_DIGESTS: Mapping[str, str] = MappingProxyType(
    {"0.3.0": "bbc949fbffbf", "0.2.0": "e9170406db91", "r2scan": "e6bd62197903"}
)

# The architecture that gencsp's engines implement; a file that says otherwise is refused.
_EXPECTED: Mapping[str, object] = MappingProxyType(
    {
        "n_conv": 4,
        "atom_fea_dim": 64,
        "bond_fea_dim": 64,
        "angle_fea_dim": 64,
        "atom_conv_hidden_dim": 64,
        "bond_conv_hidden_dim": 64,
        "angle_layer_hidden_dim": 0,
        "update_bond": True,
        "update_angle": True,
        "mlp_first": True,
        "is_intensive": True,
        "non_linearity": "silu",
        "learnable_rbf": True,
    }
)


_REMEDY = "install a chgnet release of the 0.4 series"


@dataclass(frozen=True, slots=True, kw_only=True)
class CHGNetWeights:
    """The weights of a CHGNet.

    Attributes:
        model: which one, such as "chgnet-0.3.0", or "chgnet-NAME-DIGEST" of a file NAME.
        arrays: float32 arrays by their names in chgnet's state dictionary.
        digest: 12 hexadecimal digits of the SHA-256 over all arrays' little-endian float32 bytes,
            in the order of their sorted names; of a file, over its cutoffs as well.
        atom_cutoff: of the atom graph, Å.
        bond_cutoff: of the bond graph, Å.
        envelope_power: exponent of the polynomial cutoff.
        normed: the gated perceptrons carry layer normalisation (versions after 0.2.0).
        readout_normed: the readout does too.
    """

    model: str
    arrays: Mapping[str, NDArray[np.float32]]
    digest: str
    atom_cutoff: float
    bond_cutoff: float
    envelope_power: int
    normed: bool
    readout_normed: bool

    @property
    def elements(self) -> frozenset[str]:
        """The elements that it was made for."""
        known = self.arrays["atom_embedding.embedding.weight"].shape[0]
        return frozenset(chemical_symbols[1 : known + 1])


@cache
def load_weights(model: ModelName = "0.3.0") -> CHGNetWeights:
    """Read a CHGNet version's weights.

    Raises:
        WeightsError: the name is unknown, ``chgnet`` is not installed, its file is missing or
            damaged, or the file holds another architecture or other weights than were published.
    """
    if model not in _FILES:
        raise WeightsError(
            f"No CHGNet version is called {model!r}: choose from {', '.join(_FILES)}."
        )
    path = _package_folder() / "pretrained" / _FILES[model]
    state, settings = _read(path)
    require_architecture(settings, path, remedy=_REMEDY)
    weights = CHGNetWeights(
        model=f"chgnet-{model}",
        arrays=MappingProxyType(state),
        digest=digest_of(state),
        atom_cutoff=_number(settings, "atom_graph_cutoff", path),
        bond_cutoff=_number(settings, "bond_graph_cutoff", path),
        envelope_power=int(_number(settings, "cutoff_coeff", path)),
        normed="atom_conv_layers.0.twoBody_atom.bn1.weight" in state,
        readout_normed="readout_norm.weight" in state,
    )
    if weights.digest != _DIGESTS[model]:
        raise WeightsError(
            f"{path} was changed: the digest of its weights is {weights.digest}, and that of the "
            f"published ones is {_DIGESTS[model]}: reinstall chgnet."
        )
    return weights


def require_architecture(settings: Mapping[str, object], path: Path, *, remedy: str) -> None:
    """Refuse the settings of a network that gencsp's engines do not implement.

    Args:
        settings: arguments of chgnet's ``CHGNet``; what is not there is taken to be as expected.
        path: the file that they come from.
        remedy: what to do, for the message.

    Raises:
        WeightsError: it is another architecture.
    """
    for key, value in _EXPECTED.items():
        if settings.get(key, value) != value:
            raise WeightsError(
                f"{path} holds another architecture ({key} = {settings[key]!r}, not {value!r}): "
                f"{remedy}."
            )


def digest_of(arrays: Mapping[str, NDArray[np.float32]]) -> str:
    """Hash of the weights, 12 hexadecimal digits (see :class:`CHGNetWeights`)."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        sha.update(arrays[name].astype("<f4").tobytes())
    return sha.hexdigest()[:12]


def _package_folder() -> Path:
    # Found without being imported: importing chgnet pulls in all of its training code.
    spec = find_spec("chgnet")
    if spec is None or spec.origin is None:
        raise WeightsError("The chgnet package is not installed: run `pip install chgnet`.")
    return Path(spec.origin).parent


def _read(path: Path) -> tuple[dict[str, NDArray[np.float32]], Mapping[str, object]]:
    try:
        file = read_archive(path)
        state = {
            name: np.ascontiguousarray(value, dtype=np.float32)
            for name, value in file["model"]["state_dict"].items()
        }
        return state, file["model"]["model_args"]
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is missing: reinstall chgnet.") from error
    except READ_ERRORS as error:
        raise WeightsError(f"{path} cannot be read ({error}): reinstall chgnet.") from error


def _number(settings: Mapping[str, object], key: str, path: Path) -> float:
    value = settings.get(key)
    if not isinstance(value, int | float):
        raise WeightsError(f"{path} does not say its {key}: install a chgnet release of 0.4.")
    return float(value)
