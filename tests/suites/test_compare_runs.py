"""Two runs compared: numbers by hand, p-values against other implementations, wrong files."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_suite import run_suite, write_suite
from scipy.stats import binomtest
from typer.testing import CliRunner

from gencsp.cli import app
from gencsp.errors import SuiteError
from gencsp.measure.statistics import sign_flip_p, sign_test_p
from gencsp.suites.compare import Difference, compare

KINDS = {"found": "share", "seconds": "mean", "tries": "median", "spread": "whole"}


def write(path: Path, rows: list[Any], **changes: Any) -> Path:
    """A record of rows (key, seed, values)."""
    content = {
        "protocol": {
            "suite": changes.pop("suite", "metals"),
            "run": {
                "settings": json.dumps({"n": 5, "k": [1], "matcher": "cdvae"} | changes),
                "truths": "abc",
            },
        },
        "results": {
            "kinds": {name: kind for name, kind in KINDS.items() if kind != "whole"},
            "measures": {name: {"value": 0.5} for name in KINDS},
            "rows": [{"key": key, "seed": seed, "values": values} for key, seed, values in rows],
        },
    }
    path.write_text(json.dumps(content))
    return path


def of(differences: tuple[Difference, ...], name: str) -> Difference:
    return next(one for one in differences if one.measure.name == name)


def test_pairs_by_crystal_with_seeds_averaged(tmp_path: Path) -> None:
    """Found: a 0.5 and 1, b 0 and 1, c 1 and 1; d and e are in one run alone."""
    first = [
        ("a", 0, {"found": 1.0, "seconds": 2.0}),
        ("a", 1, {"found": 0.0, "seconds": 4.0}),
        ("b", 0, {"found": 0.0, "seconds": None}),
        ("c", 0, {"found": 1.0, "seconds": 1.0}),
        ("d", 0, {"found": 1.0, "seconds": 99.0}),
    ]
    second = [
        ("c", 0, {"found": 1.0, "seconds": 2.0}),
        ("b", 0, {"found": 1.0, "seconds": 5.0}),
        ("a", 0, {"found": 1.0, "seconds": 9.0}),
        ("e", 0, {"found": 0.0}),
        ("f", 0, {"found": 0.0}),
    ]
    found = compare(write(tmp_path / "1.json", first), write(tmp_path / "2.json", second))
    assert (found.only_first, found.only_second) == (1, 2)
    share = of(found.differences, "found")
    assert (share.n, share.lower, share.higher) == (3, 0, 2)
    assert share.first == pytest.approx(0.5)
    assert share.second == 1.0
    assert share.value == pytest.approx(0.5)
    mean = of(found.differences, "seconds")
    assert (mean.n, mean.first, mean.second, mean.value) == (2, 2.0, 5.5, 3.5)
    assert (mean.low, mean.high) == (1.0, 6.0)


def test_p_values_are_exact_for_few_crystals() -> None:
    """All signs of seven differences one by one, zeros added; of equal ones the binomial test."""
    some = [0.3, -0.1, 0.7, 0.2, 0.4, -0.05, 0.6]
    sums = [np.dot(signs, some) for signs in product((1, -1), repeat=7)]
    side = np.mean(np.array(sums) >= sum(some) - 1e-12)
    p = sign_flip_p([*some, 0.0, 0.0], rng=np.random.default_rng(0))
    assert p == pytest.approx(2 * side)
    assert sign_flip_p([-one for one in some], rng=np.random.default_rng(0)) == pytest.approx(p)
    equal = [1.0] * 9 + [-1.0] * 2
    exact = binomtest(9, 11).pvalue
    assert sign_flip_p(equal, rng=np.random.default_rng(0)) == pytest.approx(exact)
    assert sign_flip_p([0.0, 0.0], rng=np.random.default_rng(0)) == 1
    assert sign_flip_p([0.4], rng=np.random.default_rng(0)) == 1
    assert sign_flip_p([], rng=np.random.default_rng(0)) == 1


def test_p_values_of_many_crystals_are_near_the_exact_ones() -> None:
    many = [1.0] * 40 + [-1.0] * 22 + [0.0] * 100
    p = sign_flip_p(many, rng=np.random.default_rng(1))
    assert p == pytest.approx(binomtest(40, 62).pvalue, abs=0.01)
    assert sign_test_p(22, 40) == pytest.approx(binomtest(40, 62).pvalue)
    assert (sign_test_p(0, 0), sign_test_p(0, 6)) == (1.0, 2 / 64)


def test_p_values_of_no_difference_are_uniform() -> None:
    """A false alarm at 5 % in 5 % of cases, and not in many more."""
    rng = np.random.default_rng(4)
    alarms = [sign_flip_p(rng.normal(size=9).tolist(), rng=rng) <= 0.05 for _ in range(200)]
    assert 2 <= sum(alarms) <= 22


def test_medians_are_compared_by_who_is_lower(tmp_path: Path) -> None:
    """What a search did not find is more than all that another found, and a tie with its like."""
    tries = {"a": (5, 3), "b": (9, 4), "c": (None, 7), "d": (8, 8), "e": (None, None), "f": (2, 6)}
    records = [
        write(tmp_path / f"{k}.json", [(key, 0, {"tries": two[k]}) for key, two in tries.items()])
        for k in (0, 1)
    ]
    one = of(compare(*records).differences, "tries")
    assert (one.n, one.lower, one.higher) == (6, 3, 1)
    assert (one.first, one.second, one.value) == (8.0, 6.0, -2.0)
    assert (one.low, one.high) == (None, None)
    assert one.p == pytest.approx(binomtest(3, 4).pvalue)


def test_medians_of_all_that_was_found_have_an_interval(tmp_path: Path) -> None:
    """Against medians of crystals drawn anew by hand, with their two seeds."""
    rng = np.random.default_rng(6)
    values = rng.integers(1, 60, size=(2, 15, 2)).astype(float)
    records = [
        write(
            tmp_path / f"{k}.json",
            [(f"c{i}", s, {"tries": values[k, i, s]}) for i in range(15) for s in range(2)],
        )
        for k in range(2)
    ]
    one = of(compare(*records).differences, "tries")
    middles = np.quantile(values.reshape(2, -1), 0.5, axis=1, method="lower")
    assert one.value == middles[1] - middles[0]
    drawn = [values[:, rng.integers(15, size=15)].reshape(2, -1) for _ in range(4000)]
    again = [np.subtract(*np.quantile(d, 0.5, axis=1, method="lower")[::-1]) for d in drawn]
    ends = np.quantile(again, [0.025, 0.975])
    assert [one.low, one.high] == pytest.approx(ends.tolist(), abs=5)


def test_what_is_of_all_crystals_together_stands_as_it_is(tmp_path: Path) -> None:
    """No row has the measure: both numbers, and no test."""
    records = [write(tmp_path / f"{k}.json", [("a", 0, {"found": 1.0})]) for k in range(2)]
    one = of(compare(*records).differences, "seconds")
    assert (one.n, one.first, one.value, one.low, one.p) == (0, 0.5, 0.0, None, None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"suite": "salts"}, "suite 'metals' and .* of 'salts'"),
        ({"n": 20}, "'n' is 5 in .* and 20 in"),
        ({"k": [1, 5]}, "'k' is"),
        ({"matcher": "pymatgen"}, "'matcher' is cdvae"),
        ({"budget": 100}, "'budget' is None in .* and 100"),
    ],
)
def test_other_measurements_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    first = write(tmp_path / "1.json", [("a", 0, {"found": 1.0})])
    second = write(tmp_path / "2.json", [("a", 0, {"found": 1.0})], **changes)
    with pytest.raises(SuiteError, match=said):
        compare(first, second)


def test_what_chooses_crystals_and_measures_may_differ(tmp_path: Path) -> None:
    first = write(tmp_path / "1.json", [("a", 0, {"found": 1.0})], compositions=5, relaxed=True)
    second = write(tmp_path / "2.json", [("a", 0, {"found": 0.0})], most_atoms=4, relaxed=False)
    assert of(compare(first, second).differences, "found").value == -1
    third = write(tmp_path / "3.json", [("b", 0, {"found": 0.0})])
    with pytest.raises(SuiteError, match="no crystal in common"):
        compare(first, third)
    text = json.loads(third.read_text())
    text["protocol"]["run"]["truths"] = "other"
    third.write_text(json.dumps(text))
    with pytest.raises(SuiteError, match="different files of known crystals"):
        compare(first, third)


def damaged(good: dict[str, Any]) -> dict[str, str]:
    text = json.dumps(good)
    rows = good["results"]["rows"]
    wrong = {
        "no rows": {**good["results"], "rows": []},
        "words": {**good["results"], "rows": [{**rows[0], "values": {"found": "yes"}}]},
        "another kind": {**good["results"], "kinds": {"found": "mode"}},
    }
    return {
        "cut": text[: len(text) // 2],
        "empty": "",
        "a list": "[1, 2]",
        "deep": "[" * 100_000,
        "foreign": json.dumps({"results": {"mixed": {"found": 3}}}),
        "settings": text.replace(r'"{\"n\"', r'"{\"n'),
        **{name: json.dumps({**good, "results": one}) for name, one in wrong.items()},
    }


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    good = write(tmp_path / "good.json", [("a", 0, {"found": 1.0})])
    for name, text in damaged(json.loads(good.read_text())).items():
        bad = tmp_path / "bad.json"
        bad.write_text(text)
        with pytest.raises(SuiteError, match=r"bad\.json"):
            pytest.fail(f"{name}: {compare(good, bad)}")
    bad.write_bytes(b"\xff\xfe{}")
    with pytest.raises(SuiteError, match="damaged"):
        compare(bad, good)
    with pytest.raises(SuiteError, match=r"cannot be read.*has ended"):
        compare(tmp_path, good)
    refused = CliRunner().invoke(app, ["bench", "compare", str(good), str(tmp_path / "absent")])
    assert (refused.exit_code, len(refused.output.splitlines())) == (2, 1)


@pytest.mark.usefixtures("in_this_process")
def test_two_runs_of_a_suite(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    run_suite(suite, out=tmp_path / "right")
    run_suite(suite, "OfOthers", compositions=1, out=tmp_path / "others")
    done = CliRunner().invoke(
        app, ["bench", "compare", str(tmp_path / "right"), str(tmp_path / "others")]
    )
    assert done.exit_code == 0, done.output
    (line,) = (one for one in done.stdout.splitlines() if "k = 1, as proposed" in one)
    assert line.split()[-4:] == ["0", "0", "1", "1"]
    assert "1 crystals are in A alone" in done.stdout
