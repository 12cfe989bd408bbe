"""Networks in safetensors files, with all that is needed to rebuild them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from gencsp.diffusion.networks import build_network, describe_network
from gencsp.diffusion.stored_weights import digest_of, stored_weights


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
def stored_network(path: Path, *, what: str, needed: str, command: str) -> Iterator[StoredNetwork]:
    """The network of a file, as a context in which the caller reads the metadata.

    Args:
        path: the file, or one of :func:`~gencsp.diffusion.stored_weights.shipped_weights`.
        what: what the file holds, for the message where there is none.
        needed: an entry of the metadata that only files of the right kind have.
        command: what makes those, for the messages.

    Raises:
        WeightsError: as :func:`~gencsp.diffusion.stored_weights.stored_weights`, or an unknown
            architecture.
    """
    with stored_weights(path, what=what, needed=needed, command=command) as stored:
        # A new network draws its weights from the global generator, which is not ours to change.
        with torch.random.fork_rng(devices=[]):
            metadata = stored.metadata
            network = build_network(metadata["architecture"], json.loads(metadata["config"]))
        network.load_state_dict({key: torch.from_numpy(a) for key, a in stored.arrays.items()})
        network.eval().requires_grad_(False)
        yield StoredNetwork(network, stored.metadata, stored.digest)
