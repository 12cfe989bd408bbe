"""Crystals with partly occupied and mixed sites, and ordered cells that approximate them."""
