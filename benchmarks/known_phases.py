"""Phases that are known under pressure, from their published space groups and Wyckoff positions.

Relaxation starts from these, so that small errors of a parameter do not matter; a wrong structure
would relax to another space group, which ``benchmarks/pressure.py`` records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ase import Atoms
from ase.spacegroup import crystal


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPhase:
    """A crystal as it was published.

    Attributes:
        name: of the phase.
        space_group: international number, in the standard setting.
        cell: lengths (Å) and angles (degrees).
        sites: element and fractional coordinates, one of each orbit.
        source: where the parameters stand.
        up_to: GPa, beyond which it is not looked at, because others are far below it there.
    """

    name: str
    space_group: int
    cell: tuple[float, float, float, float, float, float]
    sites: tuple[tuple[str, tuple[float, float, float]], ...]
    source: str
    up_to: float = 1000.0

    def atoms(self) -> Atoms:
        """The primitive cell."""
        made = crystal(
            [symbol for symbol, _ in self.sites],
            basis=[place for _, place in self.sites],
            spacegroup=self.space_group,
            cellpar=self.cell,
            primitive_cell=True,
        )
        return Atoms(made.numbers, made.positions, cell=made.cell, pbc=True)


SIO2 = (
    KnownPhase(
        name="quartz",
        space_group=154,
        cell=(4.9160, 4.9160, 5.4054, 90, 90, 120),
        sites=(("Si", (0.4697, 0, 2 / 3)), ("O", (0.4135, 0.2669, 0.1191 + 2 / 3))),
        source="Levien, Prewitt, Weidner, Am. Mineral. 65, 920 (1980)",
        up_to=30.0,
    ),
    KnownPhase(
        name="coesite",
        space_group=15,
        cell=(7.1356, 12.3692, 7.1736, 90, 120.34, 90),
        sites=(
            ("Si", (0.1403, 0.1083, 0.0723)),
            ("Si", (0.5068, 0.1580, 0.5408)),
            ("O", (0, 0, 0)),
            ("O", (0.5, 0.1163, 0.75)),
            ("O", (0.2660, 0.1234, 0.9401)),
            ("O", (0.3114, 0.1038, 0.3282)),
            ("O", (0.0172, 0.2117, 0.4782)),
        ),
        source="Levien, Prewitt, Am. Mineral. 66, 324 (1981)",
        up_to=40.0,
    ),
    KnownPhase(
        name="stishovite",
        space_group=136,
        cell=(4.1801, 4.1801, 2.6678, 90, 90, 90),
        sites=(("Si", (0, 0, 0)), ("O", (0.3067, 0.3067, 0))),
        source="Ross, Shu, Hazen, Gasparik, Am. Mineral. 75, 739 (1990)",
    ),
    KnownPhase(
        name="CaCl2 type",
        space_group=58,
        cell=(4.08, 3.88, 2.60, 90, 90, 90),
        sites=(("Si", (0, 0, 0)), ("O", (0.32, 0.28, 0))),
        source="type: Kingma, Cohen, Hemley, Mao, Nature 374, 243 (1995); the start is stishovite, "
        "compressed and distorted by us",
    ),
    KnownPhase(
        name="seifertite",
        space_group=60,
        cell=(4.097, 5.0462, 4.4946, 90, 90, 90),
        sites=(("Si", (0, 0.1522, 0.25)), ("O", (0.7336, 0.6245, 0.9186))),
        source="Dera, Prewitt, Boctor, Hemley, Am. Mineral. 87, 1018 (2002)",
    ),
)

MGSIO3 = (
    KnownPhase(
        name="enstatite",
        space_group=61,
        cell=(18.2330, 8.8191, 5.1802, 90, 90, 90),
        sites=(
            ("Mg", (0.3758, 0.6540, 0.8659)),
            ("Mg", (0.3768, 0.4870, 0.3589)),
            ("Si", (0.2717, 0.3416, 0.0504)),
            ("Si", (0.4736, 0.3373, 0.7983)),
            ("O", (0.1834, 0.3400, 0.0347)),
            ("O", (0.5624, 0.3402, 0.8001)),
            ("O", (0.3111, 0.5023, 0.0432)),
            ("O", (0.4327, 0.4830, 0.6894)),
            ("O", (0.3032, 0.2227, 0.8316)),
            ("O", (0.4476, 0.1950, 0.6036)),
        ),
        source="cell: Hugh-Jones, Angel, Phys. Chem. Miner. 21, 405 (1994); sites: Hawthorne, Ito, "
        "Can. Mineral. 15, 321 (1977)",
        up_to=30.0,
    ),
    KnownPhase(
        name="akimotoite",
        space_group=148,
        cell=(4.7284, 4.7284, 13.5591, 90, 90, 120),
        sites=(
            ("Mg", (0, 0, 0.3597)),
            ("Si", (0, 0, 0.1577)),
            ("O", (0.3214, 0.0361, 0.2408)),
        ),
        source="Horiuchi, Hirono, Ito, Matsui, Am. Mineral. 67, 788 (1982)",
    ),
    KnownPhase(
        name="bridgmanite",
        space_group=62,
        # Published in the setting Pbnm: here (a, b, c) are its (b, c, a).
        cell=(4.9292, 6.8969, 4.7754, 90, 90, 90),
        sites=(
            ("Mg", (0.5560, 0.25, 0.5141)),
            ("Si", (0, 0.5, 0.5)),
            ("O", (0.4660, 0.25, 0.1028)),
            ("O", (0.2014, 0.5531, 0.1961)),
        ),
        source="Horiuchi, Ito, Weidner, Am. Mineral. 72, 357 (1987)",
    ),
    KnownPhase(
        name="post-perovskite",
        space_group=63,
        cell=(2.456, 8.042, 6.093, 90, 90, 90),
        sites=(
            ("Mg", (0, 0.253, 0.25)),
            ("Si", (0, 0, 0)),
            ("O", (0, 0.923, 0.25)),
            ("O", (0, 0.636, 0.437)),
        ),
        source="Murakami, Hirose, Kawamura, Sata, Ohishi, Science 304, 855 (2004), at 121 GPa",
    ),
)

CARBON = (
    KnownPhase(
        name="graphite",
        space_group=194,
        cell=(2.464, 2.464, 6.711, 90, 90, 120),
        sites=(("C", (0, 0, 0.25)), ("C", (1 / 3, 2 / 3, 0.25))),
        source="Trucano, Chen, Nature 258, 136 (1975)",
        up_to=20.0,
    ),
    KnownPhase(
        name="diamond",
        space_group=227,
        cell=(3.56679, 3.56679, 3.56679, 90, 90, 90),
        sites=(("C", (0, 0, 0)),),
        source="Wyckoff, Crystal Structures 1, 7 (1963)",
    ),
)

OTHERS = (
    KnownPhase(
        name="periclase",
        space_group=225,
        cell=(4.211, 4.211, 4.211, 90, 90, 90),
        sites=(("Mg", (0, 0, 0)), ("O", (0.5, 0.5, 0.5))),
        source="Hazen, Am. Mineral. 61, 266 (1976)",
    ),
    KnownPhase(
        name="hematite",
        space_group=167,
        cell=(5.038, 5.038, 13.772, 90, 90, 120),
        sites=(("Fe", (0, 0, 0.3553)), ("O", (0.3059, 0, 0.25))),
        source="Blake, Hessevick, Zoltai, Finger, Am. Mineral. 51, 123 (1966)",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSystem:
    """Phases of one composition, and where experiments see one become another.

    Attributes:
        formula: of all of them.
        phases: by rising density.
        pressures: at which their enthalpies are computed, GPa.
        transitions: (from, to) and the experimental pressures, GPa, with their source.
    """

    formula: str
    phases: tuple[KnownPhase, ...]
    pressures: tuple[float, ...]
    transitions: Mapping[tuple[str, str], tuple[tuple[float, float], str]]


SYSTEMS = (
    KnownSystem(
        formula="SiO2",
        phases=SIO2,
        pressures=(0, 1, 2, 3, 4, 6, 8, 10, 15, 20, 30, 40, 50, 60, 80, 100, 120),
        transitions={
            ("quartz", "coesite"): (
                (2.0, 3.0),
                "Bohlen, Boettcher, J. Geophys. Res. 87, 7073 (1982)",
            ),
            ("coesite", "stishovite"): (
                (7.0, 9.0),
                "Zhang, Li, Utsumi, Liebermann, Phys. Chem. Miner. 23, 1 (1996)",
            ),
            ("stishovite", "CaCl2 type"): (
                (50.0, 54.0),
                "Kingma et al., Nature 374, 243 (1995); Andrault et al., Science 282, 720 (1998)",
            ),
            ("CaCl2 type", "seifertite"): (
                (90.0, 121.0),
                "Dubrovinsky et al., Chem. Phys. Lett. 333, 264 (2001); Murakami et al., Geophys. "
                "Res. Lett. 30, 1207 (2003)",
            ),
        },
    ),
    KnownSystem(
        formula="MgSiO3",
        phases=MGSIO3,
        pressures=(0, 5, 10, 15, 20, 25, 30, 40, 50, 70, 90, 110, 120, 140),
        transitions={
            ("akimotoite", "bridgmanite"): (
                (20.0, 25.0),
                "Ito, Takahashi, J. Geophys. Res. 94, 10637 (1989), at 1,300 to 1,900 K",
            ),
            ("bridgmanite", "post-perovskite"): (
                (110.0, 125.0),
                "Murakami et al., Science 304, 855 (2004), at 2,500 K; lower when cold",
            ),
        },
    ),
    KnownSystem(
        formula="C",
        phases=CARBON,
        pressures=(0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20),
        transitions={
            ("graphite", "diamond"): (
                (1.5, 2.0),
                "Bundy et al., Carbon 34, 141 (1996), extrapolated to low temperature",
            ),
        },
    ),
)
