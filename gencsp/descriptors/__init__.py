"""Properties of a single structure, for filters, proposers and searches."""
