"""What the benchmarks of the joint model ask on the command line, alike."""

from __future__ import annotations

import argparse
from pathlib import Path

from gencsp.diffusion.joint.model import JointModel, load_joint_model
from gencsp.diffusion.joint.sampler import JointSamplerSettings
from gencsp.diffusion.networks import compile_layers
from gencsp.errors import RequestError


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """``--weights``, ``--compiled`` and ``--seed``."""
    parser.add_argument("--weights", type=Path, help="of another network than the shipped one")
    parser.add_argument("--compiled", action="store_true", help="faster; needs a C++ compiler")
    parser.add_argument("--seed", type=int, default=0)


def network_of(options: argparse.Namespace) -> JointModel:
    """The model of ``--weights``, its layers compiled with ``--compiled``."""
    model = load_joint_model(options.weights, engine="torch" if options.compiled else "auto")
    if options.compiled:
        compile_layers(model.network)
    return model


def add_sampler_options(parser: argparse.ArgumentParser) -> None:
    """``--steps``, ``--renewal`` and ``--correctors``, by default those of gencsp."""
    default = JointSamplerSettings()
    parser.add_argument("--steps", type=int, default=default.steps)
    parser.add_argument(
        "--renewal", type=_share, default=1.0, help="a share, or none: ancestral steps"
    )
    parser.add_argument("--correctors", type=int, default=0, help="after each ancestral step")


def _share(text: str) -> float | None:
    return None if text.lower() == "none" else float(text)


def settings_of(options: argparse.Namespace) -> JointSamplerSettings:
    """The sampler asked for.

    Raises:
        RequestError: correctors were asked for, and steps that are not ancestral.
    """
    if options.renewal is None:
        sampler = f"predictor-corrector:corrector_steps={options.correctors}"
    elif options.correctors:
        raise RequestError("correctors follow ancestral steps: add --renewal none.")
    else:
        sampler = f"ddim:renewal={options.renewal}"
    return JointSamplerSettings(sampler=sampler, steps=options.steps)
