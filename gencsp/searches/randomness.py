"""The random generator of each task, from the seed of the run and the name of the task."""

from __future__ import annotations

import numpy as np


def task_generator(seed: int, task: str) -> np.random.Generator:
    """A generator that depends on nothing but the seed and the task's id.

    So a task draws the same on any worker, in any order, and when it is run again after a crash.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(task.encode())))
