"""A program that writes crystals as the real generators do, and fails as they do.

Run as ``python stand_in_generator.py BEHAVIOUR OUT N BATCH FORMULA SEED`` or, under the name of a
real generator, with that one's own arguments. Needs nothing but Python, so that it may live in any
environment. Crystals are rock salt or caesium chloride of the formula, which must be binary 1:1.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path


def crystal(symbols: list[str], k: int) -> tuple[float, list[tuple[str, tuple[float, ...]]]]:
    """Lattice constant (Å, cubic) and sites of cell k, with as many atoms as are asked for."""
    pairs = len(symbols) // 2
    a, b = sorted(set(symbols))
    length = 4.0 + 0.01 * k
    sites: list[tuple[str, tuple[float, ...]]] = []
    for n in range(pairs):
        sites.append((a, (0.0, 0.0, n / pairs)))
        sites.append((b, (0.5, 0.5, (n + 0.5) / pairs)))
    return length, sites


def symbols_of(formula: str) -> list[str]:
    found = re.findall(r"([A-Z][a-z]?)(\d*)", formula)
    return [symbol for symbol, n in found for _ in range(int(n or 1))]


def cif(symbols: list[str], k: int) -> str:
    length, sites = crystal(symbols, k)
    height = length * max(1, len(symbols) // 2)
    rows = "\n".join(
        f"  {s}  {s}{n}  1.0  {x:.6f}  {y:.6f}  {z:.6f}" for n, (s, (x, y, z)) in enumerate(sites)
    )
    return (
        f"data_image{k}\n_cell_length_a {length}\n_cell_length_b {length}\n"
        f"_cell_length_c {height}\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
        "_cell_angle_gamma 90\n\n_space_group_name_H-M_alt 'P 1'\n_space_group_IT_number 1\n\n"
        "loop_\n  _space_group_symop_operation_xyz\n  'x, y, z'\n\nloop_\n"
        "  _atom_site_type_symbol\n  _atom_site_label\n  _atom_site_occupancy\n"
        "  _atom_site_fract_x\n  _atom_site_fract_y\n  _atom_site_fract_z\n" + rows + "\n"
    )


def frame(symbols: list[str], k: int) -> str:
    length, sites = crystal(symbols, k)
    height = length * max(1, len(symbols) // 2)
    lattice = f"{length} 0.0 0.0 0.0 {length} 0.0 0.0 0.0 {height}"
    rows = "\n".join(f"{s} {x * length} {y * length} {z * height}" for s, (x, y, z) in sites)
    return f'{len(sites)}\nLattice="{lattice}" Properties=species:S:1:pos:R:3 pbc="T T T"\n{rows}\n'


def save_as_mattergen(out: Path, cells: list[tuple[list[str], int]]) -> None:
    """The two files of ``mattergen.common.utils.eval_utils.save_structures``."""
    (out / "generated_crystals.extxyz").write_text("".join(frame(s, k) for s, k in cells))
    with zipfile.ZipFile(out / "generated_crystals_cif.zip", "w") as archive:
        for n, (symbols, k) in enumerate(cells):
            archive.writestr(f"gen_{n}.cif", cif(symbols, k))


def cells(formula: str, n: int) -> list[tuple[list[str], int]]:
    return [(symbols_of(formula), k) for k in range(n)]


def behave(behaviour: str, out: Path, n: int, batch: int, formula: str, seed: str) -> None:
    attempt = int(out.name.rpartition("-")[2])
    (out / "seed.txt").write_text(seed)
    if behaviour == "fine":
        for symbols, k in cells(formula, n):
            (out / f"c{k}.cif").write_text(cif(symbols, k))
    elif behaviour == "slowly":
        with (out / "all.extxyz").open("w") as file:
            for symbols, k in cells(formula, n):
                text = frame(symbols, k)
                file.write(text[: len(text) // 2])
                file.flush()
                time.sleep(0.4)
                file.write(text[len(text) // 2 :])
                file.flush()
    elif behaviour == "stops half way":
        (out / "all.extxyz").write_text(frame(symbols_of(formula), 0))
        time.sleep(600)
        (out / "finished").touch()
    elif behaviour == "hangs":
        (out / "c0.cif").write_text(cif(symbols_of(formula), 0))
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", str(out)])
        time.sleep(600)
    elif behaviour == "dies once":
        if attempt == 1:
            with (out / "all.extxyz").open("w") as file:
                file.write(frame(symbols_of(formula), 0) + frame(symbols_of(formula), 1)[:-9])
            sys.exit("Segmentation fault, more or less")
        (out / "all.extxyz").write_text("".join(frame(s, k + 5) for s, k in cells(formula, n)))
    elif behaviour == "dies":
        sys.exit("RuntimeError: no CUDA GPUs are available")
    elif behaviour == "memory":
        if batch > 2:
            sys.stderr.write("torch.OutOfMemoryError: CUDA out of memory.\n")
            sys.exit(1)
        for symbols, k in cells(formula, n):
            (out / f"c{k}.cif").write_text(cif(symbols, k))
    elif behaviour == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif behaviour == "nothing":
        sys.stdout.write("0 structures were generated\n")
    elif behaviour == "garbage":
        (out / "c0.cif").write_bytes(b"\x00\xff\xfe" * 3000)
        (out / "c1.cif").write_text("data_\n_cell_length_a nonsense\n")
        (out / "c2.cif").write_text("")
        (out / "c3.cif").write_text(cif(symbols_of(formula), 3))
        (out / "c4.cif").write_text(cif(symbols_of(formula), 4).replace("  1.0  ", "  0.5  "))
    elif behaviour == "garbage frames":
        text = frame(symbols_of(formula), 0)
        (out / "all.extxyz").write_text(text + "99999999999\nnothing\nmore\n")
    elif behaviour == "off":
        for k, one in enumerate(["Na2Cl2", "NaCl", "KCl", "NaBr", "NaCl"]):
            (out / f"c{k}.cif").write_text(cif(symbols_of(one), k))
        (out / "c5.cif").write_text(cif(symbols_of("NaCl"), 5).replace("4.05", "0.90"))
    elif behaviour == "fills the disk":
        with (out / "c0.cif").open("wb") as file:
            while True:
                file.write(b"#" * 1_000_000)
                file.flush()
                time.sleep(0.02)
    elif behaviour == "no space":
        sys.exit("OSError: [Errno 28] No space left on device")
    else:
        sys.exit(f"no behaviour {behaviour}")


if __name__ == "__main__":
    behaviour, out, n, batch, formula, seed = sys.argv[1:]
    behave(behaviour, Path(out), int(n), int(batch), formula, seed)
