"""Every setting is checked: no number that is not finite, or out of its range, gets through.

Classes and fields are found by looking, so that a new one without a check fails here.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from annotated_types import Ge, Gt, Le, Lt
from ase import Atoms
from ase.build import bulk
from pydantic import BaseModel
from tiny_dp_cdvae import LATTICE

import gencsp
from gencsp.composition import Composition
from gencsp.convex_hull.by_composition import Lowest
from gencsp.convex_hull.hull import Hull
from gencsp.convex_hull.system import SystemHull
from gencsp.deck import CellAtoms, Count, Deck, Fmax, Separation, check
from gencsp.diffusion.batch import ScoreModel
from gencsp.diffusion.dp_cdvae.process import DpCdvaeProcess
from gencsp.diffusion.dp_cdvae.stored import StoredDpCdvae
from gencsp.diffusion.joint.conditions import PropertyScale
from gencsp.diffusion.joint.model import JointModel
from gencsp.diffusion.joint.process import JointProcess
from gencsp.diffusion.joint.sampler import JointSamplerSettings
from gencsp.diffusion.joint.shape import LatticeScale
from gencsp.diffusion.positions.schedule import noise_levels
from gencsp.diffusion.positions.settings import SamplerSettings
from gencsp.errors import DftError, EngineError, GencspError, RequestError, StructureFileError
from gencsp.minimise.minimisers import MINIMISERS
from gencsp.minimise.result import Outcome
from gencsp.minimise.settings import RelaxSettings
from gencsp.plugins import Choice, Configured
from gencsp.potentials import get_potential
from gencsp.potentials.chgnet.select import get_engine
from gencsp.proposers.crystals.lattice import scaled
from gencsp.runs.parts import NamedRelaxer
from gencsp.searches.acceptance import Metropolis
from gencsp.searches.compositions import OneComposition
from gencsp.searches.ledger import Ledger
from gencsp.searches.moves import Tools
from gencsp.searches.random_search import RandomSearch
from gencsp.searches.settings import SearchSettings
from gencsp.searches.space import Space
from gencsp.searches.starts import SeedSchedule
from gencsp.searches.system_cycle import StageCounts
from gencsp.similarity import StructureIndex
from gencsp.suites.tasks.cycle_values import CycleRow, System
from gencsp.suites.tasks.model_rows import ModelRow

#: Dataclasses whose numbers have defaults and that are no settings, and why.
NO_SETTINGS = {
    "Constraints": "read from an Atoms object; its tolerance is that of ASE's FixSymmetry",
    "State": "where a sampler is",
    "LeastDistances": "checks its pairs one by one; tests/descriptors/test_least_distances.py",
    "HullEntry": "what was computed; the reader of files checks it",
    "HullEntries": "the same, of a file",
    "Campaign": "what was written for a code, from a checked Calculation",
    "SeedMap": "what was exported, at a checked pressure",
    "Provenance": "where a structure comes from, written by gencsp",
    "TrialResult": "what came of a trial; a failed one has no energy, which is not a number",
    "SeedStructure": "a structure as it is handed to another code",
    "Found": "a structure as another code left it",
    "RunEntry": "a line of a run's database",
    "Tools": "what moves are handed by the search",
    "Framework": "a crystal without its species",
    "Candidate": "a crystal and what it is compared by",
    "CellSizes": "counted in training data, read with its weights",
    "PropertyScale": "fitted to training data, read with its weights",
    "Relaxed": "what came of a relaxation; a failed one has no energy, which is not a number",
    "RigidUnit": "a shape, whose arrays it checks itself; tests/units/test_unit.py",
    "UnitRecipe": "one crystal to draw, from the checked options of a proposer",
    "Report": "what a page shows, read from a run",
    "ReportStructure": "the same, of a structure",
    "TrainingProgress": "how far a training is",
    "StageCount": "what a funnel counted",
    "Trace": "what a search found, read from its store",
    "HullEnergy": "for subclasses, which say what relaxes; they are tested",
    "WrappedMixture": "a model for tests, exact in what it is given",
    "BySize": "the same",
}

FORMULA = Composition.parse("TiO2")
ATOMS_SCALE = LatticeScale((0.0,) * 6, (1.0,) * 6)
PROCESS = JointProcess(scale=ATOMS_SCALE)


#: Classes that annotations name and that their modules import for type checkers alone.
UNLOADED = {
    "Atoms": Atoms,
    "Composition": Composition,
    "Hull": Hull,
    "Lowest": Lowest,
    "Outcome": Outcome,
    "StageCounts": StageCounts,
    "SystemHull": SystemHull,
    "ScoreModel": ScoreModel,
    "JointModel": JointModel,
    "JointSamplerSettings": JointSamplerSettings,
    "SamplerSettings": SamplerSettings,
    "SearchSettings": SearchSettings,
    "Ledger": Ledger,
    "SeedSchedule": SeedSchedule,
}


class Anything:
    """For fields that are not looked at."""


SYSTEM, CYCLE_ROW = System.make(name="Li-Si"), CycleRow.make(name="free")
MODEL_ROW = ModelRow.make(name="plain")

#: What cannot be left out when an instance is made.
NEEDED: dict[str, dict[str, Any]] = {
    "BenchDeck": {"suite": "search"},
    "CryspyOptions": {"environment": Path("there")},
    "TaskTimes": {"trials": (1.0,), "moves": ("random",), "main": 0.0},
    "MakeDataDeck": {"held_out": Path("formulas.txt")},
    "Suite": {"title": "a", "task": "searches", "source": "b", "about": "c"},
    "Truths": {"file": "a", "crystals": 1, "where": "b"},
    "Published": {"name": "a", "values": {"b": 0.5}, "source": "c"},
    "Request": {"composition": FORMULA, "n": 1},
    "CycleSettings": {"composition": FORMULA},
    "Space": {"compositions": OneComposition(FORMULA, (1,))},
    "SearchSettings": {"space": Space.fixed(FORMULA, units=(1,))},
    "System": {"name": "Li-Si"},
    "CycleRow": {"name": "free"},
    "ChggenSettings": {"systems": (SYSTEM,), "rows": (CYCLE_ROW,)},
    "ModelRow": {"name": "plain"},
    "FunnelSettings": {"rows": (MODEL_ROW,)},
    "Judging": {"relaxer": Anything(), "relax": RelaxSettings()},
    "DpCdvaeSettings": {"data": "perov_5"},
    "Decoding": {
        "model": StoredDpCdvae(Path("w")),
        "species": "read",
        "levels": None,
        "generated_levels": None,
        "relaxer": NamedRelaxer(),
        "relax": RelaxSettings(),
    },
    "TrainSettings": {"steps": 1},
    "TrainDeck": {"steps": 1},
    "LayeredDeck": {"steps": 1, "channels": 8},
    "DpCdvaeProcess": {"lattice": LATTICE},
    "DpCdvaeObjective": {"process": DpCdvaeProcess(lattice=LATTICE)},
    "JointProcess": {"scale": ATOMS_SCALE},
    "JointObjective": {
        "process": PROCESS,
        "properties": PropertyScale((0.0,) * 4, (1.0,) * 4),
    },
    "StartDraw": {"sizes": {4: 1.0}},
    "EnginePotential": {"engine": Anything()},
    "EnergyGuidedScore": {"model": Anything(), "potential": Anything()},
    "EnergyGuided": {"denoiser": Anything(), "potential": Anything()},
    "ClassifierFree": {"model": JointModel.__new__(JointModel)},
    "TrialContext": {
        "seed": 0,
        "space": Space.fixed(FORMULA, units=(1,)),
        "relaxer": Anything(),
        "tools": Tools(),
    },
    "ProposerStarts": {"name": "random", "make": Anything()},
    "PoolStarts": {"name": "pool", "structures": ()},
    "Preset": {"command": ("true",), "output": ("*",)},
    "NamedProposer": {"name": "random"},
    "DeNovo": {"choice": Choice("pigen")},
    "CycleDeck": {"formula": "TiO2"},
    "Ladder": {"name": "own"},
    "IntercalateDeck": {"guest": "Li"},
    "IntercalationSettings": {"guest": "Li", "series": (Fraction(1),), "unit": FORMULA},
    "SeedsDeck": {"to": "airss"},
    "SecondOpinionDeck": {"potential": "chgnet:r2scan"},
    "ReferencesDeck": {"system": "Li-Si"},
    "DftDeck": {"code": "gpaw"},
    "ExportDeck": {"pool": ["pool.extxyz"], "folder": "seeds"},
    "ExternalDeck": {"preset": "diffcsp", "home": ".", "model": "weights"},
}


@cache
def classes() -> tuple[type, ...]:
    """Frozen dataclasses some number of which has a default, and all of pydantic's models."""
    found: dict[str, type] = {}
    for module in pkgutil.walk_packages(gencsp.__path__, "gencsp."):
        if ".templates" in module.name:  # programs for the environments of other codes
            continue
        for one in vars(importlib.import_module(module.name)).values():
            if isinstance(one, type) and one.__module__ == module.name and is_settings(one):
                found[f"{module.name}.{one.__name__}"] = one
    return tuple(found.values())


