"""Small and awkward designs are normal: each analysis gives a status, a sentence, and what is still estimable."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.common.status import Status
from analysis.outcome.association import correlate
from analysis.outcome.mixed_models import random_intercept, within_between
from analysis.outcome.regression import regress
from analysis.two_views.actor_partner import PATHS, actor_partner
from analysis.two_views.agreement import (
    STATISTICS,
    agree,
    concordance,
    intraclass,
    limits_of_agreement,
    paired_difference,
)
from analysis.two_views.one_with_many import one_with_many
from analysis.two_views.response_surface import POLYNOMIAL, SURFACE, response_surface
from analysis.two_views.truth_and_bias import truth_and_bias

N = 30
Columns = dict[str, np.ndarray]


def study(seed: int = 0) -> Columns:
    """30 dyads of 6 therapists at 2 sites: a predictor, two outcomes, both raters' ratings."""
    rng = np.random.default_rng(seed)
    made = {name: rng.normal(size=N) for name in ("x", "y", "y2")}
    ratings = {name: rng.normal(size=N) + 4 for name in ("client", "rating")}
    return {**made, **ratings, "therapist": np.repeat(np.arange(6), 5), "site": np.repeat([0, 1], 15)}


def first(n: int) -> Columns:
    return {name: values[:n] for name, values in study().items()}


BASE = study()
AWKWARD: dict[str, Columns] = {
    "one client per therapist": BASE | {"therapist": np.arange(N)},
    "two therapists": BASE | {"therapist": np.repeat([0, 1], 15)},
    "one therapist": BASE | {"therapist": np.zeros(N, dtype=int), "site": np.zeros(N, dtype=int)},
    "one site": BASE | {"site": np.zeros(N, dtype=int)},
    "one therapist per site": BASE | {"site": BASE["therapist"]},
    "constant outcome": BASE | {"y": np.full(N, 3.0)},
    "constant predictor": BASE | {"x": np.full(N, 2.0)},
    "constant client": BASE | {"client": np.full(N, 2.0)},
    "raters alike": BASE | {"rating": BASE["client"]},
    "raters opposed": BASE | {"rating": -BASE["client"]},
    "outcome is the predictor": BASE | {"y": BASE["x"]},
    "outcome is the client's rating": BASE | {"y": BASE["client"]},
    "no outcome": BASE | {"y": np.full(N, np.nan)},
    "no client": BASE | {"client": np.full(N, np.nan)},
    "far from zero": BASE | {"y": BASE["y"] + 1e9, "client": BASE["client"] + 1e9},
    "very small": BASE | {"y": BASE["y"] * 1e-12},
    "two answers only": BASE | {"client": np.round(BASE["client"] > 4), "rating": np.round(BASE["rating"] > 4)},
    "one dyad differs": BASE | {"client": np.eye(N)[0], "y": np.eye(N)[0]},
    "alike within therapists": BASE | {"client": BASE["therapist"] * 1.0, "y": BASE["therapist"] * 1.0},
    **{f"{n} rows": first(n) for n in range(9)},
    **{f"{n} rows, own therapists": first(n) | {"therapist": np.arange(n), "site": np.arange(n)} for n in (2, 5, 8)},
}


def sessions(d: Columns) -> np.ndarray:
    """Two dyads per therapist, several sessions each."""
    return d["therapist"] * 100 + np.arange(len(d["therapist"])) % 2


