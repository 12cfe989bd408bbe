"""Filters applied in order: which structures pass each alone, and which pass all so far.

Source: PIGEN, Fig. 4 and Extended Data Tables 1-2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from itertools import islice

from ase import Atoms

from gencsp.errors import DeckError, GencspError, StructureFileError
from gencsp.filters.base import FILTERS, Filter, Verdict
from gencsp.io.pools import PoolMember
from gencsp.records import FILTER_FELL_AT, FILTER_PREFIX, FILTER_SOURCE, FILTER_SURVIVED

#: One filter of a funnel: its name and its options.
FilterSpec = tuple[str, dict[str, object]]
#: Sources handed to a worker at once, and chunks that wait for each worker.
CHUNK, AHEAD = 16, 2


@dataclass(frozen=True, slots=True)
class Judged:
    """A structure with its verdicts, or a source that could not be read.

    Attributes:
        name: of the structure.
        atoms: a copy with the verdicts in ``info``; ``None`` where it could not be read.
        verdicts: of the filters that judged it, in the order of the funnel.
        unreadable: why there is nothing; empty for a structure.
    """

    name: str
    atoms: Atoms | None
    verdicts: tuple[Verdict, ...] = ()
    unreadable: str = ""

    @property
    def survived(self) -> bool:
        """Whether it passed every filter."""
        return self.atoms is not None and all(v.passed for v in self.verdicts)

    @property
    def fell_at(self) -> str:
        """Name of the first filter that it did not pass; empty where there is none."""
        return next((v.name for v in self.verdicts if not v.passed), "")


@dataclass(frozen=True, slots=True)
class Funnel:
    """Filters in order.

    Cheap filters judge every structure, so that each can be counted alone; costly ones judge only
    what passed all before them.

    Attributes:
        stages: names and options, in order.

    Raises:
        DeckError: a filter or an option that does not exist, or a name that comes twice.
    """

    stages: tuple[FilterSpec, ...]
    filters: tuple[Filter, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = tuple(FILTERS.make(name, options) for name, options in self.stages)
        names = [one.name for one in made]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DeckError(f"the funnel has the filter '{twice[0]}' more than once.")
        object.__setattr__(self, "filters", made)

    def judge(self, atoms: Atoms) -> tuple[Verdict, ...]:
        """Verdicts on one crystal, in order; costly filters behind a failure are left out."""
        return self._judge(atoms, (), self.filters)

    def begin(self, atoms: Atoms) -> tuple[Verdict, ...]:
        """Verdicts up to the first filter that must see the pool in order (worker's part)."""
        return self._judge(atoms, (), self.filters[: self._split])

    def finish(self, atoms: Atoms, begun: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
        """The verdicts of :meth:`begin` and those of the filters behind."""
        return self._judge(atoms, begun, self.filters[self._split :])

    @property
    def _split(self) -> int:
        ordered = [one.ordered for one in self.filters]
        return ordered.index(True) if True in ordered else len(ordered)

    @staticmethod
    def _judge(
        atoms: Atoms, before: tuple[Verdict, ...], filters: Iterable[Filter]
    ) -> tuple[Verdict, ...]:
        verdicts = list(before)
        for one in filters:
            if one.costly and not all(v.passed for v in verdicts):
                continue
            verdicts.append(_verdict(one, atoms))
        return tuple(verdicts)


#: What a filter raises at a structure that it cannot judge, such as one with an unknown element.
_FILTER_ERRORS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def _verdict(one: Filter, atoms: Atoms) -> Verdict:
    """The verdict of a filter; where it fails, the structure has not passed, and the note says why.

    Errors that gencsp raises on purpose, such as missing weights, concern every structure.
    """
    try:
        return one.judge(atoms)
    except StructureFileError as error:
        said = str(error)
    except GencspError:
        raise
    except _FILTER_ERRORS as error:
        said = f"{type(error).__name__}: {error}"
    return Verdict(False, float("nan"), (float("-inf"), float("inf")), one.name, said)


def judge_pool(
    sources: Iterable[PoolMember], funnel: Funnel, *, executor: Executor, workers: int = 1
) -> Iterator[Judged]:
    """Judge a pool of any size, lazily and in its order.

    What cannot be read comes back as such and never ends the run.

    Args:
        sources: read by the workers.
        funnel: what to judge by.
        executor: where the workers run.
        workers: how many, so that enough waits for each and no more.
    """
    left = iter(sources)
    chunks = iter(lambda: tuple(islice(left, CHUNK)), ())
    waiting: list[Future[list[Judged]]] = []
    while True:
        for chunk in islice(chunks, workers * AHEAD - len(waiting)):
            waiting.append(executor.submit(_begin_chunk, funnel.stages, chunk))
        if not waiting:
            return
        for judged in waiting.pop(0).result():
            yield _finished(judged, funnel)


def _begin_chunk(stages: tuple[FilterSpec, ...], chunk: tuple[PoolMember, ...]) -> list[Judged]:
    """The worker's part: read, and judge as far as order does not matter."""
    funnel = _made(stages)
    judged = []
    for source in chunk:
        try:
            structures = source.load()
        except StructureFileError as error:
            judged.append(Judged(source.name, None, unreadable=str(error)))
            continue
        for number, atoms in enumerate(structures):
            own = f"{source.name}:{number}" if len(structures) > 1 else source.name
            judged.append(Judged(own, atoms, funnel.begin(atoms)))
    return judged


_funnels: dict[str, Funnel] = {}


def _made(stages: tuple[FilterSpec, ...]) -> Funnel:
    """The funnel of these stages, made once in each process."""
    key = repr(stages)
    if key not in _funnels:
        _funnels[key] = Funnel(stages)
    return _funnels[key]


def _finished(judged: Judged, funnel: Funnel) -> Judged:
    if judged.atoms is None:
        return judged
    whole = Judged(judged.name, judged.atoms, funnel.finish(judged.atoms, judged.verdicts))
    for key in [key for key in judged.atoms.info if str(key).startswith(FILTER_PREFIX)]:
        del judged.atoms.info[key]
    for verdict in whole.verdicts:
        verdict.write(judged.atoms)
    judged.atoms.info |= {FILTER_SOURCE: judged.name, FILTER_SURVIVED: whole.survived}
    if whole.fell_at:
        judged.atoms.info[FILTER_FELL_AT] = whole.fell_at
    return whole
