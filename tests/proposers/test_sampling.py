"""The sampler that settings name, and that it reaches the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ase import Atoms

import gencsp
from gencsp.diffusion.positions.sampler import SamplerSettings
from gencsp.errors import DeckError, RequestError
from gencsp.proposers.base import ProposerContext
from gencsp.proposers.options import DEFAULT_SAMPLER, QUICK_SAMPLER
from gencsp.proposers.sampling import preset_sampler, sampler_manifest, sampler_settings


def test_settings_of_the_authors_program() -> None:
    """``ld_kwargs`` of its example, and the defaults of its schedule of jumps."""
    assert preset_sampler("chggen") == SamplerSettings(
        sampler={"name": "predictor-corrector", "corrector_steps": 5, "snr": 0.4},
        steps=200,
        sigma_min=0.01,
        resampling=3,
        jump_length=10,
    )


def test_each_setting_changes_its_own_and_no_other() -> None:
    assert sampler_settings() == sampler_settings("thorough") == DEFAULT_SAMPLER
    assert sampler_settings("quick") == QUICK_SAMPLER
    fine = sampler_settings("fine")
    assert fine == replace(DEFAULT_SAMPLER, steps=200, sigma_max=2.5, sigma_min=0.03)
    assert sampler_settings("fine", levels=9) == replace(fine, steps=9)
    wanted: dict[str, tuple[dict[str, Any], SamplerSettings]] = {
        "levels": ({"levels": 7}, SamplerSettings(sampler="ddim", steps=7, resampling=5)),
        "passes": (
            {"resample": 2, "jump_length": 3},
            SamplerSettings(sampler="ddim", steps=50, resampling=2, jump_length=3),
        ),
        "noise": (
            {"sigma_min": 0.02},
            SamplerSettings(sampler="ddim", steps=50, resampling=5, sigma_min=0.02),
        ),
    }
    for given, settings in wanted.values():
        assert sampler_settings(**given) == settings
    named = sampler_settings("predictor-corrector:snr=0.3", correctors=0)
    assert named == SamplerSettings(
        sampler={"name": "predictor-corrector", "snr": 0.3, "corrector_steps": 0}, resampling=5
    )
    assert (
        sampler_settings("heun:churn=5").sampler == SamplerSettings(sampler="heun:churn=5").sampler
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sampler": "euler"}, "no sampler 'euler'"),
        ({"sampler": "thorough:steps=3"}, "has no options"),
        ({"correctors": 2}, "'ddim' has no correctors"),
        ({"sampler": "heun", "correctors": 2}, "'heun' has no correctors"),
        ({"levels": 0}, "steps is 0"),
        ({"jump_length": 0}, "jump_length is 0"),
        ({"sampler": "predictor-corrector:corrector=1"}, "corrector"),
    ],
)
def test_wrong_settings(given: dict[str, Any], says: str) -> None:
    with pytest.raises((RequestError, DeckError), match=says):
        sampler_settings(**given)


def test_a_manifest_tells_samplers_apart() -> None:
    found = [sampler_manifest(s) for s in (DEFAULT_SAMPLER, QUICK_SAMPLER)]
    assert found[0] != found[1]
    printed = sampler_manifest(preset_sampler("chggen"))
    assert printed["sampler_steps"] == 200
    assert printed["sampler_jump_length"] == 10
    assert "corrector_steps=5" in str(printed["sampler_name"])
    assert all(isinstance(value, str | int | float | None) for value in printed.values())


def proposed(model: Any, **given: Any) -> tuple[Atoms, list[float]]:
    """A proposal of Li2Si, and the noise levels at which the model was asked for it."""
    seen: list[float] = []

    class Watched:
        sigma_min, sigma_max, digest = model.sigma_min, model.sigma_max, model.digest

        def score(self, batch: Any, sigma: Any) -> Any:
            seen.append(float(sigma[0]))
            return model.score(batch, sigma)

    context = ProposerContext(model=Watched(), **given.pop("context", {}))
    (atoms,) = gencsp.propose("Li2Si", n=1, max_atoms=3, context=context, **given)
    return atoms, seen


def test_a_proposal_as_chggen_makes_them(model: Any) -> None:
    atoms, seen = proposed(model, preset="chggen")
    assert atoms.info["proposer"] == "score"
    assert atoms.get_volume() / len(atoms) == pytest.approx(16.0)
    # A predictor at each of 200 levels, five correctors at all but the last, σ = 0.
    attempts, rest = divmod(len(seen), 200 + 5 * 199)
    assert attempts >= 1
    assert rest == 0
    assert min(seen) == pytest.approx(0.01)
    quick = {"sampler": SamplerSettings(sampler="heun", steps=12)}
    atoms, seen = proposed(model, preset="chggen", volume=20.0, context=quick)
    assert atoms.get_volume() / len(atoms) == pytest.approx(20.0)
    assert len(set(seen)) == 12
    atoms, _ = proposed(model, preset="chggen", proposer="random")
    assert atoms.info["proposer"] == "random"
    with pytest.raises(RequestError, match="preset is 'pigen'"):
        proposed(model, preset="pigen")