ANALYSES: dict[str, Callable[[Columns], Any]] = {
    "correlation": lambda d: correlate(d["client"], d["y"], cluster=d["therapist"], n_bootstrap=10),
    "rank correlation": lambda d: correlate(
        d["client"], d["y"], cluster=d["therapist"], method="spearman", n_bootstrap=10
    ),
    "partial correlation": lambda d: correlate(
        d["client"], d["y"], covariates={"x": d["x"], "rating": d["rating"]}, cluster=d["therapist"]
    ),
    "regression": lambda d: regress(
        d["y"], {"client": d["client"], "rating": d["rating"]}, covariates={"x": d["x"]}, cluster=d["therapist"]
    ),
    "mixed": lambda d: random_intercept(d["y"], {"x": d["x"], "client": d["client"]}, cluster=d["therapist"]),
    "null": lambda d: random_intercept(d["y"], cluster=d["therapist"], method="ml"),
    "sites": lambda d: random_intercept(d["y"], {"x": d["x"]}, cluster=_nested(d), outer=d["site"]),
    "levels": lambda d: within_between(d["y"], {"client": d["client"]}, cluster=_nested(d), outer=d["site"]),
    "one with many": lambda d: one_with_many(d["client"], d["rating"], therapist=d["therapist"]),
    "one with many, sessions": lambda d: one_with_many(
        d["client"], d["rating"], therapist=d["therapist"], dyad=sessions(d)
    ),
    "truth and bias": lambda d: truth_and_bias(d["rating"], d["client"], dyad=sessions(d), cluster=d["therapist"]),
    "surface": lambda d: response_surface(d["y"], d["client"], d["rating"], cluster=d["therapist"]),
    "actor-partner": lambda d: actor_partner(
        d["client"], d["rating"], d["y"], d["y2"], cluster=d["therapist"], n_bootstrap=10
    ),
    "agreement": lambda d: agree(d["client"], d["rating"], cluster=d["therapist"], n_bootstrap=10),
    "intraclass": lambda d: intraclass(np.column_stack([d["client"], d["rating"]])),
    "concordance": lambda d: concordance(d["client"], d["rating"]),
    "limits": lambda d: limits_of_agreement(d["client"], d["rating"]),
    "difference": lambda d: paired_difference(d["client"], d["rating"], cluster=d["therapist"]),
}
MAY_BE_INFINITE = ["df", "equal_df2", "vif", "f"]
"""Degrees of freedom of a normal test, inflation of a collinear predictor, F of raters that agree exactly."""


