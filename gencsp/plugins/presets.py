"""Named presets: the settings of a published method, all at once.

``chggen`` has every setting of CHGGen (Zhong et al., 2025) that the paper or the authors' program
(github.com/zhongpc/chggen, ``examples/gen_ZnPS.py``) names. Where both do, they agree, but for the
ratios of lattice constants, of which the paper's window stands here. A deck takes those settings
that it has fields for; what is given besides takes their place (:func:`with_preset`).

The authors' noise begins at 10 Å; the score model that ships with gencsp was trained up to 5 Å, at
which positions in a cell of a few ångström are as good as uniform, and its noise begins there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

PresetName = Literal["chggen"]

_SYMBOL = re.compile("[A-Z][a-z]?")

#: Settings by preset, under the names of the fields of decks.
PRESETS: dict[PresetName, dict[str, Any]] = {
    "chggen": {
        # Random Bravais lattices and unconditional generation; guests are put back freely.
        "proposer": "score",
        "inpainter": "score",
        "seeds": ("score",),
        "seed_share": 1.0,
        "inpaintings": 3,
        # The program: num_noise_level, n_step_each, min_sigma, jump_n_sample and jump_len.
        "sampler": "predictor-corrector:snr=0.4",
        "levels": 200,
        "correctors": 5,
        "sigma_min": 0.01,
        "resample": 3,
        "jump_length": 10,
        "ladder": "chggen",
        # CHGNet's StructOptimizer at its defaults, with at most 500 steps.
        "minimiser": "fire",
        "fmax": 0.1,
        "steps": 500,
    },
}

#: V₀ of CHGGen ("Hyperparameters"), Å³/atom, by the elements of a system; no others are given.
CHGGEN_VOLUMES: dict[tuple[str, ...], float] = {("Zn", "P", "S"): 24.0, ("Li", "Si"): 16.0}


def with_preset(given: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Settings with those of their preset where they say nothing themselves.

    The volume per atom is that of the paper for the two systems of the paper at zero pressure,
    where no cell is given; elsewhere it is predicted, as the paper allows ("composition-based
    regression models").

    Args:
        given: settings by name; ``preset`` names one or is absent.
        known: names of the settings that a deck has; others of the preset are left out.
    """
    name = given.get("preset")
    if name != "chggen":
        return dict(given)
    settings = {key: value for key, value in PRESETS[name].items() if key in known}
    elsewhere = any(given.get(key) for key in ("pressure", "cell", "host"))
    volume = None if elsewhere or "volume" not in known else _volume(given)
    return {**settings, **({} if volume is None else {"volume": volume}), **given}


def _volume(given: Mapping[str, Any]) -> float | None:
    """V₀ of the paper for the formula or the system of a deck, if the paper has one."""
    place = given.get("formula") or given.get("system")
    if not isinstance(place, str):
        return None
    # The elements alone decide; what else may be wrong with it the deck itself says.
    elements = set(_SYMBOL.findall(place))
    return next((v for system, v in CHGGEN_VOLUMES.items() if set(system) == elements), None)
