"""What proposers draw from: lattices, volumes, Wyckoff positions, random crystals."""