def _nested(d: Columns) -> np.ndarray:
    """Therapists with ids of their own at every site."""
    return d["site"] * 1000 + d["therapist"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("design", list(AWKWARD))
@pytest.mark.parametrize("analysis", list(ANALYSES))
def test_every_awkward_design_gives_a_status_a_sentence_and_finite_numbers(analysis: str, design: str) -> None:
    found = ANALYSES[analysis](AWKWARD[design])
    frame = found.to_frame()
    if found.status is not Status.OK:
        assert found.warnings and all(
            not sentence[0].islower() and sentence.endswith(".") for sentence in found.warnings
        )
    numbers = frame.select_dtypes("number").drop(columns=MAY_BE_INFINITE, errors="ignore").to_numpy(dtype=float)
    assert not np.isinf(numbers).any()
    shown = " ".join(found.warnings)
    assert "nan" not in shown and "array" not in shown


@pytest.mark.parametrize(
    ("analysis", "design", "status"),
    [
        ("regression", "constant outcome", Status.CONSTANT),
        ("regression", "constant predictor", Status.CONSTANT),
        ("regression", "raters alike", Status.COLLINEAR),
        ("regression", "one therapist", Status.TOO_FEW_CLUSTERS),
        ("mixed", "one client per therapist", Status.UNDERIDENTIFIED),
        ("mixed", "one therapist", Status.TOO_FEW_CLUSTERS),
        ("mixed", "alike within therapists", Status.SINGULAR),
        ("one with many", "one client per therapist", Status.UNDERIDENTIFIED),
        ("one with many", "one therapist", Status.TOO_FEW_CLUSTERS),
        ("one with many", "no client", Status.NO_DATA),
        ("surface", "two answers only", Status.COLLINEAR),
        ("actor-partner", "raters alike", Status.COLLINEAR),
        ("actor-partner", "outcome is the client's rating", Status.SINGULAR),
        ("agreement", "constant client", Status.CONSTANT),
        ("agreement", "2 rows", Status.TOO_FEW_ROWS),
        ("intraclass", "raters opposed", Status.CONSTANT),
        ("correlation", "no client", Status.NO_DATA),
    ],
)
def test_awkward_designs_have_the_status_that_says_why(analysis: str, design: str, status: Status) -> None:
    assert ANALYSES[analysis](AWKWARD[design]).status is status


def test_what_is_still_estimable_is_estimated() -> None:
    left = regress(BASE["y"], {"rating": BASE["rating"]}, covariates={"x": BASE["x"]}, cluster=BASE["therapist"])
    constant = ANALYSES["regression"](AWKWARD["constant client"])
    assert constant["rating"].estimate == pytest.approx(left["rating"].estimate)
    assert constant["rating"].p == pytest.approx(left["rating"].p) and np.isnan(constant["client"].estimate)
    alone = ANALYSES["mixed"](AWKWARD["one client per therapist"])
    plain = regress(BASE["y"], {"x": BASE["x"], "client": BASE["client"]}, covariance="classical")
    assert [alone["x"].estimate, alone["x"].se, alone["x"].p] == pytest.approx(
        [plain["x"].estimate, plain["x"].se, plain["x"].p]
    )
    one = ANALYSES["one with many"](AWKWARD["one client per therapist"])
    r = np.corrcoef(BASE["client"], BASE["rating"])[0, 1]
    assert one.reciprocity("dyad").correlation == pytest.approx(r, abs=1e-5)
    assert one.variance("client", "dyad").variance == pytest.approx(BASE["client"].var(ddof=1), rel=1e-5)


def test_raters_whose_levels_lie_far_apart_keep_their_consistency() -> None:
    near, far = (intraclass(np.column_stack([BASE["client"], BASE["rating"] + gap])) for gap in (0.0, 1e8))
    assert far["ICC(C,1)"].icc == pytest.approx(near["ICC(C,1)"].icc, abs=1e-5)


def test_sessions_without_a_dyad_are_each_alone() -> None:
    dyad = sessions(BASE).astype(object)
    dyad[[3, 17]] = None
    named = dyad.copy()
    named[[3, 17]] = ["own", "other"]
    rated = BASE["rating"], BASE["client"]
    found, same = (truth_and_bias(*rated, dyad=each, cluster=BASE["therapist"]) for each in (dyad, named))
    assert found["tracking_within"].estimate == pytest.approx(same["tracking_within"].estimate, rel=1e-12)
    assert found.n_dyads == same.n_dyads


SEEDS = st.integers(0, 10_000)


def shuffled(d: Columns, seed: int) -> Columns:
    """The rows in another order, therapists under other names."""
    order = np.random.default_rng(seed).permutation(N)
    names = np.array([f"t{(7 * number) % 11}" for number in d["therapist"]], dtype=object)
    return {name: (names if name == "therapist" else values)[order] for name, values in d.items()}


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_order_and_labels_do_not_matter(seed: int) -> None:
    d = study(seed)
    for analysis in ("surface", "actor-partner", "agreement", "difference", "correlation"):
        one, other = (ANALYSES[analysis](each).to_frame() for each in (d, shuffled(d, seed)))
        kept = [column for column in one.select_dtypes("number") if "boot" not in column]
        np.testing.assert_allclose(one[kept], other[kept], rtol=1e-6, atol=1e-9, err_msg=analysis)


@given(SEEDS, st.floats(0.1, 50), st.floats(-100, 100))
@settings(max_examples=15, deadline=None)
def test_units_and_origins_change_estimates_as_they_should_and_no_test(seed: int, unit: float, origin: float) -> None:
    d = study(seed)
    paths = ANALYSES["actor-partner"](d)
    moved = ANALYSES["actor-partner"](
        d | {"client": d["client"] * unit + origin, "rating": d["rating"] * unit + origin}
    )
    for effect in PATHS:
        assert moved[effect].estimate * unit == pytest.approx(paths[effect].estimate, rel=1e-6, abs=1e-9)
        assert moved[effect].p == pytest.approx(paths[effect].p, rel=1e-5)
    surface = ANALYSES["surface"](d)
    higher = ANALYSES["surface"](d | {"client": d["client"] + origin, "rating": d["rating"] + origin})
    for name in (*POLYNOMIAL, *SURFACE):
        assert higher[name].estimate == pytest.approx(surface[name].estimate, rel=1e-5, abs=1e-7), name
    agreed = ANALYSES["agreement"](d)
    both = ANALYSES["agreement"](d | {"client": d["client"] * unit + origin, "rating": d["rating"] * unit + origin})
    in_units = {"mean_difference", "limit_lower", "limit_upper"}
    for statistic in STATISTICS:
        factor = unit if statistic in in_units else 1.0
        assert both[statistic].estimate == pytest.approx(factor * agreed[statistic].estimate, rel=1e-6, abs=1e-8)
