"""The convex hull of known phases: entries, their crystals, decomposition energies."""
