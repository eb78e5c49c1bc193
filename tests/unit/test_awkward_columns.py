"""Whatever the columns hold, an analysis answers with a result, a status and a sentence, or with our own exception.

Warnings of numpy are errors here: a number that comes out of an overflow or a 0 / 0 is no answer either.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.common.observations import labels
from analysis.common.status import AnalysisError, Status
from analysis.outcome.association import correlate
from analysis.outcome.mixed_models import random_intercept, within_between
from analysis.outcome.regression import regress
from analysis.two_views.actor_partner import actor_partner
from analysis.two_views.agreement import agree, intraclass, kappa
from analysis.two_views.one_with_many import one_with_many
from analysis.two_views.paired_ratings import paired_difference
from analysis.two_views.response_surface import response_surface
from analysis.two_views.truth_and_bias import truth_and_bias


def column(rng: np.random.Generator, n: int) -> object:
    x = rng.normal(size=n)
    kinds = {
        "constant": lambda: np.full(n, 3.0),
        "half missing": lambda: np.where(rng.random(n) < 0.5, np.nan, x),
        "tiny": lambda: x * 1e-9,
        "far from zero": lambda: x + 1e9,
        "rarely one": lambda: (rng.random(n) < 0.1) * 1.0,
        "in pairs": lambda: np.repeat(x, 2)[:n],
        "nullable whole numbers": lambda: pd.array(np.where(rng.random(n) < 0.2, None, np.round(x)), dtype="Int64"),
        "plain": lambda: x,
    }
    return kinds[str(rng.choice(list(kinds)))]()


def calls(rng: np.random.Generator, trial: int) -> list[Callable[[], Any]]:
    n = int(rng.choice([0, 1, 2, 3, 4, 5, 8, 12, 30]))
    a, b, c, d = (column(rng, n) for _ in range(4))
    b = a if rng.random() < 0.15 else b
    therapist = rng.integers(0, max(1, rng.integers(1, n + 2)), n)
    dyad = np.arange(n) // 2
    kind = ["CR2", "CR3", "HC3", "HC5", "classical"][trial % 5]
    return [
        lambda: correlate(a, b, cluster=therapist, covariates={"c": c} if trial % 2 else None, n_bootstrap=5),
        lambda: correlate(a, b, cluster=therapist, method="spearman", n_bootstrap=5),
        lambda: regress(a, {"b": b, "c": c}, covariates={"d": d}, cluster=therapist, covariance=kind),
        lambda: agree(a, b, cluster=therapist, n_bootstrap=5),
        lambda: intraclass(pd.DataFrame({"a": a, "b": b, "c": c}).astype(float)),
        lambda: kappa(a, b),
        lambda: random_intercept(a, {"b": b}, cluster=therapist),
        lambda: random_intercept(a, {"b": b}, cluster=dyad, outer=dyad % 3),
        lambda: within_between(a, {"b": b, "c": c}, cluster=therapist),
        lambda: response_surface(a, b, c, cluster=therapist),
        lambda: actor_partner(a, b, c, d, cluster=therapist, n_bootstrap=5, errors=["CR2", "ML"][trial % 2]),
        lambda: truth_and_bias(a, b, dyad=dyad, cluster=dyad // 2),
        *([lambda: one_with_many(a, b, therapist=therapist)] if trial < 2 else []),
    ]


@pytest.mark.parametrize("seed", range(12))
def test_every_analysis_answers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for trial in range(20):
        for call in calls(rng, trial):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    found = call()
                    found.to_frame()
                except AnalysisError:
                    continue
            assert found.status == "ok" or found.warnings


def test_origin_and_unit_of_a_predictor_do_not_make_it_collinear() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 50))
    near = regress(y, {"x": x})["x"]
    far = regress(y, {"x": 1e9 + x, "tiny": 1e-9 * rng.normal(size=50)})
    assert far.status is Status.OK
    assert regress(y, {"x": 1e6 + x})["x"].p == pytest.approx(near.p, rel=1e-6)


def test_a_huge_standardised_difference_keeps_its_limits() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=20)
    found = paired_difference(x + 1e7, rng.normal(size=20))
    assert found.d_difference_ci_lower < found.d_difference < found.d_difference_ci_upper
    # Where both ways to the limits apply they agree.
    near = paired_difference(x + 150, rng.normal(size=20))
    ratio = near.d_difference_ci_upper / near.d_difference
    assert ratio == pytest.approx(found.d_difference_ci_upper / found.d_difference, rel=1e-3)


def test_clusters_and_predictors_that_reproduce_the_outcome_are_singular() -> None:
    found = random_intercept([1, 2, 5, 6, 9, 10], {"x": [0, 1, 0, 1, 0, 1]}, cluster=[1, 1, 2, 2, 3, 3])
    assert found.status is Status.SINGULAR and np.isnan(found.icc)


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint64, object])
@pytest.mark.parametrize("far", [1, 10**6])
def test_whole_numbers_are_numbered_in_order_near_and_far(kind: type, far: int) -> None:
    codes, n_labels = labels(far * np.array([4, 2, 2, 7, 4]).astype(kind))
    np.testing.assert_array_equal(codes, [1, 0, 0, 2, 1])
    assert n_labels == 3
