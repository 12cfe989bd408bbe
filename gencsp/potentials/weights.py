"""Hashes of weights."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.nn import Module


def digest_of(module: Module) -> str:
    """12 hexadecimal digits of the SHA-256 over names and values of all weights, sorted by name."""
    total = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        total.update(name.encode())
        total.update(value.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:12]
