"""Decks that a preset of :mod:`gencsp.plugins.presets` fills."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import model_validator

from gencsp.deck import Deck
from gencsp.plugins.presets import with_preset


class PresetDeck(Deck):
    """A deck with the field ``preset``: what it does not say itself is as the preset has it."""

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return with_preset(given, cls._preset_fields(given))

    @classmethod
    def _preset_fields(cls, given: Mapping[str, Any]) -> Collection[str]:  # noqa: ARG003
        """The fields that a preset fills, beside what is given."""
        return cls.model_fields
