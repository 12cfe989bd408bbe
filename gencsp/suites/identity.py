"""Names and digests of what is measured, by which a run is known again."""

from __future__ import annotations

from concurrent.futures import Executor
from hashlib import sha256
from pathlib import Path

from gencsp.plugins import Choice
from gencsp.potentials.base import identity, require_elements
from gencsp.proposers.registry import maker_class, proposer_kind
from gencsp.runs.objects import Carried
from gencsp.runs.parts import NamedProposer, NamedRelaxer, ShippedScoreModel
from gencsp.store.base import Manifest


def identify(
    executor: Executor,
    proposer: NamedProposer,
    relaxer: NamedRelaxer | None,
    elements: tuple[str, ...],
) -> Manifest:
    """Load the models once in a worker, for their names.

    Args:
        executor: that of the run.
        proposer: what is measured.
        relaxer: ``None`` where nothing is relaxed.
        elements: that the potential must know.

    Raises:
        GencspError: a proposer or potential that is not there, or whose model is missing; or one
            that does not know an element.
    """
    return executor.submit(_identify, proposer, relaxer, elements).result()


def _identify(
    proposer: NamedProposer, relaxer: NamedRelaxer | None, elements: tuple[str, ...]
) -> dict[str, str]:
    made = proposer()
    named = proposer.name
    scored = not isinstance(named, Carried) and maker_class(named).needs_model
    found = {
        "proposer": str(named),
        "proposer_code": _code_of(named),
        "score_model": ShippedScoreModel()().digest if scored else "",
        "proposer_name": made.name,
    }
    if relaxer is not None:
        potential = relaxer.load()
        require_elements(potential, elements)
        found |= identity(potential)
    return found


def _code_of(named: str | Choice | Carried) -> str:
    """Short hash of the file that a proposer is of, so that an edited one is another."""
    if isinstance(named, Carried) or proposer_kind(named) != "file":
        return ""
    return sha256(Path(Choice.read(named).name).read_bytes()).hexdigest()[:12]
