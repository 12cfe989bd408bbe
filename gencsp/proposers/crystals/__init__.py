"""The distributions behind proposers: lattices, volumes, Wyckoff positions, random crystals."""
