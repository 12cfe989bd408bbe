"""Where models run: on the processor, or on a device of PyTorch such as a GPU.

Every command that computes has ``--device``, and every part that loads a model takes the same
names: ``cpu``; a device of PyTorch, such as ``cuda`` or ``cuda:1``; or ``auto``. ``auto`` keeps on
the processor what gencsp's own C++ engines run there (CHGNet, the score model, the joint model),
and takes a GPU, where PyTorch has one, for what PyTorch alone runs. So a machine with a GPU starts
no slower, and its numbers are those of other machines, until a device is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gencsp.errors import EngineError

if TYPE_CHECKING:
    import torch


def on_processor(name: str) -> bool:
    """Whether what has a C++ engine runs on the processor, by the name of a device."""
    return name in ("auto", "cpu")


def find_device(name: str) -> torch.device:
    """The device of PyTorch that a name stands for; ``auto`` takes a GPU where there is one.

    Raises:
        EngineError: PyTorch has no such device here.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise EngineError(
            f"the device '{name}' is not available to PyTorch here: use 'cpu', or 'auto'."
        ) from error
    return device
