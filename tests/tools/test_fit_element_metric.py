"""What the metric of elements is fitted to is what the package makes of it."""

from __future__ import annotations

import json
import math
from importlib import resources
from typing import Any

import fit_element_metric as fitting
import numpy as np
import pytest
import torch
from fit_symmetry_prior import decode

from gencsp.composition import ELEMENTS
from gencsp.proposers.crystals.symmetry_prior import SymmetryPrior

#: Of one stoichiometry, in which any element can take any role.
TEMPLATES = ("216 1a 1b 1c", "189 3ad 3f 3g", "62 4c 4c 4c", "194 2a 2c 2d")


@pytest.fixture(scope="module")
def tables() -> tuple[dict[str, str], dict[str, Any]]:
    """Fifty crystals of each template, and the points that ship."""
    data = resources.files("gencsp").joinpath("data")
    every = json.loads(data.joinpath("symmetry_prior.json").read_text("utf-8"))["templates"]
    few = {name: " ".join(every[name].split()[:50]) for name in TEMPLATES if name in every}
    assert len(few) >= 3
    return few, json.loads(data.joinpath("element_metric.json").read_text("utf-8"))


def metric_of(table: dict[str, Any]) -> fitting.Metric:
    metric = fitting.Metric(torch.Generator().manual_seed(0))
    with torch.no_grad():
        metric.points.copy_(torch.tensor([table["points"][s] for s in ELEMENTS]))
        metric.floor.fill_(math.log(table["floor"]))
    return metric


def test_likelihood_is_the_probability_that_the_package_gives(
    tables: tuple[dict[str, str], dict[str, Any]],
) -> None:
    """Of the own skeleton of a crystal, all crystals of its formula left out of the table."""
    templates, points = tables
    metric = metric_of(points)
    (group,) = fitting.groups(templates)
    members = [(name, one) for name, some in templates.items() for one in some.split()]
    compared = 0
    for place in range(0, len(members), 10):
        found = fitting._log_likelihood(metric, group, torch.tensor([place])).detach()
        expected = _probability(templates, points, *members[place])
        assert len(found) == (not math.isnan(expected))
        if len(found):
            assert float(found.exp()) == pytest.approx(expected, rel=1e-3)
            compared += 1
    assert compared > 10


def _probability(
    templates: dict[str, str], points: dict[str, Any], name: str, member: str
) -> float:
    elements = member.partition(":")[0]
    composition, true = decode(name, elements)
    formula = composition.reduced
    kept = {
        one: " ".join(
            m for m in members.split() if decode(one, m.partition(":")[0])[0].reduced != formula
        )
        for one, members in templates.items()
    }
    prior = SymmetryPrior({"templates": kept}, points)
    for candidate in prior.known(formula, (1, 2, 3, 4)).candidates():
        own = candidate.skeleton
        if (own.space_group, sorted(own.occupied)) == (true.space_group, sorted(true.occupied)):
            return candidate.probability
    return math.nan


def test_a_fit_brings_together_what_replaces_each_other() -> None:
    """Two templates with disjoint elements; lithium and chlorine start near nothing of theirs."""
    templates = {
        "225 1a 1b": "NaF::10 KF::10 LiF::10 NaCl::10 KCl::10 LiCl::10 NaBr::10 KBr::10",
        "221 1a 1b": "DyCu::10 DyAg::10 TbCu::10 TbAg::10 ErCu::10 ErAg::10 HoCu::10",
    }
    before = fitting.start()
    metric, loss = fitting.fit(fitting.groups(templates))
    (group,) = fitting.groups(templates)
    every = torch.arange(len(group.template))
    first = fitting._log_likelihood(before, group, every)
    assert loss < -float(first.detach().mean())
    assert np.isfinite(loss)
    assert metric.floor.item() < 0
