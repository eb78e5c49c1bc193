"""The t test every model shares."""

import numpy as np
import pytest
from scipy import stats

from analysis.common.intervals import t_test


def test_t_test_is_that_of_one_sample() -> None:
    values = np.array([1.0, 2.5, 0.3, 4.0, 2.2])
    expected = stats.ttest_1samp(values, 0.0)
    found = t_test(values.mean(), values.std(ddof=1) / np.sqrt(5), 4.0, 0.9)
    assert [found.t, found.p] == pytest.approx([expected.statistic, expected.pvalue])
    assert [found.ci_lower, found.ci_upper] == pytest.approx(list(expected.confidence_interval(0.9)))
    assert t_test(1.96, 1.0, np.inf).p == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(("se", "df", "interval"), [(0.0, 4.0, [2.0, 2.0]), (1.0, 0.0, None), (np.nan, 4.0, None)])
def test_what_cannot_be_tested_has_no_p(se: float, df: float, interval: list[float] | None) -> None:
    found = t_test(2.0, se, df)
    assert np.isnan(found.p)
    limits = [found.ci_lower, found.ci_upper]
    assert limits == interval if interval is not None else np.isnan(limits).all()
