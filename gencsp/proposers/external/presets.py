"""Generators that gencsp knows how to call: their commands, and where they leave their crystals.

Read in the programs themselves: MatterGen 1.0.3 (``mattergen-generate``), chemeleon-dng 0.1.5
(``chemeleon-dng``), DiffCSP (``scripts/sample.py``) and CDVAE (``scripts/evaluate.py``). What each
needs installed is described in ``docs/external_generators.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gencsp.deck import Count, check_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How a generator is called.

    Attributes:
        command: one argument each, with placeholders (:data:`PLACEHOLDERS`).
        output: where the crystals are, relative to ``{out}``: patterns, of which the first that
            matches anything counts.
        batch: structures made at once, unless the deck says otherwise.
        variables: environment variables.
    """

    command: tuple[str, ...]
    output: tuple[str, ...]
    batch: Count = 64
    variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)


#: What stands in braces in a command, and what takes its place.
PLACEHOLDERS: Mapping[str, str] = MappingProxyType(
    {
        "out": "new folder for the output of this attempt",
        "n": "structures wanted",
        "batch": "structures at once",
        "batches": "batches that make at least as many as are wanted",
        "formula": "all atoms of a cell, such as Li10Si4",
        "counts": 'the same as JSON, such as {"Li":10,"Si":4}',
        "system": "chemical system, such as Li-Si",
        "seed": "a seed drawn from the generator of the run",
        "model": "'model' of the deck: weights, by path or name",
        "home": "'home' of the deck: where the program lies",
        "templates": "folder of gencsp's own helpers",
    }
)

_MATTERGEN_OUTPUT = ("generated_crystals.extxyz", "generated_crystals_cif.zip")

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        # Conditioned on the chemical system alone: what has another composition is dropped.
        "mattergen": Preset(
            command=(
                "mattergen-generate",
                "{out}",
                "--pretrained_name=chemical_system",
                "--batch_size={batch}",
                "--num_batches={batches}",
                "--properties_to_condition_on={'chemical_system':'{system}'}",
                "--diffusion_guidance_factor=2.0",
                "--record_trajectories=False",
            ),
            output=_MATTERGEN_OUTPUT,
        ),
        # With weights trained for crystal structure prediction: the composition is kept.
        "mattergen-csp": Preset(
            command=(
                "mattergen-generate",
                "{out}",
                "--model_path={model}",
                "--batch_size={batch}",
                "--num_batches={batches}",
                "--sampling_config_name=csp",
                "--target_compositions=[{counts}]",
                "--record_trajectories=False",
            ),
            output=_MATTERGEN_OUTPUT,
        ),
        "chemeleon": Preset(
            command=(
                "chemeleon-dng",
                "--task=csp",
                "--formulas={formula}",
                "--num_samples={n}",
                "--batch_size={batch}",
                "--output_dir={out}",
                "--save_json=False",
            ),
            output=("sample_*.cif",),
        ),
        "diffcsp": Preset(
            command=(
                "python",
                "{home}/scripts/sample.py",
                "--model_path={model}",
                "--save_path={out}",
                "--formula={formula}",
                "--num_evals={n}",
                "--batch_size={batch}",
            ),
            output=("*/*.cif",),
            batch=500,
            variables={"PROJECT_ROOT": "{home}", "PYTHONPATH": "{home}"},
        ),
        # Unconditional: only the share that happens to have the composition is kept.
        "cdvae": Preset(
            command=(
                "python",
                "{templates}/cdvae_generate.py.txt",
                "{home}",
                "{model}",
                "{out}",
                "{batch}",
                "{batches}",
            ),
            output=("crystal_*.cif",),
            batch=100,
            variables={"PROJECT_ROOT": "{home}", "PYTHONPATH": "{home}"},
        ),
    }
)