def is_settings(one: type) -> bool:
    if one.__name__.startswith("_") or one.__name__ in NO_SETTINGS:
        return False
    if issubclass(one, Configured) and not hasattr(one, "name"):
        return False  # a base, of which there are no instances
    if issubclass(one, BaseModel):
        return True
    if not dataclasses.is_dataclass(one) or not one.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return False
    return any(
        field.default is not dataclasses.MISSING and numbers_of(hint)
        for field, hint in typed_fields(one)
    )


def typed_fields(one: type) -> Iterator[tuple[dataclasses.Field[Any], Any]]:
    hints = get_type_hints(one, localns=UNLOADED, include_extras=True)
    for field in dataclasses.fields(one):
        # ``n_parents`` says what a move is; no user sets it.
        if field.init and field.name != "n_parents":
            yield field, hints[field.name]


def fields_of(one: type) -> dict[str, Any]:
    if issubclass(one, BaseModel):
        hints = get_type_hints(one, include_extras=True)
        return {
            name: Annotated[(hints[name], *field.metadata)] if field.metadata else hints[name]
            for name, field in one.model_fields.items()
        }
    return {field.name: hint for field, hint in typed_fields(one)}


def numbers_of(hint: Any) -> list[tuple[type, tuple[Any, ...]]]:
    """The numeric types in a type, with their bounds."""
    origin, args = get_origin(hint), get_args(hint)
    if hint in (int, float):
        return [(hint, ())]
    if origin is Annotated:
        return [(kind, (*bounds, *args[1:])) for kind, bounds in numbers_of(args[0])]
    if origin in (Union, UnionType, tuple, dict, Mapping) or str(origin).endswith("Mapping'>"):
        return [number for arm in args for number in numbers_of(arm)]
    return []


