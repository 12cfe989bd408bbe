"""What workers do in the suite of DP-CDVAE: blocks of crystals that are decoded and measured."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from gencsp import records
from gencsp.deck import Count, Natural, check_fields
from gencsp.diffusion.dp_cdvae.choices import DpCdvaeSampling, Rule, SpeciesRule
from gencsp.diffusion.dp_cdvae.model import DpCdvaeModel
from gencsp.diffusion.dp_cdvae.prior import latents
from gencsp.diffusion.dp_cdvae.sampler import decode
from gencsp.diffusion.dp_cdvae.stored import StoredDpCdvae
from gencsp.measure.match_rate import distance
from gencsp.measure.structure_fingerprint import structure_fingerprint
from gencsp.measure.validity import compositionally_valid, structurally_valid
from gencsp.minimise.settings import RelaxSettings
from gencsp.provenance import Provenance, Stage
from gencsp.records import SymmetryTolerance
from gencsp.runs.parts import NamedRelaxer
from gencsp.runs.reconstructing import decoded, reconstruct
from gencsp.searches import tasks
from gencsp.searches.randomness import task_generator
from gencsp.searches.runner import TaskOutput
from gencsp.searches.tasks import cached_make
from gencsp.store.base import Finished, portable
from gencsp.suites.truths import KnownCrystal

#: Largest seed that a block is given.
_SEEDS = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How crystals are decoded, and what is computed of them.

    Attributes:
        model: makes the model.
        levels: reverse steps of reconstructions; ``None`` for all of the model.
        generated_levels: of generated crystals, likewise.
        species: of the atoms on the way, see :class:`.DpCdvaeSampling`.
        attempts: decodings of a reconstruction, of which the encoder chooses one.
        relaxer: makes the potential.
        relax: how generated crystals are relaxed.
        ground_states: how many, the first ones, are.
    """

    model: StoredDpCdvae
    levels: Count | None
    generated_levels: Count | None
    species: SpeciesRule
    relaxer: NamedRelaxer
    relax: RelaxSettings
    attempts: Count = 1
    ground_states: Natural = 0

    def __post_init__(self) -> None:
        check_fields(self)


def reconstruct_block(
    how: Decoding, rule: Rule, crystals: Sequence[KnownCrystal], *, name: str, seed: int
) -> TaskOutput:
    """Known crystals through z and back (eq. 8); ``info`` says how far each is then."""
    begun, used = time.perf_counter(), time.process_time()
    made = reconstruct(
        [one.atoms for one in crystals],
        model=cached_make(how.model),
        rule=rule,
        levels=how.levels,
        species=how.species,
        attempts=how.attempts,
        seed=int(task_generator(seed, name).integers(_SEEDS)),
        batch_size=len(crystals),
    )
    structures = [portable(atoms) for atoms in made]
    spent = (time.process_time() - used) / len(structures)
    for crystal, atoms in zip(crystals, structures, strict=True):
        atoms.info |= {
            records.STRUCTURE_ID: f"{name}:{crystal.key}",
            records.PARENTS: crystal.key,
            records.SEED: seed,
            records.KNOWN_CRYSTAL: crystal.key,
            records.PROCESSOR_SECONDS: spent,
            records.VALID_COMPOSITION: bool(compositionally_valid(atoms.numbers)),
        }
        rms = distance(atoms, crystal.atoms)
        if np.isfinite(rms):
            atoms.info[records.RMS_TO_KNOWN] = rms
    return _output(structures, reconstruct=begun)


def generate_block(how: Decoding, rule: Rule, places: range, *, name: str, seed: int) -> TaskOutput:
    """Crystals of z from its prior, nothing dropped, measured as in Table II; some are relaxed."""
    begun, used = time.perf_counter(), time.process_time()
    model: DpCdvaeModel = cached_make(how.model)
    rngs = [np.random.default_rng([seed, k]) for k in places]
    z = latents(model, rngs)
    sampling = DpCdvaeSampling(rule=rule, steps=how.generated_levels, species=how.species)
    made = decode(model, z, sampling=sampling, rngs=rngs)
    spent = (time.process_time() - used) / len(made)
    structures = []
    for k, atoms in zip(places, made, strict=True):
        one = portable(decoded(atoms, f"{name}:{k:05d}", "", seed=seed, model=model))
        one.info |= {records.RANK: k, records.PROCESSOR_SECONDS: spent}
        structures.append(_measured(one))
    chosen = [one for one in structures if one.info[records.RANK] < how.ground_states]
    valid = [one for one in structures if is_valid(one) and one not in chosen]
    _write_energies(how.relaxer, [*chosen, *valid])
    ended = tasks.relax(
        how.relaxer,
        [portable(one) for one in chosen],
        how.relax,
        stage=Stage.RELAXED,
        tolerance=SymmetryTolerance(),
    )
    return _output([*structures, *ended.structures], dict(ended.failures), generate=begun)


def know_block(relaxer: NamedRelaxer, crystals: Sequence[KnownCrystal], *, name: str) -> TaskOutput:
    """Fingerprints and energies of known crystals."""
    begun = time.perf_counter()
    structures = []
    for crystal in crystals:
        atoms = portable(crystal.atoms)
        atoms.info = {records.KNOWN_CRYSTAL: crystal.key}
        Provenance(
            structure_id=f"{name}:{crystal.key}",
            proposer="files",
            model="",
            seed=-1,
            stage=Stage.GENERATED,
            parents="",
        ).write(atoms)
        structures.append(_measured(atoms))
    _write_energies(relaxer, structures)
    return _output(structures, know=begun)


def is_valid(atoms: Atoms) -> bool:
    """By structure and composition; without a fingerprint it is not to CDVAE's program either."""
    valid = (records.VALID_STRUCTURE, records.VALID_COMPOSITION)
    return all(atoms.info[key] for key in valid) and fingerprint_of(atoms) is not None


def fingerprint_of(atoms: Atoms) -> np.ndarray | None:
    """The structure fingerprint that a block wrote, shape (61,)."""
    text = atoms.info.get(records.STRUCTURE_FINGERPRINT)
    return None if text is None else np.array(json.loads(str(text)), dtype=float)


def _measured(atoms: Atoms) -> Atoms:
    atoms.info |= {
        records.VALID_STRUCTURE: bool(structurally_valid(atoms)),
        records.VALID_COMPOSITION: bool(compositionally_valid(atoms.numbers)),
    }
    found = structure_fingerprint(atoms)
    if found is not None:
        atoms.info[records.STRUCTURE_FINGERPRINT] = json.dumps(found.tolist())
    return atoms


def _write_energies(relaxer: NamedRelaxer, structures: Sequence[Atoms]) -> None:
    """Energies of crystals as they are, where the potential has any."""
    if not structures:
        return
    potential = cached_make(relaxer.load)
    for atoms, found in zip(structures, potential.evaluate(structures), strict=True):
        if np.isfinite(found.energy):
            atoms.info[records.ENERGY_PER_ATOM] = found.energy / len(atoms)
            atoms.info[records.ENERGY_MODEL] = potential.model


def _output(
    structures: Sequence[Atoms], failures: dict[str, int] | None = None, **begun: float
) -> TaskOutput:
    now = time.perf_counter()
    finished = Finished(structures=tuple(structures), failures=failures or {})
    seconds = {stage: now - since for stage, since in begun.items()}
    return TaskOutput(results=(finished,), seconds=seconds)
