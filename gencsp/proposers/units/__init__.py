"""Crystals of rigid units: placements, random crystals, and their description by numbers."""