def wrong_numbers(kind: type, bounds: tuple[Any, ...]) -> list[Any]:
    """What a number of this kind and these bounds can never be."""
    wrong: list[Any] = [float("nan"), float("inf"), float("-inf")]
    for bound in bounds:
        match bound:
            case Gt(gt=edge) | Lt(lt=edge):
                wrong.append(edge)
            case Ge(ge=float() | int() as edge):
                wrong.append(edge - 1)
            case Le(le=float() | int() as edge):
                wrong.append(edge + 1 if kind is int else 1.01 * edge + 0.01)
    return [*wrong, "a word"]


def wrong_values(hint: Any) -> Iterator[Any]:
    """Values that a field of this type must refuse, one wrong number in each."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated and not numbers_of(args[0]):
        return
    if hint in (int, float) or (origin is Annotated and args[0] in (int, float)):
        (number,) = numbers_of(hint)
        yield from wrong_numbers(*number)
    elif origin is Annotated:
        yield from wrong_values(args[0] if get_origin(args[0]) is not None else hint)
    elif origin in (Union, UnionType):
        for arm in args:
            yield from wrong_values(arm)
    elif origin is tuple:
        places = args[:1] if args[1:] == (...,) else args
        for k, place in enumerate(places):
            for wrong in wrong_values(place):
                yield tuple(wrong if i == k else a_right(p) for i, p in enumerate(places))
    elif numbers_of(hint):  # mappings
        for wrong in wrong_values(args[1]):
            yield {a_key(args[0]): wrong}


def a_right(hint: Any) -> Any:
    """Some value that fits."""
    if numbers_of(hint):
        return 1
    return "Ti"


def a_key(hint: Any) -> Any:
    if get_origin(hint) is tuple:
        return ("Ti", "O")
    return get_args(hint)[0] if get_origin(hint) is Literal else "Ti-O"


def made(one: type, **values: Any) -> Any:
    """An instance, as users make it: of a deck by the function that reads it."""
    needed = NEEDED.get(one.__name__, {}) | values
    if issubclass(one, Deck):
        return one.make(**needed)
    if issubclass(one, Configured):
        return one.from_options(needed)
    return one(**needed)


CASES = [
    pytest.param(one, name, hint, id=f"{one.__module__}.{one.__name__}.{name}")
    for one in classes()
    for name, hint in fields_of(one).items()
    if numbers_of(hint)
]


def test_settings_are_found() -> None:
    names = {one.__name__ for one in classes()}
    wanted = {"RelaxSettings", "Request", "ProposerContext", "CycleDeck", "Limits", "Rattle"}
    assert wanted <= names
    assert len(CASES) > 150


@pytest.mark.parametrize(("one", "name", "hint"), CASES)
def test_no_wrong_number_gets_through(one: type, name: str, hint: Any) -> None:
    values = list(wrong_values(hint))
    assert len(values) >= 4
    for wrong in values:
        with pytest.raises(GencspError, match=name):
            made(one, **{name: wrong})


@pytest.mark.parametrize("one", classes(), ids=lambda one: one.__name__)
def test_what_is_left_at_its_default_is_accepted(one: type) -> None:
    assert made(one) is not None


def choices() -> list[Any]:
    found = []
    for one in classes():
        for name, hint in fields_of(one).items():
            arms = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
            if any(get_origin(arm) is Literal for arm in arms):
                found.append(pytest.param(one, name, id=f"{one.__name__}.{name}"))
    return found


@pytest.mark.parametrize(("one", "name"), choices())
def test_an_unknown_choice_is_refused_by_name(one: type, name: str) -> None:
    with pytest.raises(GencspError, match="nowhere"):
        made(one, **{name: "nowhere"})


@pytest.mark.parametrize(
    ("hint", "right", "wrong"),
    [
        (Count, [1, np.int64(3), 2**31 - 1], [0, True, 1.0, "1", None, 2**31, 10**400]),
        (Fmax, [0.1, 1, np.float32(0.5)], [0, -1, True, "0.1", float("nan"), 10**400]),
        (Fmax | None, [None, 0.1], [0]),
        (tuple[CellAtoms, ...], [(), (1, 2)], [[1], (0,), (1, 2.5), 1]),
        (tuple[int, str], [(1, "a")], [(1,), ("a", 1), (1, "a", "b")]),
        (Mapping[str, Separation], [{}, {"Ti-O": 1.5}], [{"Ti-O": 99}, {1: 1.5}, [("Ti-O", 1)]]),
        (Literal["fire"], ["fire"], ["fires", 1, None, ["fire"]]),
        (bool, [True], [1, "yes", None]),
        (Path | None, [Path(), None], ["here"]),
        (NoneType, [None], [0]),
    ],
)
def test_check(hint: Any, right: list[Any], wrong: list[Any]) -> None:
    for value in right:
        check("it", value, hint)
    for value in wrong:
        with pytest.raises(DftError, match=r"^it is .*: give "):
            check("it", value, hint, DftError)


def test_messages_say_what_is_accepted() -> None:
    with pytest.raises(RequestError, match=r"fmax is nan: give a finite number above 0 \(eV/Å\)."):
        check("fmax", float("nan"), Fmax)
    with pytest.raises(RequestError, match=r"give one of 'fire', 'quasi-newton'\."):
        check("minimiser", "newton", Literal["fire", "quasi-newton"])


def test_only_pydantic_sees_a_bare_value_error() -> None:
    """Its validators must raise one, which the deck turns into its own; nothing else may."""
    bare = []
    for path in Path(gencsp.__file__).parent.rglob("*.py"):
        if "templates" in path.parts:
            continue
        tree = ast.parse(path.read_text())
        validators = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            and any("_validator" in ast.unparse(mark) for mark in node.decorator_list)
            for inner in ast.walk(node)
        }
        bare += [
            f"{path.name}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Raise)
            and node not in validators
            and node.exc is not None
            and ast.unparse(node.exc).startswith("ValueError")
        ]
    assert bare == []
    assert issubclass(StructureFileError, ValueError)


SALT = bulk("NaCl", "rocksalt", a=5.64)
#: A type checker would refuse these words before they reach the code that must.
UNKNOWN: Any = "unknown"


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("fmax", lambda: gencsp.relax([SALT], fmax=float("nan"))),
        ("pressure", lambda: gencsp.relax([SALT], pressure=float("inf"))),
        ("workers", lambda: gencsp.relax([SALT], workers=0)),
        ("minimiser", lambda: gencsp.relax([SALT], minimiser="newton")),
        ("n is", lambda: gencsp.propose("TiO2", n=0)),
        ("max_atoms", lambda: gencsp.propose("TiO2", max_atoms=10**12)),
        ("volume", lambda: gencsp.propose("TiO2", volume=float("inf"))),
        ("space_groups", lambda: gencsp.propose("TiO2", space_groups=(0,))),
        ("seed", lambda: gencsp.propose("TiO2", seed=-1)),
        ("inpaintings", lambda: gencsp.refine([SALT], inpaintings=0)),
        ("fmax", lambda: gencsp.refine([SALT], fmax=0)),
        ("workers", lambda: gencsp.refine([SALT], workers=0)),
        ("engine", lambda: gencsp.refine([SALT], engine=UNKNOWN)),
        ("workers", lambda: gencsp.hull([SALT], workers=0)),
        ("engine", lambda: gencsp.hull([SALT], engine=UNKNOWN)),
        ("workers", lambda: gencsp.filter([SALT], workers=0)),
        ("steps", lambda: noise_levels(0, sigma_min=0.1, sigma_max=1.0)),
        ("sigma_max", lambda: noise_levels(3, sigma_min=0.1, sigma_max=float("nan"))),
        ("spacing", lambda: noise_levels(3, sigma_min=0.1, sigma_max=1.0, spacing=UNKNOWN)),
        ("minimiser", lambda: MINIMISERS.make("newton")),
        ("engine", lambda: get_potential("sevennet", engine=UNKNOWN)),
        ("share", lambda: SeedSchedule(share=float("nan"), seeded=True)),
        ("shakes", lambda: RandomSearch(schedule=SeedSchedule(share=0.5, seeded=True), shakes=-1)),
        ("target", lambda: Metropolis(target=1.0)),
        ("same_energy", lambda: StructureIndex(same_energy=float("nan"))),
        ("volume", lambda: scaled(SALT.cell, float("nan"))),
    ],
)
def test_calls_refuse_before_they_return(name: str, call: Callable[[], object]) -> None:
    with pytest.raises(GencspError, match=name):
        call()


@pytest.mark.parametrize("engine", ["native", "torch"])
@pytest.mark.parametrize("workers", [0, -1, 1.5])
def test_engines_need_a_worker(engine: Any, workers: Any) -> None:
    try:
        potential = get_engine(engine)
    except EngineError as error:
        pytest.skip(str(error))
    with pytest.raises(RequestError, match="workers"):
        potential.evaluate([SALT], workers=workers)
    with pytest.raises(RequestError, match="workers"):
        next(iter(potential.relax([SALT], RelaxSettings(), workers=workers)))
