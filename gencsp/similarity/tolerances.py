"""By how much crystals may differ and still count as the same, or as alike.

Each use has its own value, on purpose.
"""

from __future__ import annotations

# One crystal: chosen by ``benchmarks/polymorphs.py``, which says how well they do.
#: No atom of one is further from its place in the other, in units of (V/N)^(1/3), some 2 Å: a
#: tenth of the default of pymatgen's matcher, at which α and β quartz are the same.
SAME_DISPLACEMENT = 0.03
#: Fingerprints of one crystal are no further apart, in units of (V/N)^(1/3): the matcher's
#: displacements do not feel a strain of the cell, and distances between atoms do.
SAME_FINGERPRINT = 0.02
#: Energies of one crystal are no further apart, eV/atom.
SAME_ENERGY = 2e-3

# In doubt whether one crystal: what a loose relaxation can leave of two copies.
#: Fingerprints are no further apart, in units of (V/N)^(1/3); nor are those of one family.
DOUBT_FINGERPRINT = 0.15
#: Energies are no further apart, eV/atom.
DOUBT_ENERGY = 0.02
#: Such structures are relaxed to these forces, eV/Å, and compared again.
TIGHT_FMAX = 2e-3
#: Steps that such a relaxation may take.
TIGHT_STEPS = 1000
#: At most so many are, those of lowest energy: about what a table on the screen shows.
SETTLED = 30

# One family: a crystal with its small distortions, as what pymatgen's matcher takes for the same.
#: Energies of one family are no further apart, eV/atom: two relaxations of one crystal to forces
#: of 0.1 eV/Å differ by less.
FAMILY_ENERGY = 0.01

# Differences of energy in a search, eV/atom.
#: By so much must a minimum be lower to count as new: more than such relaxations differ by.
NEW_MINIMUM = 1e-3
#: By so much must a walker's trial be lower to reset its patience: small, since a walker steps from
#: minimum to minimum near by.
WALKER_GAIN = 1e-4
