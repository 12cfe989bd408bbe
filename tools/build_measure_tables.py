"""Write ``gencsp/data/measures.json``: the tables of elements behind CDVAE's measures.

    python tools/build_measure_tables.py SITE_PACKAGES CONSTANTS

SITE_PACKAGES is the folder of another environment in which ``matminer`` and ``SMACT`` are installed
(matminer wants an older pandas than gencsp has), CONSTANTS the file ``cdvae/common/constants.py``
of CDVAE's program (github.com/txie-93/cdvae), which has the mean and the deviation of each number
of the composition fingerprints. Both are read as text; nothing of them is imported.
"""

from __future__ import annotations

import argparse
import ast
import json
from importlib.metadata import distributions
from pathlib import Path

from ase.data import chemical_symbols
from cards import write_card

from gencsp.measure.composition_fingerprint import PROPERTIES

#: The last element of SMACT's tables, lawrencium.
LAST = 103


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("packages", type=Path)
    parser.add_argument("constants", type=Path)
    parser.add_argument("--out", type=Path, default=Path("gencsp/data/measures.json"))
    options = parser.parse_args()
    magpie = options.packages / "matminer/utils/data_files/magpie_elementdata"
    smact = options.packages / "smact"
    content = {
        "magpie": {name: column(magpie / f"{name}.table") for name in PROPERTIES},
        "scaler": scaler(options.constants),
        "oxidation_states": oxidation_states(smact / "data/oxidation_states.txt"),
        "electronegativity": electronegativity(smact / "data/element_data.txt"),
        "metals": constant(smact / "__init__.py", "metals"),
    }
    # One line for each table: readable, and small differences stay small.
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(one)}" for key, one in content.items())
    options.out.write_text(f"{{\n{lines}\n}}\n", "utf-8")
    found = {one.name: one.version for one in distributions(path=[str(options.packages)])}
    versions = {name: found[name] for name in ("matminer", "SMACT")}
    write_card(
        options.out.with_suffix(".card.json"),
        what="tables of elements behind CDVAE's measures of crystals: Magpie's properties with "
        "CDVAE's scale of their statistics; SMACT's oxidation states, electronegativities, metals",
        files=[options.out.name],
        data={
            "source": f"matminer {versions['matminer']} (Magpie) and SMACT {versions['SMACT']} "
            "from PyPI; cdvae/common/constants.py of github.com/txie-93/cdvae",
        },
        held_out={
            "formulas": 0,
            "why": "no crystal is in it; the scale is CDVAE's, of its own data, and only measures",
        },
        licence={
            "this": "BSD-3-Clause-LBNL and MIT",
            "data": "Magpie's tables as in matminer: Copyright (c) 2015, The Regents of the "
            "University of California, through Lawrence Berkeley National Laboratory, "
            "BSD-3-Clause-LBNL; SMACT: Copyright (c) The SMACT Developers, MIT; CDVAE: Copyright "
            "(c) 2021 Tian Xie, Xiang Fu, MIT; texts in measures.licences.txt",
        },
        command="python tools/build_measure_tables.py SITE_PACKAGES CONSTANTS",
        facts={"properties": len(PROPERTIES), "last_element": LAST},
    )


def column(path: Path) -> list[float | None]:
    """A property of the elements from hydrogen on; ``None`` where it is missing."""
    values = [_number(line) for line in path.read_text("utf-8").splitlines()[:LAST]]
    return values + [None] * (LAST - len(values))


def scaler(path: Path) -> dict[str, list[float]]:
    """Mean and standard deviation of each number of the composition fingerprints."""
    return {
        "mean": constant(path, "CompScalerMeans"),
        "deviation": constant(path, "CompScalerStds"),
    }


def oxidation_states(path: Path) -> dict[str, list[int]]:
    """SMACT's set of 2014, by element; empty for noble gases."""
    rows = [line.split() for line in _lines(path)]
    return {row[0]: [int(state) for state in row[1:]] for row in rows if row[0] in known()}


def electronegativity(path: Path) -> dict[str, float]:
    """Pauling's, by element, those that SMACT knows: the tenth column of its table."""
    rows = [line.split() for line in _lines(path)]
    found = {row[0]: _number(row[9]) for row in rows if row[0] in known()}
    return {symbol: value for symbol, value in found.items() if value is not None}


def known() -> set[str]:
    """Symbols up to the last element."""
    return set(chemical_symbols[1 : LAST + 1])


def constant(path: Path, name: str) -> list:  # type: ignore[type-arg]  # of what, the file says
    """The list that a module assigns to a name."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(one, ast.Name) and one.id == name for one in targets) and node.value:
                return list(ast.literal_eval(node.value))
    raise LookupError(f"{path} has no {name}")


def _lines(path: Path) -> list[str]:
    lines = path.read_text("utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


if __name__ == "__main__":
    main()
