"""What a run loads before it has something to sample."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIGHT = """
import sys
{work}
heavy = [name for name in ("torch", "chgnet", "matplotlib", "pyxtal") if name in sys.modules]
assert not heavy, heavy
"""
WORK = {
    "what opens a search": "import gencsp.runs.search",
    "the command": "import gencsp.cli.search",
    "what opens a cycle": "import gencsp.runs.cycle, gencsp.runs.host_cycle",
    "what refines and intercalates": "import gencsp.runs.refining, gencsp.runs.intercalating",
    "what opens a suite": "import gencsp.suites.run, gencsp.suites.tasks.proposals",
    "a generator": (
        "import gencsp.runs.discover, gencsp.runs.synergy\n"
        "from gencsp.runs.generators import DeNovo\n"
        "DeNovo.of('pigen', ['m_led=9'], guidance=2, elements=None, atoms=8, weights=None)"
    ),
    "a deck with its sampler": (
        "from gencsp.runs.decks import SearchDeck\n"
        "from gencsp.proposers.sampling import deck_sampler\n"
        "deck_sampler(SearchDeck.make(formula='TiO2', sampler='quick'))"
    ),
    "the proposers": (
        "from gencsp.proposers.registry import proposer_class\nproposer_class('mixed')"
    ),
    "the relaxing engine": (
        "from gencsp.potentials.chgnet.select import engine_status, get_engine\n"
        "if engine_status().name == 'native': get_engine('native')"
    ),
    "which score model it is": (
        "from gencsp.runs.parts import ShippedScoreModel\nassert ShippedScoreModel()().digest"
    ),
    "gencsp info": "from gencsp.cli.info import _facts\nassert dict(_facts())['hull']",
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_torch_is_loaded_for_sampling_alone(work: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT.format(work=work)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
