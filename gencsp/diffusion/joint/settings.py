"""How the joint model is sampled: settings and the contract of samplers. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gencsp.deck import Count, check_fields
from gencsp.plugins import Choice, Configured, Registry

if TYPE_CHECKING:
    from gencsp.diffusion.joint.process import JointState
    from gencsp.diffusion.joint.run import JointRun


@dataclass(frozen=True, slots=True, kw_only=True)
class JointSamplerSettings:
    """How to sample: steps, noise and corrections.

    Attributes:
        sampler: takes the steps, see :data:`JOINT_SAMPLERS`: by name, with options of its own as in
            ``ddim:renewal=0.5``, or as a table, ``{"name": "ddim", "renewal": 0.5}``. There is
            ``ddim``, which says how much noise a step draws anew, and the ``predictor-corrector``
            of DiffCSP; others come from other packages. Once checked it is a
            :class:`~gencsp.plugins.Choice`.
        steps: number of steps.
        free_cell: whether the lattice is generated; otherwise that of the Atoms is kept.
        resampling: passes through each step where there is a host.

    Raises:
        RequestError: a setting out of its range, or no sampler of this name.
        DeckError: an option that the sampler does not have, or out of its range.
    """

    sampler: Choice | str | Mapping[str, Any] = "ddim"
    steps: Count = 100
    free_cell: bool = True
    resampling: Count = 1

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "sampler", JOINT_SAMPLERS.choose(self.sampler))

    def times(self) -> tuple[float, ...]:
        """From 1 to 0, one more than there are steps."""
        return tuple(np.linspace(1.0, 0.0, self.steps + 1).tolist())


class ConfiguredJointSampler(Configured):
    """Base of samplers of the joint model: one step of species, coordinates and lattice.

    Options of its own are checked fields of the class. It need not care about hosts and kept
    cells, which are restored after each step. Noise on coordinates must be projected with
    ``run.constraints.project``; the score is projected already.
    """

    kind: ClassVar[str] = "joint sampler"

    def step(self, run: JointRun, state: JointState, t: float, s: float) -> JointState:
        """Crystals at time ``s``, from ``state`` at the greater time ``t``.

        Args:
            run: gives ``score(state, t)``, random numbers and the noise of the process.
            state: crystals at ``t``.
            t: time before the step, from 1 (noise) to 0 (crystals).
            s: time after it, less than ``t``; the last is zero, where no species may be left
                hidden.
        """
        raise NotImplementedError


#: All samplers of the joint model, by name.
JOINT_SAMPLERS: Registry[ConfiguredJointSampler] = Registry(
    "gencsp.joint_samplers", kind="joint sampler", contract=ConfiguredJointSampler
)
