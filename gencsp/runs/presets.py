"""Decks that a preset of :mod:`gencsp.plugins.presets` fills."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from gencsp.deck import Deck
from gencsp.plugins.presets import with_preset


class PresetDeck(Deck):
    """A deck with the field ``preset``: what it does not say itself is as the preset has it."""

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        return with_preset(given, cls.model_fields) if isinstance(given, dict) else given
