"""Networks in safetensors files, with all that is needed to rebuild them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from gencsp.diffusion.networks import build_network, describe_network
from gencsp.errors import WeightsError
from gencsp.shipped import check_card


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """A network read from a file, ready to predict.

    Attributes:
        network: in evaluation mode, without gradients.
        metadata: what the file says.
        digest: short hash of the weights.
    """

    network: nn.Module
    metadata: Mapping[str, str]
    digest: str


def save_network(network: nn.Module, path: Path, **metadata: str) -> str:
    """Write weights, how to rebuild the network, and metadata; returns the digest."""
    architecture, config = describe_network(network)
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    digest = digest_of(tensors)
    about = {"architecture": architecture, "config": json.dumps(config), "digest": digest}
    save_file(tensors, path, metadata={**about, **metadata})
    return digest


@contextmanager
def stored_network(
    path: Path | None,
    *,
    shipped: str,
    what: str,
    needed: str,
    command: str,
    device: torch.device | str,
) -> Iterator[StoredNetwork]:
    """The network of a file, as a context in which the caller reads the metadata.

    Args:
        path: the file; ``None`` for the one that ships with gencsp.
        shipped: the name of that one.
        what: what the file holds, for the message where there is none.
        needed: an entry of the metadata that only files of the right kind have.
        command: what makes those, for the messages.
        device: where the network goes.

    Raises:
        WeightsError: there is no file, it cannot be read, its weights are not those of its digest,
            it is not as the card beside it says, or it holds another kind of model; also where
            reading the metadata fails.
    """
    with _file(path, shipped) as file:
        if not file.is_file():
            where = "with gencsp" if path is None else f"at {file}"
            raise WeightsError(
                f"there are no {what} {where}: train your own with '{command}', and name their "
                f"file as 'weights'."
            )
        check_card(file)
        try:
            yield _load(file, needed=needed, command=command, device=device)
        except WeightsError:
            raise
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise WeightsError(
                f"{file} is not a readable weights file of gencsp ({error}): fetch it again."
            ) from error


@contextmanager
def _file(path: Path | None, shipped: str) -> Iterator[Path]:
    if path is not None:
        yield path
        return
    with as_file(files("gencsp") / "weights" / shipped) as found:
        yield found


def _load(path: Path, *, needed: str, command: str, device: torch.device | str) -> StoredNetwork:
    with safe_open(path, framework="pt", device="cpu") as file:
        metadata = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    if "architecture" in metadata and needed not in metadata:
        raise WeightsError(
            f"{path} holds another kind of model ('{metadata['architecture']}'): give weights "
            f"that '{command}' made."
        )
    found, said = digest_of(tensors), metadata["digest"]
    if found != said:
        raise WeightsError(
            f"the weights in {path} were changed: their digest is {found}, and the file says "
            f"{said}: fetch it again."
        )
    # A new network draws its weights from the global generator, which is not ours to change.
    with torch.random.fork_rng(devices=[]):
        network = build_network(metadata["architecture"], json.loads(metadata["config"]))
    network.load_state_dict(tensors)
    network.to(device).eval().requires_grad_(False)
    return StoredNetwork(network, metadata, found)


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """First 12 hexadecimal digits of the SHA-256 of names and values."""
    sha = hashlib.sha256()
    for key in sorted(tensors):
        sha.update(key.encode())
        sha.update(tensors[key].numpy().tobytes())
    return sha.hexdigest()[:12]
