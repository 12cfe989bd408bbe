"""Joint diffusion of species, fractional coordinates and lattice (DiffCSP, PIGEN)."""
