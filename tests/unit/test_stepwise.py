"""Stepwise selection as SPSS has it, and the change of slopes when overlapping items are left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from analysis.common.status import AnalysisError, Status
from analysis.outcome.overlap import slope_changes
from analysis.outcome.stepwise import stepwise

N = 200


@pytest.fixture
def columns() -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(1).standard_normal((N, 4)), columns=list("abcd"))


def test_predictors_enter_by_their_p_and_the_last_model_is_least_squares(columns: pd.DataFrame) -> None:
    y = 0.6 * columns["b"] + 0.3 * columns["d"] + np.random.default_rng(2).standard_normal(N)
    found = stepwise(y, columns)
    assert [one.predictor for one in found.entered] == ["b", "d"]
    assert set(found.left_out) == {"a", "c"}
    fit = sm.OLS(stats.zscore(y.to_numpy()), sm.add_constant(stats.zscore(columns[["b", "d"]].to_numpy()))).fit()
    assert [one.p for one in found.entered] == pytest.approx(fit.pvalues[1:].tolist(), rel=1e-8)
    assert found.r2 == pytest.approx(fit.rsquared)
    assert sum(one.r2_change for one in found.entered) == pytest.approx(found.r2)


def test_a_predictor_that_others_make_superfluous_is_removed() -> None:
    rng = np.random.default_rng(3)
    x, z = rng.standard_normal((2, N))
    both = x + z + 0.1 * rng.standard_normal(N)
    y = x + z + 0.6 * rng.standard_normal(N)
    found = stepwise(y, {"both": both, "x": x, "z": z})
    entered = {one.predictor for one in found.entered}
    assert entered == {"x", "z"} or entered == {"both"}


def test_what_is_forced_is_in_every_model(columns: pd.DataFrame) -> None:
    y = columns["a"] + np.random.default_rng(4).standard_normal(N)
    assert [one.predictor for one in stepwise(y, columns[["a", "b"]]).entered] == ["a"]
    assert stepwise(y, columns[["b"]], forced=columns[["a"]]).r2 > 0.3


def test_selection_on_noise_finds_too_much() -> None:
    """Why it is no finding: with ten predictors of nothing, some 40 % of studies keep at least one."""
    rng = np.random.default_rng(5)
    kept = [
        bool(stepwise(rng.standard_normal(60), pd.DataFrame(rng.standard_normal((60, 10)))).entered) for _ in range(200)
    ]
    assert 0.25 < np.mean(kept) < 0.55


def test_what_cannot_be_chosen_from_has_a_status(columns: pd.DataFrame) -> None:
    for y, rows, status in ((np.ones(N), N, Status.CONSTANT), (columns["a"][:4], 4, Status.TOO_FEW_ROWS)):
        with pytest.raises(AnalysisError) as refused:
            stepwise(y, columns[:rows])
        assert refused.value.status is status
    assert not stepwise(columns["a"], columns[["b"]].assign(c=1.0)).entered


def test_the_change_is_the_difference_of_both_regressions(columns: pd.DataFrame) -> None:
    rng = np.random.default_rng(6)
    y = columns["a"] + rng.standard_normal(N)
    polluted = columns[["a", "b"]].assign(b=columns["b"] + y)
    clusters = np.repeat(np.arange(N // 4), 4)
    held = columns[["d"]]
    changes = slope_changes(y, polluted, columns[["a", "b"]], covariates=held, cluster=clusters)
    slopes = [
        sm.OLS(stats.zscore(y.to_numpy()), stats.zscore(own.assign(d=held["d"]).to_numpy())).fit().params[:2]
        for own in (polluted, columns[["a", "b"]])
    ]
    assert [one.change for one in changes] == pytest.approx((slopes[1] - slopes[0]).tolist())
    assert changes[1].ci_upper < 0
    same = slope_changes(y, polluted, polluted, cluster=clusters)
    assert [one.change for one in same] == [0.0, 0.0]


def test_one_cluster_and_collinear_columns_leave_no_interval(columns: pd.DataFrame) -> None:
    one = slope_changes(columns["a"], columns[["b"]], columns[["c"]].set_axis(["b"], axis=1), cluster=np.zeros(N))
    assert np.isfinite(one[0].change) and np.isnan(one[0].se)
    two = slope_changes(
        columns["a"], columns[["b", "c"]], columns[["c", "b"]].set_axis(["b", "c"], axis=1), cluster=np.zeros(N)
    )
    assert np.isfinite(two[0].change) and np.isnan(two[0].se)
    twice = columns[["b"]].assign(c=columns["b"])
    assert np.isnan(slope_changes(columns["a"], twice, twice, cluster=np.arange(N))[0].change)
