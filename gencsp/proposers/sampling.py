"""The sampler of score models from the settings of a deck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from inspect import signature
from typing import Any

from gencsp.deck import Deck
from gencsp.diffusion.positions.settings import PREDICTOR_CORRECTOR, SamplerSettings
from gencsp.errors import RequestError
from gencsp.plugins import Choice
from gencsp.plugins.presets import PRESETS, PresetName
from gencsp.proposers.options import DEFAULT_SAMPLER, FINE_SAMPLER, QUICK_SAMPLER

#: Samplers with their numbers of levels and passes under one name.
NAMED = {"thorough": DEFAULT_SAMPLER, "quick": QUICK_SAMPLER, "fine": FINE_SAMPLER}


def sampler_settings(
    sampler: str | Mapping[str, Any] | Choice = "thorough",
    *,
    levels: int | None = None,
    correctors: int | None = None,
    sigma_min: float | None = None,
    resample: int | None = None,
    jump_length: int | None = None,
) -> SamplerSettings:
    """How score models are sampled.

    Args:
        sampler: ``thorough``, ``quick``, ``fine``, or a sampler by name with or without options
            (``predictor-corrector``, ``ddim``, ``heun:churn=5``), of 100 levels.
        levels: noise levels, in place of the sampler's.
        correctors: Langevin steps at each level, which ``predictor-corrector`` alone has.
        sigma_min: least noise above zero, Å; ``None`` for the model's.
        resample: r, passes through each level around a host.
        jump_length: noise levels of a jump back between these passes.

    Raises:
        RequestError: no sampler of this name, correctors of one that has none, or a number out of
            its range.
        DeckError: an option that the sampler does not have, or out of its range.
    """
    choice = Choice.read(sampler)
    if choice.name in NAMED:
        if choice.value or choice.options:
            raise RequestError(
                f"the sampler '{choice.name}' has no options: name the one it stands for, ddim, "
                f"with options of its own."
            )
        settings = NAMED[choice.name]
    else:
        settings = SamplerSettings(sampler=choice, resampling=DEFAULT_SAMPLER.resampling)
    if correctors is not None:
        settings = _with_correctors(settings, correctors)
    changes: dict[str, Any] = {
        "steps": levels,
        "sigma_min": sigma_min,
        "resampling": resample,
        "jump_length": jump_length,
    }
    return replace(settings, **{key: one for key, one in changes.items() if one is not None})


def deck_sampler(deck: Deck) -> SamplerSettings:
    """The sampler of a deck that has these settings as fields; raises as above."""
    return sampler_settings(**{name: getattr(deck, name) for name in _SETTINGS})


def preset_sampler(preset: PresetName) -> SamplerSettings:
    """The sampler of a preset."""
    settings = PRESETS[preset]
    return sampler_settings(**{name: settings[name] for name in _SETTINGS if name in settings})


def _with_correctors(settings: SamplerSettings, correctors: int) -> SamplerSettings:
    choice = Choice.read(settings.sampler)
    if choice.name != PREDICTOR_CORRECTOR:
        raise RequestError(
            f"the sampler '{choice.name}' has no correctors: add --sampler "
            f"{PREDICTOR_CORRECTOR}, or leave the correctors out."
        )
    options = {**choice.options, "corrector_steps": correctors}
    return replace(settings, sampler=Choice.of(choice.name, options))


_SETTINGS = tuple(signature(sampler_settings).parameters)


def sampler_manifest(settings: SamplerSettings) -> dict[str, str | int | float | None]:
    """The settings of a sampler as they stand in the manifest of a run."""
    flat = {**asdict(settings), "sampler": str(settings.sampler)}
    flat["name"] = flat.pop("sampler")
    return {f"sampler_{key}": value for key, value in flat.items()}
