"""Write ``gencsp/data/wyckoff.npz``: the Wyckoff positions of the 230 space groups.

    python tools/build_wyckoff_table.py

The source is PyXtal (``pyxtal.symmetry.Group``; standard settings of the International Tables:
second origin, hexagonal axes, unique axis b), in PyXtal's order: from the general position down.
Operations of one orbit that differ by a centring vector make the same atom of the primitive cell;
the first of them is kept. Loading a group takes PyXtal milliseconds, this table loads at once.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from cards import write_card
from numpy.typing import NDArray
from pyxtal.symmetry import Group

from gencsp.proposers.crystals.lattice import PRIMITIVE, centring

#: Translations are stored in these parts of a cell edge.
PARTS = 24


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("gencsp/data/wyckoff.npz"))
    options = parser.parse_args()
    rows = [row for number in range(1, 231) for row in positions(number)]
    groups, letters, rotations, translations = zip(*rows, strict=True)
    np.savez_compressed(
        options.out,
        group=np.array(groups, dtype=np.uint8),
        letter=np.array(letters),
        multiplicity=np.array([len(part) for part in rotations], dtype=np.uint8),
        rotations=np.concatenate(rotations),
        translations=np.concatenate(translations),
        source=np.array(f"PyXtal {version('pyxtal')}, pyxtal.symmetry.Group; MIT licence"),
    )
    write_card(
        options.out.with_suffix(".card.json"),
        what="Wyckoff positions of the 230 space groups in standard settings, in PyXtal's order",
        files=[options.out.name],
        data={"source": f"PyXtal {version('pyxtal')}, `pyxtal.symmetry.Group`"},
        held_out={"formulas": 0, "why": "no crystal is in it"},
        licence={"this": "MIT", "data": "MIT"},
        command="python tools/build_wyckoff_table.py",
        facts={"positions": len(rows), "space_groups": len(set(groups))},
    )


def positions(number: int) -> list[tuple[int, str, NDArray[Any], NDArray[Any]]]:
    """Number, letter, rotations and translations (in 24ths) of each position of a group."""
    to_primitive = np.linalg.inv(PRIMITIVE[centring(number)])
    probe = np.array([0.1234567, 0.3141593, 0.2718282])
    rows = []
    for position in Group(number).Wyckoff_positions:
        matrices = np.array([op.affine_matrix for op in position.ops])
        rotations, translations = matrices[:, :3, :3], matrices[:, :3, 3]
        keep = _distinct((rotations @ probe + translations) @ to_primitive)
        whole = np.rint(rotations[keep])
        parts = np.rint(translations[keep] * PARTS)
        assert np.allclose(whole, rotations[keep], atol=1e-6)
        assert np.allclose(parts / PARTS, translations[keep], atol=1e-6)
        rows.append((number, position.letter, whole.astype(np.int8), parts.astype(np.int8)))
    return rows


def _distinct(fractional: NDArray[Any]) -> NDArray[np.int64]:
    delta = fractional[:, None] - fractional[None]
    same = (np.abs(delta - np.round(delta)) < 1e-4).all(axis=-1)
    return np.flatnonzero(same.argmax(axis=1) == np.arange(len(fractional)))


if __name__ == "__main__":
    main()
