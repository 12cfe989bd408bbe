"""Symmetry of crystals: space groups, refinement, near symmetry, hosts, orbits of sites."""
