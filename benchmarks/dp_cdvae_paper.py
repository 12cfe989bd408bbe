"""What DP-CDVAE's paper reports (Pakornchote et al., 2023), in its own units."""

from __future__ import annotations

#: The paper's names of the variants, by those of the records.
VARIANTS = {
    "base": "DP-CDVAE",
    "na": "DP-CDVAE+N_a",
    "gine": "DP-CDVAE+GINE",
    "na_gine": "DP-CDVAE+N_a+GINE",
}
Rows = dict[str, tuple[float, float]]
#: Match rate in per cent and mean δ_rms. Table I: eq. 7.
TABLE_I: dict[str, Rows] = {
    "perov_5": {
        "FTCP": (99.34, 0.0259),
        "CDVAE": (97.52, 0.0156),
        "DP-CDVAE": (90.04, 0.0212),
        "DP-CDVAE+N_a": (91.86, 0.0149),
        "DP-CDVAE+GINE": (80.50, 0.0214),
        "DP-CDVAE+N_a+GINE": (88.30, 0.0180),
    },
    "carbon_24": {
        "FTCP": (62.28, 0.2563),
        "CDVAE": (55.22, 0.1251),
        "DP-CDVAE": (45.57, 0.1513),
        "DP-CDVAE+N_a": (50.99, 0.1612),
        "DP-CDVAE+GINE": (49.02, 0.1599),
        "DP-CDVAE+N_a+GINE": (38.28, 0.1921),
    },
    "mp_20": {
        "FTCP": (69.89, 0.1593),
        "CDVAE": (45.43, 0.0356),
        "DP-CDVAE": (32.42, 0.0383),
        "DP-CDVAE+N_a": (36.17, 0.0560),
        "DP-CDVAE+GINE": (34.08, 0.0455),
        "DP-CDVAE+N_a+GINE": (37.44, 0.0525),
    },
}
#: The same with eq. 6.
TABLE_S1: dict[str, Rows] = {
    "perov_5": {
        "DP-CDVAE": (68.72, 0.0177),
        "DP-CDVAE+N_a": (67.56, 0.0222),
        "DP-CDVAE+GINE": (49.56, 0.0822),
        "DP-CDVAE+N_a+GINE": (64.12, 0.0250),
    },
    "carbon_24": {
        "DP-CDVAE": (35.86, 0.2573),
        "DP-CDVAE+N_a": (38.13, 0.2719),
        "DP-CDVAE+GINE": (35.27, 0.2683),
        "DP-CDVAE+N_a+GINE": (34.68, 0.3212),
    },
    "mp_20": {
        "DP-CDVAE": (20.40, 0.0715),
        "DP-CDVAE+N_a": (21.71, 0.0774),
        "DP-CDVAE+GINE": (19.98, 0.0620),
        "DP-CDVAE+N_a+GINE": (24.43, 0.0697),
    },
}
#: Columns of Table II: per cent; g/cm³, eV/atom and a number.
COLUMNS_II = (
    "structure",
    "composition",
    "COV-R",
    "COV-P",
    "density",
    "formation_energy",
    "elements",
)
#: The paper leaves out what carbon makes trivial.
TABLE_II: dict[str, dict[str, tuple[float | None, ...]]] = {
    "perov_5": {
        "G-SchNet": (99.92, 98.79, 0.18, 0.23, 1.625, 4.746, 0.0368),
        "P-G-SchNet": (79.63, 99.13, 0.37, 0.25, 0.2755, 1.388, 0.4552),
        "CDVAE": (100, 98.59, 99.45, 98.46, 0.1258, 0.0264, 0.0628),
        "DP-CDVAE": (100, 98.07, 99.52, 98.39, 0.1807, 0.0713, 0.0767),
        "DP-CDVAE+N_a": (99.99, 97.34, 99.55, 97.22, 0.1027, 0.0287, 0.0437),
        "DP-CDVAE+GINE": (100, 96.11, 98.94, 95.63, 0.2114, 0.0832, 0.0498),
        "DP-CDVAE+N_a+GINE": (100, 97.09, 99.52, 96.73, 0.1368, 0.0425, 0.0210),
    },
    "carbon_24": {
        "G-SchNet": (99.94, None, 0.00, 0.00, 0.9427, 1.320, None),
        "P-G-SchNet": (48.39, None, 0.00, 0.00, 1.533, 134.7, None),
        "CDVAE": (100, None, 99.80, 83.08, 0.1407, 0.2850, None),
        "DP-CDVAE": (99.92, None, 99.56, 77.98, 0.1109, 0.2596, None),
        "DP-CDVAE+N_a": (99.73, None, 99.61, 72.29, 0.1080, 0.3030, None),
        "DP-CDVAE+GINE": (99.50, None, 100, 68.13, 0.0977, 0.3623, None),
        "DP-CDVAE+N_a+GINE": (98.61, None, 99.21, 65.13, 0.1267, 0.4136, None),
    },
    "mp_20": {
        "G-SchNet": (99.65, 75.96, 38.33, 99.57, 3.034, 42.09, 0.6411),
        "P-G-SchNet": (77.51, 76.40, 41.93, 99.74, 4.04, 2.448, 0.6234),
        "CDVAE": (100, 86.70, 99.15, 99.49, 0.6875, 0.2778, 1.432),
        "DP-CDVAE": (99.59, 85.44, 98.93, 98.96, 0.4037, 0.1547, 0.9179),
        "DP-CDVAE+N_a": (99.81, 84.95, 99.36, 99.33, 0.4889, 0.1800, 1.053),
        "DP-CDVAE+GINE": (99.82, 81.92, 99.48, 99.00, 0.2785, 0.0603, 0.5679),
        "DP-CDVAE+N_a+GINE": (99.90, 83.89, 95.51, 99.27, 0.1790, 0.0522, 0.6909),
    },
}
#: Table III: match rate in per cent, mean δ_rms, ΔV_rms in Å³/atom, ΔE_rms in meV/atom.
TABLE_III = {
    "CDVAE": (63.0, 0.0321, 0.0227, 468.8),
    "CDVAE+Fourier": (62.0, 0.0216, 0.0157, 494.4),
    "DP-CDVAE": (64.0, 0.0141, 0.0158, 400.7),
}
#: How the measured sets differ from the paper's, by their name.
DATA = {
    "perov_5": "training part as in the paper (11,356 crystals); the paper measures on the whole "
    "test part, of which test_dev is half",
    "carbon_24": "training part as in the paper (6,091 crystals); the paper measures on the whole "
    "test part, of which test_dev is a quarter; many crystals of the set stand in several of its "
    "parts",
    "mp_20": "20,429 training crystals of the Materials Project and OQMD, within 0.1 eV/atom of "
    "the hull, none with a formula of the test crystals (the paper: 27,136 of MP-20); measured on "
    "500 binaries and ternaries of MP-20's test part (the paper: all of it)",
}
