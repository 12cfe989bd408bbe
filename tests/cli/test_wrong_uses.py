"""Wrong uses of every command: one sentence, an exit code that is not 0, and nothing half-written.

What Typer says of options that do not exist, or of a word in the place of a number, is its own box;
everything else is one line.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import ase.io
import pytest
from ase.build import bulk
from typer.testing import CliRunner

from gencsp.cli import app

POTENTIALS = {
    "raises.py": "raise ValueError('not today')\n",
    "exits.py": "def calculator():\n    raise KeyError('lost')\n",
    "nothing.py": "x = 1\n",
    "number.py": "def calculator():\n    return 3\n",
    "needs.py": "def calculator(x):\n    return x\n",
    "syntax.py": "def calculator(:\n",
}
DECKS = {
    "unknown.toml": "nonsense = 1\n",
    "broken.toml": "fmax = = 1\n",
    "range.toml": "fmax = -1\nworkers = 0\nn = 0\nsame_energy = -1\natoms = 0\n",
}

#: Each line is one wrong use; "|" gives several values of the last option.
USES = """
search TiO2 --budget 2 --no-seeds --pressure inf|nan|1e9|-1e9
search TiO2 --budget 2 --no-seeds --fmax 0|-1|nan|inf
search TiO2 --budget 2 --no-seeds --volume 1e308|0|-5|nan
search TiO2 --budget 2 --no-seeds --formula-units 0|2,0|5000|x
search TiO2 --budget 2 --no-seeds --separations Ti-O=99|Ti-O=nan|Ti=1|Xx-O=1|Ti-O|Si-O=1.5
search TiO2 --budget 2 --no-seeds --moves nope|rattle:most=-1|rattle:nope=1
search TiO2 --budget 2 --no-seeds --method nope|genetic:nope=1
search TiO2 --budget 2 --no-seeds --space-groups 0|231|x
search TiO2 --budget 2 --no-seeds --cell absent.cif|noise.cif
search TiO2 --budget 2 --no-seeds --target absent.cif|noise.cif
search TiO2 --budget 2 --no-seeds --hull absent.csv|noise.cif
search TiO2 --budget 2 --no-seeds --weights absent.safetensors
search TiO2 --budget 2 --no-seeds --potential nope|raises.py
search TiO2 --budget 2 --no-seeds --executor nope
search TiO2 --budget 2 --no-seeds --minimiser nope|fire:nope=1
search TiO2 --budget 2 --no-seeds --out mine|mine/below
search TiO2 --budget 2 --seeds absent.cif|random:0|noise.cif|nope
search TiO2 --budget 0|-1
search TiO2 --deck absent.toml|unknown.toml|broken.toml|range.toml
search Xx2|TiO2-|Ti-|1|Ti0O2|(TiO2
search --budget 2
search TiO2 --airss absent.cell
cycle LiSi2 -n 0|-3
cycle LiSi2 --guests Zn|Li,Si
cycle LiSi2 --atoms 2|100000
cycle LiSi2 --potential nope|raises.py
cycle LiSi2 --proposer nope|random:nope=1
cycle LiSi2 --inpainter nope|random|symmetric|pyxtal|pool|unknown.toml
cycle LiSi2 --deck unknown.toml|broken.toml
cycle Si
cycle --n 2
cycle --host salt.cif --guests Li|Na,Cl|Xx
cycle --host salt.cif --n 2
cycle NaCl --order 2
cycle LiNaCl --host salt.cif --proposer score
cycle LiNaCl --host salt.cif --inpainter random
cycle LiNaCl --host salt.cif --guests Na
cycle --guests Na --host absent.cif|noise.cif|void
cycle Li-Na --host salt.cif
cycle --host salt.cif KCl|LiNa13Cl13|NaCl2
propose NaCl --proposer random -n 0|-1
propose NaCl --proposer random --atoms 1|0
propose NaCl --proposer random --volume nan|-1
propose NaCl --proposer random --pressure inf
propose NaCl --proposer random --target compactness=0.7
propose NaCl --proposer random --out mine
propose NaCl --proposer nope|absent.toml|random:attempts=-1
propose NaCl --host absent.cif
propose --host salt.cif --guests Li|Na,Cl
propose --host salt.cif --n 2
propose NaCl --guests Na
propose NaCl --order 2
propose --host salt.cif --guests Na --formula-units 2
propose NaCl --proposer random --symmetry drawn
propose Na2Cl2 --host salt.cif --proposer random|symmetric|pool
propose NaCl·|Na(Cl|Na-1Cl|NaXx
propose --n 2
propose --de-novo --formula-units 2
propose NaCl --de-novo
propose NaCl --target compactness
relax salt.cif --fmax 0|nan|inf
relax salt.cif --steps -1|99999999999
relax salt.cif --pressure inf|nan
relax salt.cif --symprec 0|nan
relax salt.cif --time-limit 0|nan
relax salt.cif --ceiling nan|inf
relax salt.cif --minimiser nope
relax salt.cif --workers 0|100000
relax salt.cif --potential nope|raises.py|exits.py|nothing.py|number.py|needs.py|syntax.py|absent.py
relax salt.cif --hull absent.csv|noise.cif
relax salt.cif --out mine|mine/below
relax salt.cif --deck absent.toml|unknown.toml|broken.toml|range.toml
relax absent.cif|empty.cif|noise.cif|void
hull salt.cif --workers 0
hull salt.cif --hull absent.csv
hull salt.cif --potential nope|raises.py
hull salt.cif --out mine
hull absent.cif|empty.cif
refine salt.cif --guests Li|Na,Cl
refine salt.cif --inpaintings 0
refine salt.cif --fmax nan
refine salt.cif --inpainter nope|random|score:nope=1
refine salt.cif --correctors 2
refine salt.cif --weights absent.safetensors
refine salt.cif --out mine
dedup salt.cif --same-energy nan|-1
dedup salt.cif --out mine
dedup absent.cif|empty.cif
analyse salt.cif --known absent.cif|empty.cif
analyse salt.cif --pairs Na|Na-Xx|Na-O
analyse salt.cif --reach nan|0|21
analyse salt.cif --bin-width 0|nan
analyse salt.cif --bond-factor 0|4
analyse salt.cif --low-symmetry 0|x
analyse salt.cif --potential nope
analyse salt.cif --out mine
analyse absent.cif|empty.cif
filter salt.cif --filters magic|distances,distances|distances:nope=1|compactness:low=nan
filter salt.cif --workers 0
filter salt.cif --out mine
filter salt.cif --deck unknown.toml|broken.toml
filter salt.cif --for csp --filters distances
filter absent.cif
export salt.cif seeds --to nope|airss:nope=1
export salt.cif seeds --to airss --formula Xx|MgO
export salt.cif seeds --to airss --atoms 0|3
export salt.cif mine --to airss
export salt.cif full --to airss
export absent.cif seeds --to airss
export salt.cif seeds
import absent --from airss
import void --from airss|nope
references Li-Xx|Li-|Xx
references Li --fmax 0
references Li --also absent.cif
references Li --out void
references Li --potential nope|raises.py
dft write salt.cif campaign --code nope
dft write salt.cif campaign --code gpaw --cutoff nan|0
dft write salt.cif campaign --code gpaw --spacing 0|inf
dft write salt.cif campaign --code gpaw --pressure nan
dft write salt.cif campaign --code gpaw --top 0
dft write salt.cif campaign
dft write salt.cif full --code gpaw
dft write salt.cif mine --code gpaw
dft write absent.cif campaign --code gpaw
dft run absent|void
dft read absent|void
resume absent|void
status absent|void
"""
#: What Typer refuses by itself.
UNREAD = """
relax
relax salt.cif --nonsense
relax salt.cif --fmax high
relax salt.cif --engine gpu
search TiO2 --budget 2.5
filter salt.cif --for fun
filter salt.cif --rows xls
dft write salt.cif campaign --code gpaw --kind other
nonsense
export salt.cif
""".strip().splitlines()


def _each(lines: str) -> list[str]:
    found = []
    for line in lines.strip().splitlines():
        begin, space, last = line.rpartition(" ")
        found += [f"{begin}{space}{value}" for value in last.split("|")]
    return found


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (POTENTIALS | DECKS).items():
        Path(name).write_text(text)
    ase.io.write("salt.cif", bulk("NaCl", "rocksalt", a=5.64))
    Path("mine").write_text("a file of my own\n")
    Path("empty.cif").write_text("")
    Path("noise.cif").write_text("noise\n")
    Path("void").mkdir()
    Path("full").mkdir()
    Path("full/mine").write_text("mine\n")
    return tmp_path


def refused(line: str) -> str:
    """What is said; the folder is afterwards what it was."""
    before = _held()
    result = CliRunner().invoke(app, line.split())
    for cache in Path().rglob("__pycache__"):
        shutil.rmtree(cache)
    assert result.exit_code not in (0, 3), result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert _held() == before
    return result.stderr


def _held() -> dict[str, bytes | None]:
    return {str(p): p.read_bytes() if p.is_file() else None for p in Path().rglob("*")}


@pytest.mark.parametrize("line", _each(USES))
def test_one_sentence(line: str) -> None:
    said = refused(line)
    assert said.startswith("gencsp: ")
    assert len(said.splitlines()) == 1, said
    assert said.rstrip()[-1] in ".:;?)", said


@pytest.mark.parametrize("line", UNREAD)
def test_what_typer_refuses(line: str) -> None:
    assert "Usage:" in refused(line)


def test_there_are_many() -> None:
    assert len(_each(USES)) >= 124
