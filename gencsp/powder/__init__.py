"""Powder diffraction: patterns of crystals, measured patterns, and how alike they are."""
