"""Rigid units: molecules and complex ions that a search places as a whole."""
